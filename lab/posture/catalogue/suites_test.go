package catalogue_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"nomadlab.internal/lab/posture/catalogue"
)

// TestSuitesOfNomad: each cipher suite that tls_cipher_suites may name (helper/tlsutil/config.go:29, Nomad 1.11.3) is
// either weak or sound. lab/probe shows that each of them is really offered.
func TestSuitesOfNomad(t *testing.T) {
	const forward = "suites-without-forward-secrecy"
	ofNomad := map[uint16][]string{ // the checks that refuse it
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305:    nil,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305:  nil,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   nil,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: nil,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:   nil,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: nil,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:      {"aes-128-cbc"},
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:    {"aes-128-cbc"},
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:      {"aes-256-cbc"},
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:    {"aes-256-cbc"},
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:         {forward},
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384:         {forward},
		tls.TLS_RSA_WITH_AES_128_CBC_SHA:            {"aes-128-cbc", forward},
		tls.TLS_RSA_WITH_AES_256_CBC_SHA:            {"aes-256-cbc", forward},
	}
	weak, sound := catalogue.Suites()
	for suite, want := range ofNomad {
		if !slices.Equal(weak[suite], want) || slices.Contains(sound, suite) != (want == nil) {
			t.Errorf("%s is refused by %q, want %q; sound: %t", tls.CipherSuiteName(suite), weak[suite], want, slices.Contains(sound, suite))
		}
	}
	for suite := range weak {
		if _, is := ofNomad[suite]; !is {
			t.Errorf("Nomad does not know %s", tls.CipherSuiteName(suite))
		}
	}
	if len(weak)+len(sound) != len(ofNomad) {
		t.Errorf("%d are weak and %d sound, and Nomad knows %d", len(weak), len(sound), len(ofNomad))
	}
}
