package inspect_test

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/spec"
)

// eachBundle has the certificates issued by an intermediate authority. server-1 trusts the root, server-2 the intermediate, and
// server-3 both, as does client-1.
func eachBundle() spec.Option {
	return spec.IssuedByIntermediate(
		spec.Chain{Node: "server-2", Bundle: spec.IntermediateBundle}, spec.Chain{Node: "server-3", Bundle: spec.BothBundle},
		spec.Chain{Node: "client-1", Bundle: spec.BothBundle},
	)
}

// TestMatrixOfEachBundle: agents with different bundles make one sound cluster. What they make of a certificate that another
// authority than theirs has issued, or whose issuer is missing, depends on the bundle, and the matrix says so.
func TestMatrixOfEachBundle(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Clients(1), eachBundle())
	opened, err := lab.Open(t.Context(), labtest.Engine(t), l.Name()) // whose authorities are those of the lab's folder
	if err != nil {
		t.Fatal(err)
	}
	r, err := inspect.Lab(t.Context(), opened, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Result == finding.Fail || f.Result == finding.Inconclusive {
			t.Errorf("%s at %s: %s", f.ID, f.Node, f.Reason)
		}
	}
	said := map[string][]string{}
	each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
		if c.Result != finding.Pass {
			t.Errorf("%s at %s is %q, %s: %s", row.Certificate, c.Endpoint, c.Outcome, c.Result, c.Reason)
		}
		if strings.Contains(c.Reason, "its CA bundle") {
			said[row.Certificate] = append(said[row.Certificate], c.Endpoint)
		}
		if row.Certificate == string(caller.IssuedByRoot) && c.Endpoint == string(matrix.HTTPS) {
			for _, want := range []string{"server-1: accepted", "server-2: refused in the handshake", "server-3: accepted", "its CA bundle lacks CN=nomadlab"} {
				if !strings.Contains(c.Reason, want) {
					t.Errorf("%s is not said: %s", want, c.Reason)
				}
			}
		}
	})
	if len(said) != 2 || len(said[string(caller.IssuedByRoot)]) != 6 || len(said[string(caller.IssuerMissing)]) != 6 {
		t.Errorf("the bundle is named at %v", said)
	}
	wrongBundles(t, l)
}

// wrongBundles is the control: a matrix that takes the servers' bundles for others than they are fails where they differ.
func wrongBundles(t *testing.T, l *lab.Lab) {
	t.Helper()
	callers, err := caller.Mint(l.Authority(), "", caller.WithRoot(l.RootAuthority()))
	if err != nil {
		t.Fatal(err)
	}
	bundle := func(node string) []*x509.Certificate {
		n, err := l.Node(node)
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m := matrix.Probe(t.Context(), inspect.Targets(l), matrix.Ingredients{
		Callers: callers, GossipKey: l.GossipKey(),
		Bundles: map[string][]*x509.Certificate{"server-1": bundle("server-2"), "server-2": bundle("server-1"), "server-3": bundle("server-3")},
	})
	each(t, m, func(row finding.MatrixRow, c finding.Cell) {
		differs := row.Certificate == string(caller.IssuedByRoot) || row.Certificate == string(caller.IssuerMissing)
		if c.Endpoint != string(matrix.Gossip) && c.Endpoint != string(matrix.NodeRegister) && differs != (c.Result == finding.Fail) {
			t.Errorf("with the wrong bundles, %s at %s is %s: %s", row.Certificate, c.Endpoint, c.Result, c.Reason)
		}
	})
}

// TestAgentsOfEachChain: what agents send along must lead to an authority in their peers' bundles, in whatever order, and keep the
// rules of all authorities on the way. Where it does not, each server refuses all others, for the reason that is named, and none
// leads.
func TestAgentsOfEachChain(t *testing.T) {
	t.Parallel()
	const unknown = "certificate signed by unknown authority"
	defect := func(d pki.Defect) spec.Option { return spec.DefectiveCertificates("", d) }
	for name, test := range map[string]struct {
		chain   spec.Option
		refused string // the reason; empty: all are accepted
	}{
		"the intermediate is sent":                       {spec.IssuedByIntermediate(), ""},
		"the root is sent before the intermediate":       {spec.IssuedByIntermediate(spec.Chain{Sent: spec.SentRootFirst}), ""},
		"the intermediate is not sent":                   {spec.IssuedByIntermediate(spec.Chain{Sent: spec.SentNothing}), unknown},
		"the intermediate is not sent, and is trusted":   {spec.IssuedByIntermediate(spec.Chain{Sent: spec.SentNothing, Bundle: spec.IntermediateBundle}), ""},
		"the intermediate is not sent, both are trusted": {spec.IssuedByIntermediate(spec.Chain{Sent: spec.SentNothing, Bundle: spec.BothBundle}), ""},
		"the issuer is cross-signed":                     {defect(pki.CrossSigned()), ""},
		"the cross-signature is missing":                 {defect(pki.CrossSignatureMissing()), unknown},
		"name constraints are kept":                      {defect(pki.InsideConstraints()), ""},
		"name constraints are broken":                    {defect(pki.OutsideConstraints()), "outside-constraints.invalid\" is not permitted by any constraint"},
		"the path length is exceeded":                    {defect(pki.PathLengthExceeded()), "too many intermediates for path length constraint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait := lab.Ready
			if test.refused != "" {
				wait = lab.Started
			}
			l := labtest.StartUntil(t, wait, spec.Clients(0), test.chain)
			if test.refused != "" {
				refuses(t, l, test.refused)
			}
			r, err := inspect.Lab(t.Context(), l, inspect.Options{Only: []string{"server-names-a-leader"}})
			if err != nil {
				t.Fatal(err)
			}
			want := finding.Pass
			if test.refused != "" {
				want = finding.Fail
			}
			for _, f := range r.Findings {
				if f.Result != want {
					t.Errorf("%s at %s: %s, want %s: %s", f.ID, f.Node, f.Result, want, f.Reason)
				}
			}
			if len(r.Findings) != 3 {
				t.Errorf("%d findings, want one of each server", len(r.Findings))
			}
		})
	}
}

// refuses waits until a server's log says why it refuses another.
func refuses(t *testing.T, l *lab.Lab, why string) {
	t.Helper()
	err := poll.Until(t.Context(), "a server to refuse another", func(context.Context) string {
		for _, n := range l.Servers() {
			lines, err := n.Log().Since(0)
			if err == nil && strings.Contains(strings.ReplaceAll(strings.Join(lines, "\n"), `\"`, `"`), why) {
				return ""
			}
		}
		return "no server's log has " + why
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnAgentDoesNotStartWithItsAuthorityFirst: Nomad takes the first certificate of tls.cert_file for the agent's own. Its
// control is TestAgentsOfEachChain, where the agent's own is first and all else is the same.
func TestAnAgentDoesNotStartWithItsAuthorityFirst(t *testing.T) {
	t.Parallel()
	wanted := spec.Spec{}.With(
		spec.Name(labtest.Name(t)), spec.Servers(1), spec.Clients(0), spec.DefectiveCertificates(pki.Server, pki.LeafNotFirst()),
	)
	l, err := lab.Up(t.Context(), labtest.Engine(t), wanted, lab.UpOptions{})
	if err == nil {
		_ = l.Down(t.Context())
		t.Fatal("the agent started")
	}
	if want := "private key does not match public key"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v: it does not say %q", err, want)
	}
}
