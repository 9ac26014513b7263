package pki_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
)

// TestPendingWithKey: the key and the certificate of an authority make it again, and what it issues leads to it. Another
// authority's certificate is refused, and so is a text that is no key, of which the error shows nothing.
func TestPendingWithKey(t *testing.T) {
	authority, other, folder := newAuthority(t, pki.Options{}), newAuthority(t, pki.Options{}), t.TempDir()
	if err := authority.Save(folder); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(folder, pki.CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	pending, err := pki.PendingWithKey(key, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := pending.Complete(authority.CertificatePEM(), authority.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Issue(serverID)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := own.Authorities()
	if err != nil {
		t.Fatal(err)
	}
	if leaf := leafOf(t, issue(t, again, serverID)); len(pki.LeadsTo(leaf, nil, roots)) != 1 {
		t.Error("what it issues does not lead to the authority")
	}
	if _, err := pending.Complete(other.CertificatePEM(), other.CertificatePEM()); err == nil {
		t.Error("it takes the certificate of another authority")
	}
	if _, err := pki.PendingWithKey([]byte("hush"), pki.Options{}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a text that is no key: %v", err)
	}
}
