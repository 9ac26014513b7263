package mutation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestProofWhoeverLeads makes each server of the packed clusters lead in turn. Whichever leads, a server with a
// mutation fails one of the checks that the proof saw fail, and no sound agent fails any.
func TestProofWhoeverLeads(t *testing.T) {
	t.Parallel()
	began := time.Now()
	t.Run("packs", func(t *testing.T) {
		for _, pack := range packsThatLead() {
			t.Run(strings.ReplaceAll(pack.Name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				everyLeader(t, pack)
			})
		}
	})
	_, _ = fmt.Fprintf(t.Output(), "each server led, in all %.0f s\n", time.Since(began).Seconds())
}

// packsThatLead returns the packs in which some servers carry a mutation and any may lead.
func packsThatLead() []mutation.Pack {
	all := slices.DeleteFunc(mutation.All(), func(m mutation.Mutation) bool { return m.WhyNotInLab() != "" || m.Equivalent != "" })
	return slices.DeleteFunc(mutation.Packs(all, mutation.DefaultSize()), func(p mutation.Pack) bool { return p.Lead == "" })
}

// TestEveryMutationOfOneServerIsLed: only servers that are cut off from their cluster, and so cannot lead it, are
// left out.
func TestEveryMutationOfOneServerIsLed(t *testing.T) {
	led := map[string]bool{}
	for _, pack := range packsThatLead() {
		for _, placed := range pack.Placed {
			led[placed.Mutation.ID] = true
		}
	}
	for _, m := range mutation.All() {
		ofOne := m.Role == pki.Server && m.Scope == mutation.Agent && m.Sharing != mutation.Extra && m.Turns == ""
		if ofOne && m.WhyNotInLab() == "" && m.Equivalent == "" && m.File == nil && !led[m.ID] {
			t.Errorf("%s is never seen while its server leads", m.ID)
		}
	}
	if len(led) < 20 {
		t.Errorf("%d mutations of one server", len(led))
	}
}

func everyLeader(t *testing.T, pack mutation.Pack) {
	t.Helper()
	engines := labtest.Engines(t)
	clusters := mutation.Clusters{
		Engine: engines.Home(), Others: engines.Others(), Spec: spec.Spec{}.With(spec.Hardened(), spec.Name(labtest.Name(t))),
		Up: lab.UpOptions{Expires: time.Now().Add(labtest.Lifetime), Timeout: deadline.Start},
	}
	fails, asked := map[string][]string{}, questions(t)
	options := pack.Inspect()
	options.Only = nil
	for _, placed := range pack.Placed {
		ids, seen := placed.Mutation.Fails(placed.Scope)
		if !seen || len(ids) == 0 {
			t.Fatalf("%s: nothing was seen to fail", placed)
		}
		fails[placed.Node] = slices.DeleteFunc(ids, func(id string) bool { return strings.HasPrefix(id, "matrix/") })
		options.Only = append(options.Only, fails[placed.Node]...)
	}
	err := clusters.Run(t.Context(), pack, func(ctx context.Context, l *lab.Lab, _ mutation.Pack) error {
		for _, server := range l.Servers() {
			led := pack
			led.Lead = server.Name()
			r, err := led.Check(ctx, l, options)
			if err != nil {
				return err
			}
			for _, fault := range unnoticed(pack, fails, r.Findings, asked) {
				t.Errorf("%s leads: %s", server.Name(), fault)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unnoticed lists the agents that carry a mutation and at which none of its checks fails, and the sound agents at
// which a check does not pass or none ran. Checks of the whole cluster do not count.
func unnoticed(pack mutation.Pack, fails map[string][]string, findings []finding.Finding, questions []string) []string {
	var faults []string
	for _, placed := range pack.Placed {
		noticed := slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Node == placed.Node && f.Result == finding.Fail && slices.Contains(fails[placed.Node], f.ID)
		})
		if !noticed {
			faults = append(faults, fmt.Sprintf("%s is not noticed by any of %s", placed, strings.Join(fails[placed.Node], ", ")))
		}
	}
	pass := map[string]bool{}
	for _, f := range findings {
		pass[f.Node] = pass[f.Node] || f.Result == finding.Pass
		if f.Result != finding.Pass && f.Result != finding.Skipped && fails[f.Node] == nil && !slices.Contains(questions, f.ID) {
			faults = append(faults, fmt.Sprintf("%s is %s at %s, which is sound: %s", f.ID, f.Result, f.Node, f.Reason))
		}
	}
	for i := range pack.Servers {
		if sound := fmt.Sprintf("server-%d", i+1); fails[sound] == nil && !pass[sound] {
			faults = append(faults, "nothing passes at "+sound+", which is sound")
		}
	}
	return faults
}

// TestUnnoticed reports a mutation that no check shows, and a sound agent that fails one.
func TestUnnoticed(t *testing.T) {
	pack := mutation.Pack{Servers: 2, Placed: []mutation.Placed{{Mutation: row("weak", pki.Server, mutation.Shares), Node: "server-2"}}}
	fails := map[string][]string{"server-2": {"a"}}
	fail := func(id, node string) finding.Finding {
		return finding.Finding{ID: id, Node: node, Result: finding.Fail}
	}
	pass := func(id, node string) finding.Finding {
		return finding.Finding{ID: id, Node: node, Result: finding.Pass}
	}
	inconclusive := func(id, node string) finding.Finding {
		return finding.Finding{ID: id, Node: node, Result: finding.Inconclusive}
	}
	for name, test := range map[string]struct {
		findings []finding.Finding
		want     int
	}{
		"noticed":                     {[]finding.Finding{pass("a", "server-1"), fail("a", "server-2")}, 0},
		"not noticed":                 {[]finding.Finding{pass("a", "server-1"), pass("a", "server-2")}, 1},
		"noticed by another check":    {[]finding.Finding{pass("a", "server-1"), pass("a", "server-2"), fail("b", "server-2")}, 1},
		"the other is blamed too":     {[]finding.Finding{pass("b", "server-1"), fail("a", "server-1"), fail("a", "server-2")}, 1},
		"a question of the cluster":   {[]finding.Finding{pass("a", "server-1"), fail("a", "server-2"), fail("q", "server-1")}, 0},
		"the other cannot tell":       {[]finding.Finding{pass("b", "server-1"), inconclusive("a", "server-1"), fail("a", "server-2")}, 1},
		"the other was not tried":     {[]finding.Finding{fail("a", "server-2")}, 1},
		"the other alone is to blame": {[]finding.Finding{pass("b", "server-1"), fail("a", "server-1"), pass("a", "server-2")}, 2},
	} {
		if got := unnoticed(pack, fails, test.findings, []string{"q"}); len(got) != test.want {
			t.Errorf("%s: %q, want %d", name, got, test.want)
		}
	}
}
