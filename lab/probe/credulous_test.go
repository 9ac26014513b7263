package probe_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"nomadlab.internal/lab/probe"
)

// TestACredulousCaller is told what an agent says whose certificate's time is over, and shows nobody its token.
func TestACredulousCaller(t *testing.T) {
	h := newHouse(t)
	expired, err := h.expired.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	config := h.tlsConfig(t)
	config.Certificates = []tls.Certificate{expired}
	tokens := make(chan string, 1)
	at := target(serveHTTPS(t, guarded(t, 2), config, func(_ http.ResponseWriter, r *http.Request) { tokens <- r.Header.Get("X-Nomad-Token") }))
	careful := probe.As(h.cli).WithToken(secret, "a management token")
	if o := probe.HTTP("/v1/regions", careful).Observe(t.Context(), at); o.Outcome != probe.NotReached {
		t.Errorf("whoever looks at the certificate has the outcome %q", o.Outcome)
	}
	p := probe.HTTP("/v1/regions", careful.Credulous())
	o := p.Observe(t.Context(), at)
	if o.Outcome != probe.Accepted || !strings.HasSuffix(p.Sentence, "whatever the agent's certificate") {
		t.Fatalf("%s: %q, %s", p.Sentence, o.Outcome, o.Err)
	}
	if token := <-tokens; token != "" {
		t.Error("a token went to an agent whose certificate nobody looked at")
	}
}
