package spec_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

func chainsOf(chains ...spec.Chain) spec.Spec {
	return spec.Spec{Certificates: spec.Certificates{Chains: chains}}
}

func TestChainsThatAreRefused(t *testing.T) {
	twice := chainsOf(spec.Chain{Role: pki.Server, Bundle: "both"}, spec.Chain{Node: "server-1", Sent: "nothing"})
	for field, test := range map[string]struct {
		spec        spec.Spec
		found, mend string
		right       spec.Spec
	}{
		"certificates.chains[0].bundle": {chainsOf(spec.Chain{Bundle: "leaf"}), `"leaf"`, "use root, intermediate or both", chainsOf(spec.Chain{Bundle: "both"})},
		"certificates.chains[0].sent":   {chainsOf(spec.Chain{Sent: "all"}), `"all"`, "use chain, nothing or root-first", chainsOf(spec.Chain{Sent: "root-first"})},
		"certificates.chains[0].role":   {chainsOf(spec.Chain{Role: pki.CLI}), `"cli"`, "use server or client", chainsOf(spec.Chain{Role: pki.Client})},
		"certificates.chains[0].node":   {chainsOf(spec.Chain{Node: "server-9"}), `"server-9"`, "use one of", chainsOf(spec.Chain{Node: "server-3"})},
		"certificates.chains[1].role": {
			twice, `"", for the second time`, "say once", chainsOf(spec.Chain{Role: pki.Client, Bundle: "both"}, spec.Chain{Node: "server-1", Sent: "nothing"}),
		},
		"certificates.chains": {
			spec.Spec{Certificates: spec.Certificates{Chains: []spec.Chain{{}}}, Authority: spec.Authority{Source: spec.NomadSource}},
			"this program does not issue", "use the builtin authority", chainsOf(spec.Chain{}),
		},
	} {
		checkProblems(t, test.spec, []spec.Problem{{Field: field, Found: test.found, Mend: test.mend}})
		if err := test.right.Validate(); err != nil {
			t.Errorf("%s, put right: %v", field, err)
		}
	}
}

// checkProblems checks that exactly these are refused. Of what was found and of the remedy it wants parts.
func checkProblems(t *testing.T, s spec.Spec, want []spec.Problem) {
	t.Helper()
	var got []spec.Problem
	if invalid := (*spec.InvalidError)(nil); errors.As(s.Validate(), &invalid) {
		got = invalid.Problems
	}
	if !slices.EqualFunc(got, want, func(g, w spec.Problem) bool {
		return g.Field == w.Field && strings.Contains(g.Found, w.Found) && strings.Contains(g.Mend, w.Mend)
	}) {
		t.Errorf("problems %+v, want %+v", got, want)
	}
}

func TestChainOf(t *testing.T) {
	if got := (spec.Certificates{}).ChainOf(pki.Server, "server-1"); got != (spec.Chain{}) {
		t.Errorf("in a lab without an intermediate: %+v", got)
	}
	c := spec.Spec{}.With(spec.IssuedByIntermediate(
		spec.Chain{Node: "server-1", Bundle: spec.BothBundle}, spec.Chain{Role: pki.Client, Sent: spec.SentNothing},
	)).Certificates
	for node, want := range map[string]spec.Chain{
		"server-1": {Bundle: spec.BothBundle, Sent: spec.SentChain},
		"server-2": {Bundle: spec.RootBundle, Sent: spec.SentChain},
		"client-1": {Bundle: spec.RootBundle, Sent: spec.SentNothing},
	} {
		role, _, _ := strings.Cut(node, "-")
		if got := c.ChainOf(pki.Role(role), node); got != want {
			t.Errorf("%s: %+v, want %+v", node, got, want)
		}
	}
}

func TestWarningOfChains(t *testing.T) {
	s := spec.Spec{}.With(spec.IssuedByIntermediate())
	const want = "certificates of an intermediate authority, bundle root, sent chain"
	if w := s.Warnings(); len(w) != 1 || !strings.HasSuffix(w[0], want) {
		t.Errorf("warnings %q, want one that ends in %q", w, want)
	}
}

// TestEveryDefectIsOneOfALab: the lab's authority can give each, also those of name constraints, by an authority below it.
func TestEveryDefectIsOneOfALab(t *testing.T) {
	for _, d := range pki.Defects() {
		if err := (spec.Spec{}).With(spec.DefectiveCertificates(pki.Client, d)).Validate(); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
}
