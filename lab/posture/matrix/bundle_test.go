package matrix_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

// TestWhatABundleChanges: a server whose CA bundle lacks the authority that a certificate rests on refuses it, and the matrix says
// which authority that is. Gossip asks for no certificate.
func TestWhatABundleChanges(t *testing.T) {
	root, err := pki.NewAuthority(pki.Options{CommonName: "the root", Intermediates: 2})
	if err != nil {
		t.Fatal(err)
	}
	signing, err := root.NewIntermediate(pki.Options{CommonName: "the intermediate", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	callers, err := caller.Mint(signing, "", caller.WithRoot(root))
	if err != nil {
		t.Fatal(err)
	}
	bundles := map[string][]*x509.Certificate{}
	for name, a := range map[string]*pki.Authority{"the root": root, "the intermediate": signing} {
		if bundles[name], err = pki.DecodeCertificates(a.CertificatePEM()); err != nil {
			t.Fatal(err)
		}
	}
	rests := map[caller.Kind]string{caller.IssuedByRoot: "the root", caller.IssuerMissing: "the intermediate"}
	for held, bundle := range bundles {
		for _, e := range matrix.Endpoints() {
			for _, k := range caller.Kinds() {
				want, wantSays := matrix.Want(e, k), ""
				if on, differs := rests[k]; differs && e != matrix.Gossip {
					wantSays = "its CA bundle holds CN=" + on
					if on != held {
						want, wantSays = probe.RefusedInHandshake, "its CA bundle lacks CN="+on
					}
				}
				if got, says := matrix.WantAt(e, k, callers, bundle); got != want || says != wantSays {
					t.Errorf("%s at %s where %s is trusted: %s, %q, want %s, %q", k, e, held, got, says, want, wantSays)
				}
			}
		}
	}
}

// TestACellNamesTheBundle on which its outcome rests, and only such a cell.
func TestACellNamesTheBundle(t *testing.T) {
	cells, _, _ := tried(t, []probe.Outcome{in}, []probe.Outcome{in}, caller.Server, caller.IssuedByRoot)
	for i, want := range []bool{false, true} {
		if got := strings.Contains(cells[i].Reason, "its CA bundle holds CN="); got != want {
			t.Errorf("cell %d: %s", i, cells[i].Reason)
		}
	}
}
