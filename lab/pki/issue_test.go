package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
)

// leafFacts is what Nomad and crypto/tls look at in a leaf.
type leafFacts struct {
	CommonName          string
	DNSNames, IPs       []string
	NotBefore, NotAfter time.Time
	KeyUsage            x509.KeyUsage
	ExtKeyUsage         []x509.ExtKeyUsage
	IsCA                bool
	Curve               elliptic.Curve
}

func factsOf(leaf *x509.Certificate) leafFacts {
	facts := leafFacts{CommonName: leaf.Subject.CommonName, DNSNames: leaf.DNSNames,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, KeyUsage: leaf.KeyUsage,
		ExtKeyUsage: leaf.ExtKeyUsage, IsCA: leaf.IsCA}
	for _, ip := range leaf.IPAddresses {
		facts.IPs = append(facts.IPs, ip.String())
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); ok {
		facts.Curve = public.Curve
	}
	return facts
}

func TestIssueGivesWhatNomadWants(t *testing.T) {
	facts := func(cn string, dns, ips []string) leafFacts {
		return leafFacts{CommonName: cn, DNSNames: dns, IPs: ips,
			NotBefore: noon().Add(-time.Hour), NotAfter: noon().Add(7 * 24 * time.Hour),
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			Curve:       elliptic.P256()}
	}
	for _, tc := range []struct {
		id   pki.Identity
		want leafFacts
	}{
		{pki.Identity{Role: pki.Server},
			facts("server.global.nomad", []string{"server.global.nomad", "localhost"}, []string{"127.0.0.1"})},
		{pki.Identity{Role: pki.CLI},
			facts("cli.global.nomad", []string{"cli.global.nomad", "localhost"}, nil)},
		{pki.Identity{Role: pki.CLI, IPs: addrs("127.0.0.1")},
			facts("cli.global.nomad", []string{"cli.global.nomad", "localhost"}, []string{"127.0.0.1"})},
		{pki.Identity{Role: pki.Client, Region: "eu", DNSNames: []string{"n1", "LOCALHOST", "n1"}, IPs: addrs("10.0.0.7", "127.0.0.1", "::ffff:10.0.0.7", "fd00::1")},
			facts("client.eu.nomad", []string{"client.eu.nomad", "localhost", "n1"}, []string{"127.0.0.1", "10.0.0.7", "fd00::1"})},
	} {
		t.Run(tc.want.CommonName, func(t *testing.T) {
			leaf := leafOf(t, issue(t, newAuthority(t, pki.Options{Now: at(noon())}), tc.id))
			if diff := cmp.Diff(tc.want, factsOf(leaf), cmp.Comparer(func(a, b elliptic.Curve) bool { return a == b })); diff != "" {
				t.Errorf("certificate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIssueLinksLeafToAuthority(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{CommonName: "lab one"}), serverID)
	leaf, ca := leafOf(t, cred), parseCA(t, cred.CAPEM)
	if len(leaf.SubjectKeyId) == 0 || !bytes.Equal(leaf.AuthorityKeyId, ca.SubjectKeyId) || bytes.Equal(leaf.SubjectKeyId, ca.SubjectKeyId) {
		t.Errorf("key ids: leaf %x, its authority %x, CA %x", leaf.SubjectKeyId, leaf.AuthorityKeyId, ca.SubjectKeyId)
	}
	if leaf.Issuer.CommonName != "lab one" {
		t.Errorf("issuer %q, want lab one", leaf.Issuer.CommonName)
	}
	if block, _ := pem.Decode(cred.KeyPEM); block == nil || block.Type != "EC PRIVATE KEY" {
		t.Errorf("key is not in SEC 1 form as of nomad tls")
	}
	if floor := new(big.Int).Lsh(big.NewInt(1), 96); leaf.SerialNumber.Cmp(floor) < 0 || leaf.SerialNumber.BitLen() > 128 {
		t.Errorf("serial %x is not a random number of 128 bits", leaf.SerialNumber)
	}
}

func TestIssueHoldsItsOwnCopies(t *testing.T) {
	names := []string{"n1"}
	cred := issue(t, newAuthority(t, pki.Options{}), pki.Identity{Role: pki.Client, DNSNames: names})
	names[0] = "changed"
	if cred.Identity.DNSNames[0] != "n1" {
		t.Error("the credential changes with the caller's slice")
	}
}

func TestLeafNeverOutlivesAuthority(t *testing.T) {
	authority := newAuthority(t, pki.Options{TTL: time.Hour, LeafTTL: 2 * time.Hour, Now: at(noon())})
	end, err := issue(t, authority, serverID).NotAfter()
	if err != nil || !end.Equal(authority.NotAfter()) || !end.Equal(noon().Add(time.Hour)) {
		t.Errorf("leaf ends %v (error %v), authority %v, want both an hour past noon", end, err, authority.NotAfter())
	}
}

func TestExpiredAuthorityRefusesToIssue(t *testing.T) {
	now := noon()
	authority := newAuthority(t, pki.Options{CommonName: "old", TTL: time.Hour, Now: func() time.Time { return now }})
	issue(t, authority, serverID)
	now = noon().Add(time.Hour + time.Second)
	_, err := authority.Issue(serverID)
	checkError(t, err, `authority "old" is valid from`)
	now = noon().Add(-time.Hour - time.Minute)
	_, err = authority.Issue(serverID)
	checkError(t, err, "make a new one")
}

func TestIssueUnderConstraints(t *testing.T) {
	authority := newAuthority(t, pki.Options{PermittedDNS: []string{"lab.test"}})
	for _, tc := range []struct{ name, want string }{
		{"lab.test", ""},
		{"a.lab.test", ""},
		{"*.lab.test", ""},
		{"a.nomad", ""},
		{"evil.test", `DNS name "evil.test" is not permitted`},
		{"evillab.test", `"evillab.test" is not permitted`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := authority.Issue(pki.Identity{Role: pki.Client, DNSNames: []string{tc.name}})
			checkError(t, err, tc.want)
			if tc.want != "" {
				checkError(t, err, "Options.PermittedDNS")
			}
		})
	}
}

func TestOutsideConstraintsNeedsConstraints(t *testing.T) {
	for _, defect := range []pki.Defect{pki.OutsideConstraints(), pki.InsideConstraints()} {
		if _, err := newAuthority(t, pki.Options{}).IssueDefective(serverID, defect); !errors.Is(err, pki.ErrUnconstrained) {
			t.Errorf("%s: got %v, want ErrUnconstrained", defect, err)
		}
		_, err := newAuthority(t, pki.Options{Intermediates: 1}).IssueDefective(serverID, defect) // the intermediate is constrained
		checkError(t, err, "")
	}
	_, err := newAuthority(t, pki.Options{PermittedDNS: []string{"invalid"}}).IssueDefective(serverID, pki.OutsideConstraints())
	checkError(t, err, "permits even")
	_, err = newAuthority(t, pki.Options{PermittedDNS: []string{"lab.test"}}).IssueDefective(serverID, pki.OutsideConstraints())
	checkError(t, err, "")
}

// What an authority's own certificate does not permit is refused with a reason that code can tell.
func TestNotPermitted(t *testing.T) {
	plain := newAuthority(t, pki.Options{PermittedDNS: []string{"lab.test"}})
	for _, defect := range []pki.Defect{
		pki.IntermediateSent(), pki.IntermediateMissing(), pki.ChainReversed(), pki.LeafNotFirst(), pki.CrossSigned(),
		pki.CrossSignatureMissing(), pki.LongLived(),
	} {
		if _, err := plain.IssueDefective(serverID, defect); !errors.Is(err, pki.ErrNotPermitted) {
			t.Errorf("%s: got %v, want ErrNotPermitted", defect, err)
		}
	}
	if _, err := plain.IssueTemplate(pki.Template{DNSNames: []string{"evil.test"}}); !errors.Is(err, pki.ErrNotPermitted) {
		t.Errorf("a name outside the constraints: got %v, want ErrNotPermitted", err)
	}
}

// A template has the names that were asked for and no others.
func TestIssueTemplateAddsNothing(t *testing.T) {
	authority := newAuthority(t, pki.Options{})
	for _, f := range []pki.Template{
		{},
		{CommonName: "SERVER.GLOBAL.NOMAD", DNSNames: []string{"*.global.nomad", "localhost"}, Defect: pki.Expired()},
	} {
		f.Holder = serverID
		cred, err := authority.IssueTemplate(f)
		if err != nil {
			t.Fatal(err)
		}
		leaf := leafOf(t, cred)
		if leaf.Subject.CommonName != f.CommonName || !slices.Equal(leaf.DNSNames, f.DNSNames) || len(leaf.IPAddresses) != 0 {
			t.Errorf("it names %q, %q and %v", leaf.Subject.CommonName, leaf.DNSNames, leaf.IPAddresses)
		}
		if expired := leaf.NotAfter.Before(time.Now()); expired != (f.Defect == pki.Expired()) || cred.Identity.Name() != serverID.Name() {
			t.Errorf("%s of %s: expired %v", f.Defect, cred.Identity, expired)
		}
	}
}

// A defective certificate has one defect: names that would be refused anyway are
// refused before.
func TestDefectsNeedAnOtherwiseRightIdentity(t *testing.T) {
	authority := newAuthority(t, capable())
	for _, defect := range pki.Defects() {
		_, err := authority.IssueDefective(pki.Identity{Role: pki.Client, DNSNames: []string{"evil.test"}}, defect)
		checkError(t, err, "issue "+defect.Name()+" certificate for client.global.nomad: outside the name constraints")
	}
}

func TestIssueFromManyGoroutines(t *testing.T) {
	authority := newAuthority(t, capable())
	defects := append(pki.Defects(), pki.Defect{})
	serials := make([]string, 4*len(defects))
	var group sync.WaitGroup
	for n := range serials {
		group.Go(func() {
			id := pki.Identity{Role: pki.Client, DNSNames: []string{fmt.Sprintf("n%d.lab.test", n)}}
			cred, err := authority.IssueDefective(id, defects[n%len(defects)])
			if err != nil {
				t.Error(err)
				return
			}
			if leaf, err := cred.Leaf(); err != nil {
				t.Error(err)
			} else {
				serials[n] = leaf.SerialNumber.String()
			}
		})
	}
	group.Wait()
	seen := make(map[string]bool)
	for _, serial := range serials {
		if seen[serial] {
			t.Errorf("serial %q was given twice", serial)
		}
		seen[serial] = true
	}
}

func TestDefectsAreUsableInTables(t *testing.T) {
	seen := map[pki.Defect]bool{{}: true}
	names := map[string]bool{pki.Defect{}.Name(): true}
	for _, defect := range pki.Defects() {
		if seen[defect] || names[defect.Name()] {
			t.Errorf("%s stands twice", defect)
		}
		seen[defect], names[defect.Name()] = true, true
		if named, err := pki.DefectNamed(defect.Name()); err != nil || named != defect {
			t.Errorf("by its name, %s is %s, %v", defect, named, err)
		}
		if strings.Trim(defect.Name(), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || !strings.HasSuffix(defect.Why(), ".") || fmt.Sprint(defect) != defect.Name() {
			t.Errorf("defect %q: name, or reason %q, in the wrong form", defect.Name(), defect.Why())
		}
	}
	if one, other := pki.Expired(), pki.Expired(); one != other || len(names) != 24 || (pki.Defect{}).Name() != "sound" || (pki.Defect{}).Why() == "" {
		t.Errorf("defects %v: want twenty-three and the zero one, comparable", names)
	}
}

func TestDefectNamed(t *testing.T) {
	for name, want := range map[string]string{"": "", "sound": "", "ugly": `no defect is named "ugly": there are [foreign self-signed`} {
		got, err := pki.DefectNamed(name)
		checkError(t, err, want)
		if got != (pki.Defect{}) {
			t.Errorf("%q is %s", name, got)
		}
	}
}

func parseCA(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
