package pki_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/pki"
)

func TestDescribe(t *testing.T) {
	options := capable()
	options.CommonName, options.Now = "lab one", at(noon())
	authority := newAuthority(t, options)
	id := pki.Identity{Role: pki.Client, Region: "eu", DNSNames: []string{"n1.lab.test"}, IPs: addrs("10.0.0.7")}
	var text strings.Builder
	for _, defect := range append([]pki.Defect{{}}, pki.Defects()...) {
		cred := issueDefective(t, authority, id, defect)
		leaf := leafOf(t, cred)
		// What is random in a certificate is named, so that the rest can be compared.
		words := strings.NewReplacer(
			fmt.Sprintf("%x", leaf.SerialNumber), "SERIAL",
			fmt.Sprintf("%x", sha256.Sum256(leaf.Raw)), "FINGERPRINT",
		).Replace(cred.Describe())
		fmt.Fprintf(&text, "# %s: %s\n%s\n", defect, defect.Why(), words)
	}
	golden.Assert(t, text.String(), "describe.txt")
}

func TestDescribeDamaged(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{CommonName: "lab\n\x1b[31mone", Now: at(noon())}), serverID)
	if words := cred.Describe(); strings.Contains(words, "\x1b") || strings.Contains(words, "\n[") {
		t.Errorf("a name steers the terminal: %q", words)
	}
	cred.CertPEM, cred.CAPEM = cred.CertPEM[:40], nil
	golden.Assert(t, cred.Describe(), "damaged.txt")
}
