package caller_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

func authority(t *testing.T, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func capable(t *testing.T) *pki.Authority {
	t.Helper()
	return authority(t, pki.Options{CommonName: "the cluster's", Intermediates: 1})
}

func mint(t *testing.T, a *pki.Authority, region string, options ...caller.Option) caller.Set {
	t.Helper()
	s, err := caller.Mint(a, region, options...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shown returns what a caller presents to a listener of the authority that accepts any certificate. Nil: nothing.
func shown(t *testing.T, a *pki.Authority, c probe.Caller) []*x509.Certificate {
	t.Helper()
	chain, outcome := presented(t, a, c)
	if outcome != probe.Accepted {
		t.Fatalf("%s: %s", c, outcome)
	}
	return chain
}

// presented is shown for a caller that the listener may refuse, as its key is not that of its first certificate.
func presented(t *testing.T, a *pki.Authority, c probe.Caller) ([]*x509.Certificate, probe.Outcome) {
	t.Helper()
	own, err := a.Issue(pki.Identity{Role: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := own.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	unrelated := x509.NewCertPool()
	if !unrelated.AppendCertsFromPEM(authority(t, pki.Options{CommonName: "signs no caller"}).CertificatePEM()) {
		t.Fatal("no authority")
	}
	seen := make(chan []*x509.Certificate, 1)
	listener := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	listener.TLS = &tls.Config{
		VerifyPeerCertificate: func(sent [][]byte, _ [][]*x509.Certificate) error {
			chain, err := x509.ParseCertificates(slices.Concat(sent...))
			seen <- chain
			return err
		},
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert,
		// The listener names only an authority that signed none of the certificates. A caller that obeys the list presents nothing.
		ClientCAs: unrelated,
	}
	listener.StartTLS()
	t.Cleanup(listener.Close)
	at := strings.TrimPrefix(listener.URL, "https://")
	got := probe.HTTP("/", c).Observe(t.Context(), probe.Target{HTTP: at, ServerName: "server.global.nomad"})
	select {
	case chain := <-seen:
		return chain, got.Outcome
	default: // it is not called for a caller that presents nothing
		return nil, got.Outcome
	}
}

// verify returns what crypto/x509, and so Nomad, says of a caller's certificates.
func verify(t *testing.T, a *pki.Authority, chain []*x509.Certificate) error {
	t.Helper()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("no authority")
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

func untrustedAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}

func invalid(reason x509.InvalidReason, detail string) func(error) bool {
	return func(err error) bool {
		var i x509.CertificateInvalidError
		return errors.As(err, &i) && i.Reason == reason && strings.Contains(err.Error(), detail)
	}
}

func good(err error) bool { return err == nil }

func isP256(c *x509.Certificate) bool {
	k, is := c.PublicKey.(*ecdsa.PublicKey)
	return is && k.Params().BitSize == 256
}

func purposes(want ...x509.ExtKeyUsage) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool { return slices.Equal(c.ExtKeyUsage, want) }
}

// wantCertificate is what a kind's certificate must contain.
type wantCertificate struct {
	commonName string
	dns        string
	valid      func(error) bool
	length     int
	also       func(*x509.Certificate) bool
}

func wanted() map[caller.Kind]wantCertificate {
	leaf := func(name string) wantCertificate { return wantCertificate{name, name + " localhost", good, 1, isP256} }
	server := leaf("server.global.nomad")
	but := func(valid func(error) bool, also func(*x509.Certificate) bool) wantCertificate {
		h := server
		h.valid, h.also = valid, also
		return h
	}
	with := server
	with.length = 2
	longer := func(length int, valid func(error) bool) wantCertificate {
		h := server
		h.length, h.valid = length, valid
		return h
	}
	three := longer(3, good)
	outside := longer(2, invalid(x509.CANotAuthorizedForThisName, "outside-constraints.invalid"))
	outside.dns += " outside-constraints.invalid"
	usage := invalid(x509.IncompatibleUsage, "")
	anything := func(*x509.Certificate) bool { return true }
	return map[caller.Kind]wantCertificate{
		caller.Server: server, caller.Client: leaf("client.global.nomad"), caller.CLI: leaf("cli.global.nomad"),
		caller.OtherServer: leaf("server.eu.nomad"), caller.OtherClient: leaf("client.eu.nomad"),
		caller.OtherDomain: leaf("server.evil.example.nomad"), caller.NoRegion: leaf("server.nomad"),
		caller.Wildcard: leaf("*.global.nomad"), caller.Capitals: leaf("SERVER.GLOBAL.NOMAD"), caller.Web: leaf("web.example.com"),
		caller.CNServerSANClient: {"server.global.nomad", "client.global.nomad", good, 1, isP256},
		caller.CNClientSANServer: {"client.global.nomad", "server.global.nomad", good, 1, isP256},
		caller.CNServerOnly:      {"server.global.nomad", "", good, 1, isP256},
		caller.SANServerOnly:     {"", "server.global.nomad", good, 1, isP256},

		caller.Foreign: but(untrustedAuthority, isP256), caller.SelfSigned: but(untrustedAuthority, func(c *x509.Certificate) bool { return c.Issuer.CommonName == c.Subject.CommonName }),
		caller.IntermediateSent: with, caller.IntermediateMissing: but(untrustedAuthority, isP256),
		caller.IssuedByRoot: server, caller.IssuerMissing: server,
		caller.ChainReversed: three, caller.CrossSigned: with, caller.InsideConstraints: with,
		// Behind its authority's, which is valid.
		caller.LeafNotFirst:       {"Intermediate CA", "", good, 2, func(c *x509.Certificate) bool { return c.IsCA }},
		caller.PathLengthExceeded: longer(3, invalid(x509.TooManyIntermediates, "")), caller.OutsideConstraints: outside,
		caller.CrossSignatureMissing: longer(2, untrustedAuthority),
		caller.Expired:               but(invalid(x509.Expired, " is after "), isP256), caller.NotYetValid: but(invalid(x509.Expired, " is before "), isP256),
		caller.ServerAuthOnly:  but(usage, purposes(x509.ExtKeyUsageServerAuth)),
		caller.ClientAuthOnly:  but(good, purposes(x509.ExtKeyUsageClientAuth)),
		caller.CodeSigningOnly: but(usage, purposes(x509.ExtKeyUsageCodeSigning)),
		caller.NoEKU:           but(good, purposes()),
		caller.RSA1024: but(good, func(c *x509.Certificate) bool {
			k, is := c.PublicKey.(*rsa.PublicKey)
			return is && k.N.BitLen() == 1024
		}),
		caller.Ed25519: but(good, func(c *x509.Certificate) bool { _, is := c.PublicKey.(ed25519.PublicKey); return is }),
		caller.None:    {also: anything},
	}
}

// TestEachKindHoldsWhatItSays: a listener that asks for a certificate sees what the kind promises.
func TestEachKindHoldsWhatItSays(t *testing.T) {
	a := capable(t)
	callers, want := mint(t, a, ""), wanted()
	if len(caller.Kinds()) != 36 || len(want) != 36 {
		t.Fatalf("%d kinds, %d of them described here: want 36", len(caller.Kinds()), len(want))
	}
	for _, k := range caller.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			c, missing := callers.Caller(k)
			if missing != "" {
				t.Fatal(missing)
			}
			chain, outcome := presented(t, a, c)
			h := want[k]
			if refused := outcome == probe.RefusedInHandshake; refused != (k == caller.LeafNotFirst) || !refused && outcome != probe.Accepted {
				t.Fatal(outcome)
			}
			if len(chain) != h.length {
				t.Fatalf("%d certificates are presented, want %d", len(chain), h.length)
			}
			if k == caller.None {
				return
			}
			leaf := chain[0]
			if leaf.Subject.CommonName != h.commonName || strings.Join(leaf.DNSNames, " ") != h.dns {
				t.Errorf("it names %q and %q, want %q and %q", leaf.Subject.CommonName, leaf.DNSNames, h.commonName, h.dns)
			}
			if err := verify(t, a, chain); !h.valid(err) {
				t.Errorf("its result: %v", err)
			}
			if !h.also(leaf) {
				t.Errorf("key %T, purposes %v, issuer %s", leaf.PublicKey, leaf.ExtKeyUsage, leaf.Issuer)
			}
		})
	}
}

// TestTheOtherRegionIsAnother: the other region differs from the cluster's region, even if that is eu.
func TestTheOtherRegionIsAnother(t *testing.T) {
	a := capable(t)
	for region, other := range map[string]string{"": "eu", "global": "eu", "eu": "us", "us": "eu"} {
		c, _ := mint(t, a, region).Caller(caller.OtherClient)
		if got := shown(t, a, c)[0].Subject.CommonName; got != "client."+other+".nomad" {
			t.Errorf("region %q: %s", region, got)
		}
		if !strings.Contains(c.String(), "client."+other+".nomad") {
			t.Errorf("region %q: it is called %s", region, c)
		}
	}
}

// TestForeignIsOfTheAuthorityThatWasGiven: the authority that is given signs the foreign certificate. A new authority signs it
// if none is given.
func TestForeignIsOfTheAuthorityThatWasGiven(t *testing.T) {
	a, f := capable(t), authority(t, pki.Options{CommonName: "the neighbour's"})
	for name, want := range map[string]bool{"with": true, "without": false, "with none": false} {
		var options []caller.Option
		switch name {
		case "with":
			options = append(options, caller.WithForeign(f))
		case "with none":
			options = append(options, caller.WithForeign(nil))
		}
		c, missing := mint(t, a, "", options...).Caller(caller.Foreign)
		if missing != "" {
			t.Fatal(missing)
		}
		chain := shown(t, a, c)
		if got := verify(t, f, chain) == nil; got != want || chain[0].Subject.CommonName != "server.global.nomad" {
			t.Errorf("%s: signed by the one that was given: %v, by %s", name, got, chain[0].Issuer)
		}
	}
}

// TestWhatAnAuthorityMayNotSignIsMissing: a kind that the authority may not sign is missing with the reason. All other kinds
// are there.
func TestWhatAnAuthorityMayNotSignIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		options pki.Options
		lacking map[caller.Kind]string
	}{
		"leaves alone": {pki.Options{}, map[caller.Kind]string{
			caller.IntermediateSent: "may sign leaf certificates alone", caller.IntermediateMissing: "may sign leaf certificates alone",
			caller.ChainReversed: "may sign leaf certificates alone", caller.LeafNotFirst: "may sign leaf certificates alone",
			caller.CrossSigned: "may sign leaf certificates alone", caller.CrossSignatureMissing: "may sign leaf certificates alone",
			caller.InsideConstraints: "has no name constraints", caller.OutsideConstraints: "has no name constraints",
		}},
		"constrained": {pki.Options{PermittedDNS: []string{"lab.test"}, Intermediates: 1}, map[caller.Kind]string{
			caller.Web: "outside the name constraints",
		}},
	} {
		callers := mint(t, authority(t, c.options), "")
		for _, k := range caller.Kinds() {
			_, missing := callers.Caller(k)
			if want, lacking := c.lacking[k]; lacking != (missing != "") || !strings.Contains(missing, want) {
				t.Errorf("%s: %s lacks %q, want %q", name, k, missing, want)
			}
		}
	}
}

