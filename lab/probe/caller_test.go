package probe_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// nomadSuites are all suites that tls_cipher_suites may name (helper/tlsutil/config.go:29, Nomad 1.11.3).
var nomadSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// rsaServer returns the configuration of a listener with an RSA key, and a caller that trusts it.
func rsaServer(t *testing.T) (tls.Certificate, probe.Caller) {
	t.Helper()
	cert := selfSigned(t, rsaKey(t, 2048), func(c *x509.Certificate) { c.DNSNames = []string{"server.global.nomad"} })
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return cert, probe.Anonymous(pki.Credential{CAPEM: trusted})
}

// Each suite is offered: a listener with that suite alone accepts, and one with all others refuses.
func TestSuites(t *testing.T) {
	h := newCredentials(t)
	cert, rsaCaller := rsaServer(t)
	for _, suite := range nomadSuites {
		config, as := h.tlsConfig(t), probe.As(h.server)
		if strings.Contains(tls.CipherSuiteName(suite), "_RSA_") {
			config, as = &tls.Config{Certificates: []tls.Certificate{cert}}, rsaCaller
		}
		others := config.Clone()
		config.CipherSuites = []uint16{suite}
		others.CipherSuites = slices.DeleteFunc(slices.Clone(nomadSuites), func(s uint16) bool { return s == suite })
		get := probe.HTTP("/ok", as.WithSuites(suite))
		name := tls.CipherSuiteName(suite)
		if o := get.Observe(t.Context(), target(web(t, config))); o.Outcome != probe.Accepted || o.CipherSuite != name || o.TLSVersion != "TLS 1.2" {
			t.Errorf("%s: %+v", name, o)
		}
		if o := get.Observe(t.Context(), target(web(t, others))); o.Outcome != probe.RefusedInHandshake || o.Received != "TLS alert: handshake failure" {
			t.Errorf("every other than %s: %+v", name, o)
		}
		if want := "GET /ok over HTTPS with " + as.String() + " and only " + name; get.Sentence != want {
			t.Errorf("sentence %q, want %q", get.Sentence, want)
		}
	}
}

// Only the version is offered: no other is negotiated, and a listener without it refuses.
func TestVersions(t *testing.T) {
	h := newCredentials(t)
	all := []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	for _, least := range all {
		for _, most := range all {
			if least > most {
				continue
			}
			config := h.tlsConfig(t)
			config.MinVersion, config.MaxVersion = least, most
			https, rpc := target(web(t, config)), target(rpcPort(t, config))
			for _, v := range all {
				want := probe.RefusedInHandshake
				if least <= v && v <= most {
					want = probe.Accepted
				}
				me := probe.As(h.server).TLSAtLeast(v).TLSAtMost(v)
				for _, o := range []probe.Observation{
					probe.HTTP("/ok", me).Observe(t.Context(), https), probe.RPC("Status.Leader", me).Observe(t.Context(), rpc),
				} {
					if o.Outcome != want || want == probe.Accepted && o.TLSVersion != tls.VersionName(v) {
						t.Errorf("%s at %s to %s: %+v", me, tls.VersionName(least), tls.VersionName(most), o)
					}
				}
			}
		}
	}
}

func TestALPN(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	silent := target(web(t, config))
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	speaking := target(web(t, config))
	get := probe.HTTP("/ok", probe.As(h.server).WithALPN("h2", "http/1.1"))
	for _, test := range []struct {
		at   probe.Target
		want string
	}{{silent, ""}, {speaking, "http/1.1"}} {
		if o := get.Observe(t.Context(), test.at); o.Outcome != probe.Accepted || o.Protocol != test.want {
			t.Errorf("protocol %q, want %q: %+v", o.Protocol, test.want, o)
		}
	}
	if o := fetch(h).Observe(t.Context(), speaking); o.Protocol != "" {
		t.Errorf("without ALPN: protocol %q", o.Protocol)
	}
	if want := "GET /ok over HTTPS with a certificate for server.global.nomad and ALPN h2, http/1.1"; get.Sentence != want {
		t.Errorf("sentence %q, want %q", get.Sentence, want)
	}
}

// TestSkipVerify: the caller gets the answer of an agent with an expired certificate, and sends no token.
func TestSkipVerify(t *testing.T) {
	h := newCredentials(t)
	expired, err := h.expired.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	config := h.tlsConfig(t)
	config.Certificates = []tls.Certificate{expired}
	tokens := make(chan string, 1)
	at := target(serveHTTPS(t, listenLimited(t, 2), config, func(_ http.ResponseWriter, r *http.Request) { tokens <- r.Header.Get("X-Nomad-Token") }))
	careful := probe.As(h.cli).WithToken(secret, "a management token")
	if o := probe.HTTP("/v1/regions", careful).Observe(t.Context(), at); o.Outcome != probe.NotReached {
		t.Errorf("a caller that verifies the certificate has the outcome %q", o.Outcome)
	}
	p := probe.HTTP("/v1/regions", careful.SkipVerify())
	o := p.Observe(t.Context(), at)
	if o.Outcome != probe.Accepted || !strings.HasSuffix(p.Sentence, "whatever the agent's certificate") {
		t.Fatalf("%s: %q, %s", p.Sentence, o.Outcome, o.Err)
	}
	if token := <-tokens; token != "" {
		t.Error("a token went to an agent whose certificate nobody looked at")
	}
}
