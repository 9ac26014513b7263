package lab_test

import (
	"bytes"
	"slices"
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestChainsOfAgents: each agent trusts and sends along what its chain says, and no agent has a key of an authority.
func TestChainsOfAgents(t *testing.T) {
	const root, between = "nomadlab lab", "nomadlab lab intermediate"
	wanted := spec.Spec{}.With(spec.Servers(3), spec.Clients(1), spec.IssuedByIntermediate(
		spec.Chain{Node: "server-1", Bundle: spec.IntermediateBundle, Sent: spec.SentNothing},
		spec.Chain{Node: "server-2", Bundle: spec.BothBundle, Sent: spec.SentRootFirst},
	))
	p := spectest.Plan(t, wanted)
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		trusts, sends := []string{root}, []string{n.Identity.Name(), between}
		switch n.Name {
		case "server-1":
			trusts, sends = []string{between}, sends[:1]
		case "server-2":
			trusts, sends = []string{between, root}, []string{n.Identity.Name(), root, between}
		}
		if got := names(t, dataOf(t, made.Files[n.Name], pki.CAFile)); !slices.Equal(got, trusts) {
			t.Errorf("%s trusts %q, want %q", n.Name, got, trusts)
		}
		if got := names(t, dataOf(t, made.Files[n.Name], n.Identity.CertFile())); !slices.Equal(got, sends) {
			t.Errorf("%s sends %q, want %q", n.Name, got, sends)
		}
		if keys := privateKeys(made.Files[n.Name]); len(keys) != 1 {
			t.Errorf("%s has %d keys", n.Name, len(keys))
		}
	}
	if made.Root == nil || !bytes.Equal(made.Root.CertificatePEM(), made.Root.TrustPEM()) || made.Root.String() != root {
		t.Errorf("the root is %v", made.Root)
	}
	plain, err := lab.Provision(spectest.Plan(t, spec.Spec{}))
	if err != nil || plain.Root != nil {
		t.Errorf("a lab without an intermediate has the root %v, error %v", plain.Root, err)
	}
}

// names returns the common names of the certificates.
func names(t *testing.T, text []byte) []string {
	t.Helper()
	certs, err := pki.DecodeCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range certs {
		out = append(out, c.Subject.CommonName)
	}
	return out
}
