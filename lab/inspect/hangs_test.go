package inspect_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// TestAServerThatHangsInTheMiddle of a run: the few checks under way wait for each of its ports, and later ones do not try it. No
// check fails because of it, there or at another agent.
func TestAServerThatHangsInTheMiddle(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Servers(3), spec.Clients(0))
	hangs := l.Servers()[0]
	if labtest.Leader(t, l) == hangs {
		handOver(t, l, hangs, l.Servers()[1])
	}
	var once sync.Once
	r, err := inspect.Lab(t.Context(), l, inspect.Options{Tell: func(f finding.Finding) {
		if f.Node == hangs.Name() && f.Plane == string(probe.PlaneHTTP) {
			once.Do(func() {
				if err := hangs.Pause(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	untried, waited := 0, 0
	for _, f := range r.Findings {
		if f.Result == finding.Fail {
			t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
		late := func(e finding.Evidence) bool { return e.Received == "nothing within the time" }
		if f.Node == hangs.Name() && slices.ContainsFunc(f.Evidence, late) {
			waited++
		}
		if f.Node == hangs.Name() && f.Result == finding.Inconclusive && strings.Contains(f.Reason, "stopped answering at its") {
			untried++
		}
	}
	t.Logf("the run took %.1f s; %d checks waited, %d were left alone", r.Took.Seconds(), waited, untried)
	const few, many = 16, 40
	if waited > few || untried < many {
		t.Errorf("%d checks waited at %s, and %d were left alone: want %d at most, and %d at least", waited, hangs.Name(), untried, few, many)
	}
	each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
		if c.Result == finding.Fail {
			t.Errorf("%s at %s is %s at %v: %s", row.Certificate, c.Endpoint, c.Result, c.At, c.Reason)
		}
	})
}
