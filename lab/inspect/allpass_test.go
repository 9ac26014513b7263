package inspect_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// form is a hardened cluster of some form that people use, and what the checks find in it.
type form struct {
	form spec.Option
	// want are the counts of what is found.
	want labtest.Tally
	// reasons are those for which something is skipped, each as a part of it.
	reasons []string
	// within bounds the checks on a machine that is not busy; 0: no bound.
	within time.Duration
	// also checks what is special about the form; nil: nothing.
	also func(*testing.T, finding.Report)
}

// agents returns so many servers and clients.
func agents(servers, clients int) spec.Option {
	return func(s *spec.Spec) { spec.Servers(servers)(s); spec.Clients(clients)(s) }
}

// regions returns a server and a client in each region.
func regions(names ...string) spec.Option {
	return func(s *spec.Spec) {
		one := 1
		for _, name := range names {
			s.Regions = append(s.Regions, spec.Region{Name: name, Servers: &one, Clients: &one})
		}
	}
}

// TestProofOfSoundClusters: in a cluster without faults, of any form, every check passes that applies, as many each time. What is
// skipped is skipped for a known reason. `make prove` does it ten times on each engine.
func TestProofOfSoundClusters(t *testing.T) {
	alone := []string{
		"there is one server, which agrees with itself", "there is one server, which begins its cluster alone, as it must",
		"there is one server, which gossips with nobody", "there is one server, which replicates to nobody",
	}
	noClient := []string{
		"no workload of the checks' own runs: that takes a client with raw_exec or mock_driver",
		"there is no agent of the role that the check is for",
	}
	const cells = 252 // a matrix is joined of those of the regions, so that its cells are as many
	for name, c := range map[string]form{
		"three servers and two clients": {
			form: agents(3, 2), want: labtest.Tally{Passed: 571, Skipped: 6, Cells: cells}, reasons: []string{catalogue.RunsElsewhere}, within: 15 * time.Second,
		},
		"one server":    {form: agents(1, 0), want: labtest.Tally{Passed: 140, Skipped: 77, Cells: cells}, reasons: append(noClient, alone...)},
		"one of each":   {form: agents(1, 1), want: labtest.Tally{Passed: 213, Skipped: 4, Cells: cells}, reasons: alone},
		"servers alone": {form: agents(3, 0), want: labtest.Tally{Passed: 412, Skipped: 111, Cells: cells}, reasons: noClient},
		"two regions":   {form: regions("global", "eu"), want: labtest.Tally{Passed: 426, Skipped: 8, Cells: cells}, reasons: alone, also: eachRegionIsAsked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, spec.Hardened(), c.form)
			quick, cancel := deadline.Fair(t.Context(), cmp.Or(c.within, deadline.Hang))
			defer cancel()
			r, err := inspect.Lab(t.Context(), l, inspect.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if over := context.Cause(quick); over != nil {
				t.Errorf("the check took too long: %v", over)
			}
			t.Logf("the check took %.1f s", r.Took.Seconds())
			if diff := gocmp.Diff(c.want, labtest.AllPass(t, r, c.reasons...)); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if c.also != nil {
				c.also(t, r)
			}
		})
	}
}

// eachRegionIsAsked with certificates of its own, and refuses what only agents of the other may do.
func eachRegionIsAsked(t *testing.T, r finding.Report) {
	t.Helper()
	asked := map[string][]string{}
	for _, f := range r.Findings {
		asked[f.ID] = append(asked[f.ID], f.Node)
	}
	for _, id := range []string{"rpc-refuses-client-of-another-region", "rpc-gives-root-keys-to-no-other-region", "raft-refuses-server-of-another-region"} {
		if got := asked[id]; len(got) != 2 {
			t.Errorf("%s was asked of %v, want a server of each region", id, got)
		}
	}
	place := func(f finding.Finding) int {
		return slices.IndexFunc(r.Findings, func(other finding.Finding) bool { return other.ID == f.ID })
	}
	if !slices.IsSortedFunc(r.Findings, func(a, b finding.Finding) int { return place(a) - place(b) }) {
		t.Error("findings of one check do not stand together")
	}
	if len(r.Matrix.Nodes) != 2 {
		t.Errorf("the matrix was tried at %v", r.Matrix.Nodes)
	}
}
