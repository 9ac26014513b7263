package lab_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/lab"
)

// proxied is set in the process that has a proxy in its environment: http.ProxyFromEnvironment reads that once.
const proxied = "NOMADLAB_TEST_PROXIED"

// TestNodesAreCalledDirectly, whatever proxy the environment names. The control is a client that goes by the environment.
func TestNodesAreCalledDirectly(t *testing.T) {
	if os.Getenv(proxied) != "" {
		callThroughEnvironment(t)
		return
	}
	var plain, nodes atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/control":
			plain.Add(1)
		default:
			nodes.Add(1) // a CONNECT has no path
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNodesAreCalledDirectly$")
	again.Env = append(os.Environ(), proxied+"=1", "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=")
	if text, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if plain.Load() != 1 || nodes.Load() != 0 {
		t.Errorf("the proxy was asked %d times by the control, want once, and %d times for a node", plain.Load(), nodes.Load())
	}
}

// callThroughEnvironment calls nodes at an address that is nobody's (RFC 5737), over TLS and in the clear. Each call is given
// up as soon as it would have gone to a proxy.
func callThroughEnvironment(t *testing.T) {
	const nobody = "192.0.2.1:4646"
	control, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+nobody+"/control", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(control)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for _, inClear := range []bool{true, false} {
		client, err := lab.APIAt(netip.MustParseAddrPort(nobody), inClear)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		var answer any
		_, err = client.Raw().Query("/v1/agent/health", &answer, lab.Query(ctx))
		cancel()
		if err == nil {
			t.Error("somebody answers at an address that is nobody's")
		}
	}
}