func TestMintNeedsAnAuthorityThatLives(t *testing.T) {
	now := time.Now()
	a := authority(t, pki.Options{TTL: time.Hour, Now: func() time.Time { return now }})
	now = now.Add(2 * time.Hour)
	if _, err := caller.Mint(a, ""); err == nil || !strings.Contains(err.Error(), "make a new one") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutAuthorityHasTheGivenCertificates: a set without an authority has callers with the given certificates, the caller
// without one, and those whose certificates it signs itself.
func TestWithoutAuthorityHasTheGivenCertificates(t *testing.T) {
	a := capable(t)
	for role, own := range map[pki.Role]caller.Kind{pki.Server: caller.Server, pki.Client: caller.Client, pki.CLI: caller.CLI} {
		c, err := a.Issue(pki.Identity{Role: role, Region: "eu"})
		if err != nil {
			t.Fatal(err)
		}
		callers := caller.WithoutAuthority(c)
		for _, k := range caller.Kinds() {
			c, missing := callers.Caller(k)
			if has := k == own || k == caller.None || k == caller.Foreign || k == caller.SelfSigned; has != (missing == "") {
				t.Errorf("%s as %s: %q", role, k, missing)
			}
			if missing != "" && (!strings.HasPrefix(missing, "no key of the cluster's authority is at hand, so ") || !strings.Contains(missing, k.Title())) {
				t.Errorf("%s lacks: %s", k, missing)
			}
			if k == own && shown(t, a, c)[0].Subject.CommonName != string(role)+".eu.nomad" {
				t.Errorf("%s shows another's certificate", k)
			}
			if k == caller.None && len(shown(t, a, c)) != 0 {
				t.Error("nobody shows a certificate")
			}
		}
		if holder, missing := callers.ForHTTPS(); missing != "" || shown(t, a, holder)[0].Subject.CommonName != string(role)+".eu.nomad" {
			t.Errorf("with a %s's certificate alone nobody holds one: %q", role, missing)
		}
	}
	if _, missing := (caller.Set{}).ForHTTPS(); missing == "" {
		t.Error("the zero Set has a holder of a certificate")
	}
}

// TestHTTPSCallerWithAnOwnCertificate: the caller of kind CLI and that of ForHTTPS present the certificate that the user gives.
func TestHTTPSCallerWithAnOwnCertificate(t *testing.T) {
	a := capable(t)
	own, err := a.Issue(pki.Identity{Role: pki.CLI, Region: "global"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := own.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		own *pki.Credential
		is  bool
	}{"given": {&own, true}, "not given": {nil, false}} {
		callers, err := caller.Mint(a, "global", caller.WithOwn(test.own))
		if err != nil {
			t.Fatal(err)
		}
		asCLI, _ := callers.Caller(caller.CLI)
		asks, _ := callers.ForHTTPS()
		for what, c := range map[string]probe.Caller{"the cli's kind": asCLI, "who asks": asks} {
			if is := shown(t, a, c)[0].Equal(leaf); is != test.is {
				t.Errorf("%s: %s shows it: %v, want %v", name, what, is, test.is)
			}
		}
	}
}

// TestTitlesReadWell: titles read well behind "with", and differ from each other.
func TestTitlesReadWell(t *testing.T) {
	callers, seen := mint(t, capable(t), ""), map[string]bool{}
	for _, k := range caller.Kinds() {
		c, _ := callers.Caller(k)
		if k.Title() != c.String() || seen[k.Title()] || seen[string(k)] {
			t.Errorf("%s: titled %q, called %q", k, k.Title(), c)
		}
		seen[k.Title()], seen[string(k)] = true, true
		if !strings.HasPrefix(k.Title(), "a ") && k != caller.None {
			t.Errorf("%s: %q", k, k.Title())
		}
		if strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is no name for a column", k)
		}
	}
	for k, want := range map[caller.Kind]string{
		caller.Expired:     "GET /x over HTTPS with a server certificate that has expired",
		caller.OtherClient: "GET /x over HTTPS with a client's certificate of another region (client.eu.nomad)",
		caller.None:        "GET /x over HTTPS with no certificate",
	} {
		c, _ := callers.Caller(k)
		if got := probe.HTTP("/x", c).Sentence; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if caller.Kind("x").Title() != "x" {
		t.Error("an unknown kind has a title")
	}
}

// TestTheZeroSetHasNoCaller: the zero Set has a caller of no kind, and says so.
func TestTheZeroSetHasNoCaller(t *testing.T) {
	for _, k := range append(caller.Kinds(), "x") {
		if _, missing := (caller.Set{}).Caller(k); !strings.Contains(missing, fmt.Sprintf("%q", k)) {
			t.Errorf("%s lacks %q", k, missing)
		}
	}
}

// TestCallersPrintNoKey: callers print no key with any verb of package fmt.
func TestCallersPrintNoKey(t *testing.T) {
	callers := mint(t, capable(t), "")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, callers); strings.Contains(text, "PRIVATE") || strings.Contains(text, "BEGIN") {
			t.Errorf("%s prints a key", verb)
		}
	}
}
