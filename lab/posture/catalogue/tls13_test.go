package catalogue_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestAgentsThatSpeakTLS13Alone refuse older versions as such, and have no suite that could be weak. Agents that also
// accept TLS 1.2 do.
func TestAgentsThatSpeakTLS13Alone(t *testing.T) {
	t.Parallel()
	const old, weak = "server-https-refuses-tls-1.1", "server-https-refuses-aes-128-cbc"
	gcm := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	chacha := []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305}
	cbc := append([]uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, gcm...)
	for name, test := range map[string]struct {
		config *tls.Config
		want   map[string]finding.Result
	}{
		"1.3 alone": {&tls.Config{MinVersion: tls.VersionTLS13}, map[string]finding.Result{old: finding.Pass, weak: finding.Skipped}},
		"1.2 with ChaCha20 alone": {
			&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: chacha}, map[string]finding.Result{old: finding.Pass, weak: finding.Pass},
		},
		"from 1.2 on":           {&tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: gcm}, map[string]finding.Result{old: finding.Pass, weak: finding.Pass}},
		"from 1.1 on":           {&tls.Config{MinVersion: tls.VersionTLS11, CipherSuites: gcm}, map[string]finding.Result{old: finding.Fail, weak: finding.Pass}},
		"from 1.2 on, with CBC": {&tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: cbc}, map[string]finding.Result{old: finding.Pass, weak: finding.Fail}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, at := mintedWith(t, test.config)
			for id, want := range test.want {
				if f := check(t, i, id).Evaluate(t.Context(), at); f.Result != want {
					t.Errorf("%s is %s because %s, want %s", id, f.Result, f.Reason, want)
				}
			}
		})
	}
}

// mintedWith returns ingredients, and a server with that TLS configuration.
func mintedWith(t *testing.T, config *tls.Config) (catalogue.Ingredients, probe.Target) {
	t.Helper()
	i, authority := mintedBy(t)
	own, err := authority.Issue(pki.Identity{Role: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := own.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"server": {"ok": true}}`) }))
	s.TLS, s.Config.ErrorLog = config, log.New(io.Discard, "", 0)
	s.TLS.Certificates = []tls.Certificate{pair}
	s.StartTLS()
	t.Cleanup(s.Close)
	return i, probe.Target{Name: "server-1", Role: pki.Server, Region: "global", HTTP: s.Listener.Addr().String(), ServerName: "server.global.nomad"}
}
