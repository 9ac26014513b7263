package lab_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"nomadlab.internal/lab"
)

// TestHowAnAgentEnded: by itself, or by a signal, which the exit code alone does not show.
func TestHowAnAgentEnded(t *testing.T) {
	t.Parallel()
	for code, c := range map[int]struct{ want, not string }{
		1:   {"ended with exit code 1, its log says at the end:\nlast words", "SIG"},
		129: {"was ended by SIGHUP before it was ready (exit code 129): an agent takes a reload only once it is up", "its log says at the end:\n\n"},
		137: {"was ended by SIGKILL before it was ready (exit code 137)", "reload"},
		128: {"ended with exit code 128", "SIG"},
		255: {"ended with exit code 255", "SIG"},
		-1:  {"ended with exit code -1, and its log says nothing", "SIG"},
	} {
		e := &lab.EndedError{Node: "server-1", ExitCode: code}
		if code == 1 {
			e.LastWords = []string{"last words"}
		}
		if got := e.Error(); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%d: got %q, want %q and no %q", code, got, c.want, c.not)
		}
	}
}

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

// callThroughEnvironment calls nodes at a port of this machine at which nobody listens, over TLS and in the clear. Its address
// is none of loopback, for which Go uses no proxy.
func callThroughEnvironment(t *testing.T) {
	nobody := closedPort(t)
	control, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+nobody.String()+"/control", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(control)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for _, inClear := range []bool{true, false} {
		client, err := lab.APIAt(nobody, inClear)
		if err != nil {
			t.Fatal(err)
		}
		var answer any
		if _, err = client.Raw().Query("/v1/agent/health", &answer, lab.Query(t.Context())); err == nil {
			t.Error("a port without a listener answers")
		}
	}
}

// closedPort is one of an address of this machine that others see.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !prefix.Addr().Is4() || prefix.Addr().IsLoopback() {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", netip.AddrPortFrom(prefix.Addr(), 0).String())
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }()
		return netip.MustParseAddrPort(l.Addr().String())
	}
	t.Fatal("this machine has no address but loopback, for which no proxy is used")
	return netip.AddrPort{}
}
