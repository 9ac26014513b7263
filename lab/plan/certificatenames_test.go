package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TestConstrainedAuthoritySignsNoShortNames: Nomad's CLI would refuse to issue any certificate otherwise.
func TestConstrainedAuthoritySignsNoShortNames(t *testing.T) {
	constrained := spec.Spec{
		Authority:    spec.Authority{Source: spec.NomadSource, Domain: "lab.test", NameConstraint: true},
		Certificates: spec.Certificates{DNSNames: []string{"nomad.lab.test"}},
	}
	free := constrained
	free.Authority = spec.Authority{Source: spec.NomadSource}
	for name, test := range map[string]struct {
		spec spec.Spec
		own  bool
	}{"constrained": {constrained, false}, "control": {free, true}} {
		p, err := plan.New(test.spec, spectest.Containers())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			want := []string{"nomad.lab.test"}
			if test.own {
				want = slices.Concat(n.Aliases, want)
			}
			if diff := cmp.Diff(want, n.Identity.DNSNames); diff != "" {
				t.Errorf("%s: %s:\n%s", name, n.Name, diff)
			}
		}
	}
}
