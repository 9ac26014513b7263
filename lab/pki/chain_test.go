package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
)

// below returns a root that permits two authorities below it, and one of these, which permits one more.
func below(t *testing.T) (root, signing *pki.Authority) {
	t.Helper()
	root = newAuthority(t, pki.Options{CommonName: "root", Intermediates: 2, TTL: 11 * 365 * 24 * time.Hour})
	signing, err := root.NewIntermediate(pki.Options{CommonName: "signing", Intermediates: 1, TTL: 11 * 365 * 24 * time.Hour, PermittedDNS: []string{"lab.test"}})
	if err != nil {
		t.Fatal(err)
	}
	return root, signing
}

// accepts reports whether an agent that trusts the bundle accepts the credential's certificate.
func accepts(t *testing.T, bundle []byte, c pki.Credential) bool {
	t.Helper()
	chain, err := c.Chain()
	if err != nil {
		t.Fatal(err)
	}
	roots, sent := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	for _, s := range chain[1:] {
		sent.AddCert(s)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: sent, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// subjects returns the common names of the certificates, in their order.
func subjects(t *testing.T, text []byte) []string {
	t.Helper()
	if len(text) == 0 {
		return nil
	}
	certs, err := pki.DecodeCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range certs {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

func TestAnIntermediateCarriesItsChain(t *testing.T) {
	root, signing := below(t)
	lower, err := signing.NewIntermediate(pki.Options{CommonName: "lower"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		a    *pki.Authority
		sent []string
	}{
		{root, []string{"server.global.nomad"}},
		{signing, []string{"server.global.nomad", "signing"}},
		{lower, []string{"server.global.nomad", "lower", "signing"}},
	} {
		c := issue(t, test.a, serverID)
		if diff := cmp.Diff(test.sent, subjects(t, c.CertPEM)); diff != "" {
			t.Errorf("below %s (-want +got):\n%s", test.a, diff)
		}
		if diff := cmp.Diff(test.sent[1:], subjects(t, test.a.ChainPEM()), cmpEmpty()); diff != "" {
			t.Errorf("chain of %s (-want +got):\n%s", test.a, diff)
		}
		if string(c.CAPEM) != string(root.CertificatePEM()) || string(test.a.TrustPEM()) != string(root.CertificatePEM()) {
			t.Errorf("below %s, agents trust %s", test.a, subjects(t, c.CAPEM))
		}
		if !accepts(t, root.CertificatePEM(), c) {
			t.Errorf("below %s: refused by an agent that trusts the root", test.a)
		}
	}
}

func cmpEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
}

// TestDefectsBelowAChain: the defect is the only thing wrong, wherever the authority stands. What is right is accepted.
func TestDefectsBelowAChain(t *testing.T) {
	root, signing := below(t)
	last, err := root.NewIntermediate(pki.Options{CommonName: "last", TTL: 11 * 365 * 24 * time.Hour, PermittedDNS: []string{"lab.test"}})
	if err != nil {
		t.Fatal(err)
	}
	refused := []pki.Defect{
		pki.Foreign(), pki.SelfSigned(), pki.Expired(), pki.NotYetValid(), pki.ServerAuthOnly(), pki.CodeSigningOnly(),
		pki.OutsideConstraints(), pki.IntermediateMissing(), pki.PathLengthExceeded(), pki.CrossSignatureMissing(),
	}
	// What they need is not permitted to an authority for leaves alone.
	needAnother := []pki.Defect{pki.CrossSigned(), pki.CrossSignatureMissing()}
	for _, a := range []*pki.Authority{signing, last} {
		for _, d := range append(pki.Defects(), pki.Defect{}) {
			if a == last && slices.Contains(needAnother, d) {
				if _, err := a.IssueDefective(serverID, d); !errors.Is(err, pki.ErrNotPermitted) {
					t.Errorf("%s below %s: got %v, want ErrNotPermitted", d, a, err)
				}
				continue
			}
			c := issueDefective(t, a, serverID, d)
			if got, want := accepts(t, root.CertificatePEM(), c), !slices.Contains(refused, d); got != want {
				t.Errorf("%s below %s, of %q: accepted is %t", d, a, subjects(t, c.CertPEM), got)
			}
			if string(c.CAPEM) != string(root.CertificatePEM()) {
				t.Errorf("%s below %s: its holder trusts %q", d, a, subjects(t, c.CAPEM))
			}
		}
	}
	sent, missing := issueDefective(t, last, serverID, pki.IntermediateSent()), issueDefective(t, last, serverID, pki.IntermediateMissing())
	if got := subjects(t, sent.CertPEM); !slices.Equal(got, []string{"server.global.nomad", "last"}) {
		t.Errorf("the last authority is sent as %q", got)
	}
	if got := subjects(t, missing.CertPEM); !slices.Equal(got, []string{"server.global.nomad"}) {
		t.Errorf("without the last authority, %q is sent", got)
	}
}

// TestTrustOfTheIntermediateAlone: it accepts what the intermediate issues, and not what the root does.
func TestTrustOfTheIntermediateAlone(t *testing.T) {
	root, signing := below(t)
	narrow, err := signing.WithTrust(signing.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	if c := issue(t, narrow, serverID); !accepts(t, c.CAPEM, c) || accepts(t, c.CAPEM, issue(t, root, serverID)) {
		t.Errorf("%q is accepted: %t, the root's own: %t", subjects(t, c.CertPEM), accepts(t, c.CAPEM, c), accepts(t, c.CAPEM, issue(t, root, serverID)))
	}
	if c := issueDefective(t, narrow, serverID, pki.IntermediateMissing()); accepts(t, c.CAPEM, c) {
		t.Errorf("without its issuer, %q is accepted", subjects(t, c.CertPEM))
	}
	_, err = signing.WithTrust(newAuthority(t, pki.Options{CommonName: "stranger"}).CertificatePEM())
	checkError(t, err, `authority "signing" leads to CN=signing, whose issuer CN=root is neither sent along nor trusted`)
	_, err = signing.WithTrust([]byte("nonsense"))
	checkError(t, err, `read the authorities to trust beside "signing"`)
	leafOnly, err := root.NewIntermediate(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if leafOnly, err = leafOnly.WithTrust(leafOnly.CertificatePEM()); err != nil {
		t.Fatal(err)
	}
	if _, err = leafOnly.IssueDefective(serverID, pki.IntermediateMissing()); !errors.Is(err, pki.ErrNotPermitted) {
		t.Errorf("an issuer that agents trust cannot be missing: got %v, want ErrNotPermitted", err)
	}
}

// TestTooManyBelow: a path length of the root counts, whatever an authority below says of itself.
func TestTooManyBelow(t *testing.T) {
	root := newAuthority(t, pki.Options{Intermediates: 1})
	one, err := root.NewIntermediate(pki.Options{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	two, err := one.NewIntermediate(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Issue(serverID); !errors.Is(err, pki.ErrNotPermitted) {
		t.Errorf("below two authorities where one is permitted: got %v, want ErrNotPermitted", err)
	}
	if _, err := one.IssueDefective(serverID, pki.IntermediateSent()); !errors.Is(err, pki.ErrNotPermitted) {
		t.Errorf("with a second authority where one is permitted: got %v, want ErrNotPermitted", err)
	}
	if _, err := newAuthority(t, pki.Options{}).NewIntermediate(pki.Options{}); !errors.Is(err, pki.ErrNotPermitted) {
		t.Errorf("below an authority for leaves alone: got %v, want ErrNotPermitted", err)
	}
	_, err = root.NewIntermediate(pki.Options{TTL: -1})
	checkError(t, err, "make an authority below")
}

// TestNothingOutlivesThePath: what an intermediate issues ends with the first authority above it.
func TestNothingOutlivesThePath(t *testing.T) {
	root := newAuthority(t, pki.Options{Intermediates: 1, TTL: 2 * time.Hour, Now: at(noon())})
	signing, err := root.NewIntermediate(pki.Options{TTL: time.Hour, LeafTTL: 9 * time.Hour, Now: at(noon())})
	if err != nil {
		t.Fatal(err)
	}
	if end, err := issue(t, signing, serverID).NotAfter(); err != nil || !end.Equal(noon().Add(time.Hour)) || !signing.NotAfter().Equal(end) {
		t.Errorf("it ends %v (error %v), its authority %v", end, err, signing.NotAfter())
	}
	pending, request, err := pki.NewRequest(pki.Options{CommonName: "requested", LeafTTL: 9 * time.Hour, Now: at(noon())})
	if err != nil {
		t.Fatal(err)
	}
	long, err := pending.Complete(signRequest(t, root, request, 9*time.Hour), root.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	if end, err := issue(t, long, serverID).NotAfter(); err != nil || !end.Equal(root.NotAfter()) {
		t.Errorf("it ends %v (error %v), the root %v", end, err, root.NotAfter())
	}
}

// signRequest signs as another program would, with the root's key from its folder. The certificate ends that long after noon.
func signRequest(t *testing.T, root *pki.Authority, request []byte, ttl time.Duration) []byte {
	t.Helper()
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Fatalf("no request: %s", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: csr.Subject, NotBefore: noon().Add(-time.Hour), NotAfter: noon().Add(ttl),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return signWith(t, root, template, csr.PublicKey)
}

func TestRequest(t *testing.T) {
	root := newAuthority(t, pki.Options{CommonName: "root", Intermediates: 1, Now: at(noon())})
	pending, request, err := pki.NewRequest(pki.Options{CommonName: "requested", Now: at(noon())})
	if err != nil {
		t.Fatal(err)
	}
	signed := signRequest(t, root, request, time.Hour)
	for name, chain := range map[string][]byte{"alone": signed, "with its root": slices.Concat(signed, root.CertificatePEM())} {
		a, err := pending.Complete(chain, root.CertificatePEM())
		if err != nil {
			t.Fatal(err)
		}
		c := issue(t, a, serverID)
		if got := subjects(t, c.CertPEM); !slices.Equal(got, []string{"server.global.nomad", "requested"}) || a.String() != "requested" {
			t.Errorf("%s: it sends %q", name, got)
		}
		if _, err := leafOf(t, c).Verify(x509.VerifyOptions{Roots: poolOf(c.CAPEM), Intermediates: poolOf(a.ChainPEM()), CurrentTime: noon()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := newAuthority(t, pki.Options{CommonName: "stranger", Intermediates: 1})
	for want, given := range map[string][2][]byte{
		"leads to CN=requested, whose issuer CN=root": {signed, stranger.CertificatePEM()},
		"is not of the requested key":                 {root.CertificatePEM(), root.CertificatePEM()},
		"is not an authority":                         {issue(t, root, serverID).CertPEM, root.CertificatePEM()},
		"read the new authority's certificate":        {nil, root.CertificatePEM()},
		"that the agents below \"requested\" trust":   {signed, nil},
	} {
		_, err := pending.Complete(given[0], given[1])
		checkError(t, err, want)
	}
	_, _, err = pki.NewRequest(pki.Options{CommonName: " "})
	checkError(t, err, "request a certificate for an authority")
}

// TestAChainedAuthorityRoundTrip: what it issues after loading is what it issued before. A plain one that is saved in its place
// leaves nothing of it.
func TestAChainedAuthorityRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	root, signing := below(t)
	narrow, err := signing.WithTrust(slices.Concat(signing.CertificatePEM(), root.CertificatePEM()))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := signing.WithTrust(signing.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	for _, saved := range []*pki.Authority{signing, narrow, alone, root} {
		if err := saved.Save(dir); err != nil {
			t.Fatal(err)
		}
		loaded, err := pki.LoadAuthority(dir, pki.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for what, pair := range map[string][2][]byte{
			"certificate": {saved.CertificatePEM(), loaded.CertificatePEM()},
			"chain":       {saved.ChainPEM(), loaded.ChainPEM()},
			"trust":       {saved.TrustPEM(), loaded.TrustPEM()},
		} {
			if string(pair[0]) != string(pair[1]) {
				t.Errorf("%s: the %s changed from %q to %q", saved, what, subjects(t, pair[0]), subjects(t, pair[1]))
			}
		}
		want := map[string]fs.FileMode{".": 0o700, pki.CAFile: 0o644, pki.CAKeyFile: 0o600}
		if saved != root {
			want[pki.CAChainFile] = 0o644
		}
		if diff := cmp.Diff(want, modes(t, dir)); diff != "" {
			t.Errorf("files of %s (-want +got):\n%s", saved, diff)
		}
		if !accepts(t, root.CertificatePEM(), issue(t, loaded, serverID)) {
			t.Errorf("what the loaded %s issues is refused", loaded)
		}
	}
}

// TestAnAnchorThatIsNotARoot: a user's folder may hold an intermediate as the authority that agents trust, and nothing above.
func TestAnAnchorThatIsNotARoot(t *testing.T) {
	dir := t.TempDir()
	_, signing := below(t)
	narrow, err := signing.WithTrust(signing.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	if err := narrow.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, pki.CAChainFile)); err != nil {
		t.Fatal(err)
	}
	loaded, err := pki.LoadAuthority(dir, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := issue(t, loaded, serverID)
	if !accepts(t, c.CAPEM, c) || string(c.CAPEM) != string(signing.CertificatePEM()) {
		t.Errorf("%q is refused where %q is trusted", subjects(t, c.CertPEM), subjects(t, c.CAPEM))
	}
	if sent := subjects(t, c.CertPEM); len(sent) != 1 {
		t.Errorf("an authority that agents trust themselves is sent along: %q", sent)
	}
}

func TestDamagedChainFile(t *testing.T) {
	root, signing := below(t)
	for want, text := range map[string][]byte{
		"no certificate in PEM form":                  []byte("nonsense"),
		"is not the key of":                           root.CertificatePEM(),
		"is not an authority":                         issue(t, root, serverID).CertPEM,
		"authority \"signing\" leads to CN=signing, ": signing.CertificatePEM(),
	} {
		dir := t.TempDir()
		if err := signing.Save(dir); err != nil {
			t.Fatal(err)
		}
		if want[0] == 'a' {
			write(t, filepath.Join(dir, pki.CAFile), newAuthority(t, pki.Options{}).CertificatePEM())
		}
		write(t, filepath.Join(dir, pki.CAChainFile), text)
		_, err := pki.LoadAuthority(dir, pki.Options{})
		checkError(t, err, want)
		checkError(t, err, pki.CAChainFile)
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
