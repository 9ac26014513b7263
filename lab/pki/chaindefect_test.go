package pki_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
)

// TestWhatIsSent: the file holds the certificates that the defect says, in that order.
func TestWhatIsSent(t *testing.T) {
	root := newAuthority(t, pki.Options{CommonName: "root", Intermediates: 2})
	signing, err := root.NewIntermediate(pki.Options{CommonName: "signing", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	const leaf, between = "server.global.nomad", "Intermediate CA"
	for defect, want := range map[pki.Defect]struct{ root, signing []string }{
		{}:                          {[]string{leaf}, []string{leaf, "signing"}},
		pki.Foreign():               {[]string{leaf}, []string{leaf}},
		pki.SelfSigned():            {[]string{leaf}, []string{leaf}},
		pki.Expired():               {[]string{leaf}, []string{leaf, "signing"}},
		pki.IntermediateSent():      {[]string{leaf, between}, []string{leaf, between, "signing"}},
		pki.IntermediateMissing():   {[]string{leaf}, []string{leaf, "signing"}},
		pki.ChainReversed():         {[]string{leaf, "root", between}, []string{leaf, "root", "signing", between}},
		pki.LeafNotFirst():          {[]string{between, leaf}, []string{between, leaf, "signing"}},
		pki.PathLengthExceeded():    {[]string{leaf, between + " too many", between}, []string{leaf, between + " too many", between, "signing"}},
		pki.InsideConstraints():     {[]string{leaf, between}, []string{leaf, between, "signing"}},
		pki.OutsideConstraints():    {[]string{leaf, between}, []string{leaf, between, "signing"}},
		pki.CrossSigned():           {[]string{leaf, "Cross-signed CA"}, []string{leaf, "Cross-signed CA", "signing"}},
		pki.CrossSignatureMissing(): {[]string{leaf, "Cross-signed CA"}, []string{leaf, "Cross-signed CA", "signing"}},
	} {
		for a, sent := range map[*pki.Authority][]string{root: want.root, signing: want.signing} {
			if diff := cmp.Diff(sent, subjects(t, issueDefective(t, a, serverID, defect).CertPEM)); diff != "" {
				t.Errorf("%s below %s (-want +got):\n%s", defect, a, diff)
			}
		}
	}
}

// TestThePathLengthOfAnAuthorityForLeaves is exceeded by the first authority below it.
func TestThePathLengthOfAnAuthorityForLeaves(t *testing.T) {
	a := newAuthority(t, pki.Options{CommonName: "leaves"})
	c := issueDefective(t, a, serverID, pki.PathLengthExceeded())
	if diff := cmp.Diff([]string{"server.global.nomad", "Intermediate CA too many"}, subjects(t, c.CertPEM)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if accepts(t, a.CertificatePEM(), c) {
		t.Error("it is accepted")
	}
}
