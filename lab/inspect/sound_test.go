package inspect_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/catalogue"
)

// sound is a hardened cluster in a form that people use, and what the check says of it.
type sound struct {
	form lab.Option
	// held and skipped count the findings, cells those of the matrix that held.
	held, skipped, cells int
	// reasons are those for which something is skipped.
	reasons []string
	// also looks at what is special about the form; nil: nothing.
	also func(*testing.T, finding.Report)
}

// agents are so many servers and clients.
func agents(servers, clients int) lab.Option {
	return func(s *lab.Spec) { lab.Servers(servers)(s); lab.Clients(clients)(s) }
}

// regions are a server and a client in each region.
func regions(names ...string) lab.Option {
	return func(s *lab.Spec) {
		one := 1
		for _, name := range names {
			s.Regions = append(s.Regions, lab.Region{Name: name, Servers: &one, Clients: &one})
		}
	}
}

// TestProofOfSoundClusters: of a sound cluster of any form every promise holds that applies, as many each time, and what is skipped is
// skipped for a reason that was looked at. `make prove` does it ten times on each engine.
func TestProofOfSoundClusters(t *testing.T) {
	alone := []string{
		"there is one server, which agrees with itself", "there is one server, which begins its cluster alone, as it must",
		"there is one server, which gossips with nobody", "there is one server, which replicates to nobody",
	}
	noClient := []string{
		"no workload of the checks' own runs: that takes a client with raw_exec or mock_driver",
		"there is no agent of the role that the check is for",
	}
	// A matrix is joined of those of the regions, so that its cells are as many.
	const cells = 189
	for name, c := range map[string]sound{
		"three servers and two clients": {agents(3, 2), 570, 6, cells, []string{catalogue.RunsElsewhere}, nil},
		"one server":                    {agents(1, 0), 139, 77, cells, append(noClient, alone...), nil},
		"one of each":                   {agents(1, 1), 212, 4, cells, alone, nil},
		"servers alone":                 {agents(3, 0), 411, 111, cells, noClient, nil},
		"two regions":                   {regions("global", "eu"), 424, 8, cells, alone, eachRegionIsAsked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, lab.Hardened(), c.form)
			r, err := inspect.Lab(t.Context(), l, inspect.Options{})
			if err != nil {
				t.Fatal(err)
			}
			reasons := map[string]bool{}
			for _, f := range r.Findings {
				switch f.Verdict {
				case finding.Broken, finding.NotCarriedOut:
					t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Verdict, f.Reason)
				case finding.Skipped:
					reason := f.Reason
					if strings.HasPrefix(reason, catalogue.RunsElsewhere) { // it names the client
						reason = catalogue.RunsElsewhere
					}
					reasons[reason] = true
				}
			}
			cells := map[finding.Verdict]int{}
			each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
				if cells[c.Verdict]++; c.Verdict != finding.Held {
					t.Errorf("%s at %s is %s at %v: %s", row.Certificate, c.Entry, c.Verdict, c.At, c.Reason)
				}
			})
			got, want := finding.Summarize(r.Findings), finding.Summary{Held: c.held, Skipped: c.skipped}
			if got != want || cells[finding.Held] != c.cells {
				t.Errorf("%s and %d cells held, want %s and %d", got, cells[finding.Held], want, c.cells)
			}
			if diff := cmp.Diff(c.reasons, slices.Sorted(maps.Keys(reasons))); diff != "" {
				t.Errorf("skipped for (-want +got):\n%s", diff)
			}
			if c.also != nil {
				c.also(t, r)
			}
		})
	}
}

// eachRegionIsAsked: with certificates of its own, and what one may do to the other is refused.
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
