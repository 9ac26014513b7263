package lab_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestEveryFlawIsInTheCertificates of the role that it is said of, and no other's.
func TestEveryFlawIsInTheCertificates(t *testing.T) {
	for _, flaw := range append(pki.Flaws(), pki.Flaw{}) {
		if flaw == pki.OutsideConstraints() {
			continue // refused by Validate
		}
		wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(1))
		if flaw != (pki.Flaw{}) {
			wanted = wanted.With(spec.FlawedCertificates(pki.Client, flaw))
		}
		p := mustPlan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatalf("%s: %v", flaw, err)
		}
		for _, n := range p.Nodes {
			want := ""
			if n.Role == pki.Client && flaw != (pki.Flaw{}) {
				want = flaw.Name()
			}
			c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
			if got := flawIn(c.Describe(), bytes.Count(c.CertPEM, []byte("BEGIN"))); n.Flaw != want || got != want {
				t.Errorf("%s: %s is to have %q and has %q:\n%s", flaw, n.Name, n.Flaw, got, c.Describe())
			}
		}
	}
}

// flawIn reads which flaw a certificate has that was issued just now, and that is presented with so many in all.
func flawIn(words string, presented int) string {
	said := map[string]string{}
	for line := range strings.Lines(words) {
		label, value, _ := strings.Cut(line, "  ")
		said[label] = strings.TrimSpace(value)
	}
	begin, end, _ := strings.Cut(said["valid"], " to ")
	from, _ := time.Parse(time.RFC3339, begin)
	until, _ := time.Parse(time.RFC3339, end)
	left := time.Until(until)
	for _, c := range []struct {
		name string
		is   bool
	}{
		{"foreign", said["issuer"] == "CN=Foreign CA"},
		{"self-signed", said["issuer"] == said["subject"]},
		{"intermediate-sent", said["issuer"] == "CN=Intermediate CA" && presented == 2},
		{"intermediate-missing", said["issuer"] == "CN=Intermediate CA"},
		{"expired", left < 0},
		{"not-yet-valid", time.Until(from) > 0},
		{"nearly-expired", left < 3*time.Hour},
		{"long-lived", left > 9*365*24*time.Hour},
		{"no-eku", strings.HasPrefix(said["purposes"], "not limited")},
		{"server-auth-only", said["purposes"] == "server authentication"},
		{"client-auth-only", said["purposes"] == "client authentication"},
		{"code-signing-only", said["purposes"] == "code signing"},
		{"weak-key", strings.HasPrefix(said["key"], "RSA of 1024 bits")},
		{"ed25519", strings.HasPrefix(said["key"], "Ed25519")},
		{"can-sign", said["authority"] != ""},
		{"role-alone", said["IP addresses"] == "none"},
	} {
		if c.is {
			return c.name
		}
	}
	return ""
}

// TestOnlySomeTrustTheForeigner, whose key no node has.
func TestOnlySomeTrustTheForeigner(t *testing.T) {
	for _, role := range []pki.Role{pki.Server, pki.Client, ""} {
		wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(1))
		if role != "" {
			wanted = wanted.With(spec.TrustForeign(role))
		}
		p := mustPlan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatal(err)
		}
		if (made.Foreign == nil) != (role == "") {
			t.Fatalf("trusted by %q: %v", role, made.Foreign)
		}
		for _, n := range p.Nodes {
			want := made.Authority.CertificatePEM()
			if n.Role == role {
				want = slices.Concat(want, made.Foreign.CertificatePEM())
			}
			if got := dataOf(t, made.Files[n.Name], pki.CAFile); !bytes.Equal(got, want) {
				t.Errorf("trusted by %q: %s trusts %d bytes, want %d", role, n.Name, len(got), len(want))
			}
			if keys := privateKeys(made.Files[n.Name]); len(keys) != 1 {
				t.Errorf("%s has %d keys", n.Name, len(keys))
			}
		}
	}
}

// TestOneNodesCertificate: further names, a flaw and a foreign authority that are said of one node are that node's alone.
func TestOneNodesCertificate(t *testing.T) {
	for _, node := range []string{"server-2", "client-1", ""} {
		wanted := spec.Spec{}.With(spec.Servers(3), spec.Clients(2))
		if node != "" {
			role := pki.Role(node[:len("server")])
			wanted.Certificates = spec.Certificates{
				Names:        []spec.ExtraNames{{Node: node, DNSNames: []string{"further.example"}}},
				Flaws:        []spec.CertificateFlaw{{Node: node, Flaw: pki.WeakKey().Name()}},
				TrustForeign: []spec.ForeignTrust{{Role: role, Node: node}},
			}
		}
		p := mustPlan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			own := n.Name == node
			c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
			words := c.Describe()
			if named := strings.Contains(words, "further.example"); named != own {
				t.Errorf("of %q: that the certificate of %s has the name is %v:\n%s", node, n.Name, named, words)
			}
			if flawed := flawIn(words, 1) == pki.WeakKey().Name(); flawed != own {
				t.Errorf("of %q: that the certificate of %s has the flaw is %v:\n%s", node, n.Name, flawed, words)
			}
			want := made.Authority.CertificatePEM()
			if own {
				want = slices.Concat(want, made.Foreign.CertificatePEM())
			}
			if got := dataOf(t, made.Files[n.Name], pki.CAFile); !bytes.Equal(got, want) {
				t.Errorf("of %q: %s trusts %d bytes, want %d", node, n.Name, len(got), len(want))
			}
		}
	}
}

// TestTwoFlawsOnTwoNodes: each node has its own, and all others have none.
func TestTwoFlawsOnTwoNodes(t *testing.T) {
	flaws := map[string]string{"client-1": pki.NoEKU().Name(), "client-2": pki.WeakKey().Name()}
	wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(3))
	for node, flaw := range flaws {
		wanted.Certificates.Flaws = append(wanted.Certificates.Flaws, spec.CertificateFlaw{Role: pki.Client, Node: node, Flaw: flaw})
	}
	p := mustPlan(t, wanted)
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
		if got := flawIn(c.Describe(), 1); n.Flaw != flaws[n.Name] || got != flaws[n.Name] {
			t.Errorf("%s is to have %q and has %q:\n%s", n.Name, flaws[n.Name], got, c.Describe())
		}
	}
}
