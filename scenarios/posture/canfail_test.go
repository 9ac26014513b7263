package posture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
)

// checksDoc is the page that this test keeps.
const checksDoc = "../../docs/checks.md"

// distinct is how many checks there must be that no other check could stand for: those that break at the same lines count
// as one.
const distinct = 90

// TestEveryCheckCanFail takes one line of configuration away at a time from a hardened lab. Each check must be seen to
// break, at a line that leaves most of its plane's checks alone: that one breaks when all do tells nothing of it.
func TestEveryCheckCanFail(t *testing.T) {
	t.Parallel()
	table := &table{}
	t.Run("lines", func(t *testing.T) {
		var shared []weakening
		for _, w := range weakenings() {
			if w.undo != nil {
				shared = append(shared, w)
				continue
			}
			t.Run(w.id, func(t *testing.T) {
				t.Parallel()
				table.add(t, w, seenOn(t, labtest.Start(t, append(sound(), w.spec...)...), w))
			})
		}
		t.Run("shared", func(t *testing.T) {
			t.Parallel()
			shareOne(t, table, shared)
		})
	})
	if t.Failed() {
		return
	}
	table.demand(t)
	table.keep(t)
}

// sound is the lab that each weakening takes a line from. One client is enough to see what a client's line breaks.
func sound() []lab.Option { return []lab.Option{lab.Hardened(), lab.Clients(1)} }

// shareOne applies one weakening after the other to one lab, and takes each back.
func shareOne(t *testing.T, table *table, all []weakening) {
	l := labtest.Start(t, append(sound(), quickPolicies()...)...)
	for _, w := range all {
		t.Run(w.id, func(t *testing.T) {
			r := seenOn(t, l, w)
			if err := w.undo(t.Context(), l); err != nil {
				t.Fatalf("take back %s: %v", w.line, err)
			}
			table.add(t, w, r)
		})
	}
}

// seenOn is what the checks find on a lab with the weakening.
func seenOn(t *testing.T, l *lab.Lab, w weakening) []finding.Finding {
	t.Helper()
	if w.after != nil {
		if err := w.after(t.Context(), l); err != nil {
			t.Fatalf("%s: %v", w.line, err)
		}
	}
	// What several weakenings share is changed while it runs, which no limit is.
	return inspected(t, l, inspect.Options{NoMatrix: true, Destructive: w.undo == nil, Quick: w.undo != nil}).Findings
}

// table is what each check found at each weakening.
type table struct {
	mu      sync.Mutex
	columns []column
	// checks are one finding of each, for what it says of the check.
	checks []finding.Finding
}

// column is what the checks found at one weakening.
type column struct {
	weakening
	verdicts map[string]finding.Verdict
}

// add takes a column in, once it has been seen that the weakening breaks what it is there to break.
func (a *table) add(t *testing.T, w weakening, findings []finding.Finding) {
	t.Helper()
	c := column{weakening: w, verdicts: map[string]finding.Verdict{}}
	for _, f := range findings {
		c.verdicts[f.ID] = worse(c.verdicts[f.ID], f.Verdict)
	}
	for _, id := range w.breaks {
		if c.verdicts[id] != finding.Broken {
			t.Errorf("with %s, %s is not broken but %q", w.line, id, c.verdicts[id])
			for _, f := range findingsOf(findings, id) {
				t.Logf("at %s: %s: %s", f.Node, f.Verdict, f.Reason)
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.columns = append(a.columns, c)
	for _, f := range findings {
		if !slices.ContainsFunc(a.checks, func(have finding.Finding) bool { return have.ID == f.ID }) {
			a.checks = append(a.checks, f)
		}
	}
}

// worse is the verdict of a check over several nodes.
func worse(a, b finding.Verdict) finding.Verdict {
	for _, v := range []finding.Verdict{finding.Broken, finding.NotCarriedOut, finding.Held} {
		if a == v || b == v {
			return v
		}
	}
	return finding.Skipped
}

// demand is what the table must show.
func (a *table) demand(t *testing.T) {
	t.Helper()
	a.order(t)
	rows := map[string][]string{}
	for _, f := range a.checks {
		if len(a.caught(f)) == 0 {
			t.Errorf("%s was never seen to break at a line that leaves most of the %s checks alone; it broke at %v", f.ID, f.Plane, a.breaking(f.ID))
		}
		row := strings.Join(a.breaking(f.ID), " ")
		rows[row] = append(rows[row], f.ID)
	}
	_, _ = fmt.Fprintf(t.Output(), "%d checks, %d of them distinct, %d weakenings\n", len(a.checks), len(rows), len(a.columns))
	if len(rows) < distinct {
		t.Errorf("%d checks break at lines of their own, there must be %d", len(rows), distinct)
		for row, ids := range rows {
			if len(ids) > 1 {
				t.Logf("alike, at %s: %s", row, strings.Join(ids, ", "))
			}
		}
	}
}

// order puts columns and checks into the order in which they are written down.
func (a *table) order(t *testing.T) {
	t.Helper()
	place := map[string]int{}
	for i, w := range weakenings() {
		place[w.id] = i
	}
	slices.SortFunc(a.columns, func(b, c column) int { return place[b.id] - place[c.id] })
	for i, id := range catalogueIDs(t) {
		place[id] = i
	}
	slices.SortFunc(a.checks, func(b, c finding.Finding) int { return place[b.ID] - place[c.ID] })
}

// breaking are the weakenings at which the check broke.
func (a *table) breaking(id string) []string {
	var all []string
	for _, c := range a.columns {
		if c.verdicts[id] == finding.Broken {
			all = append(all, c.id)
		}
	}
	return all
}

// caught are those of them that left more than half of the plane's checks alone.
func (a *table) caught(f finding.Finding) []column {
	var all []column
	for _, c := range a.columns {
		held, of := 0, 0
		for _, other := range a.checks {
			if other.Plane == f.Plane {
				of++
			}
			if other.Plane == f.Plane && c.verdicts[other.ID] == finding.Held {
				held++
			}
		}
		if c.verdicts[f.ID] == finding.Broken && 2*held > of {
			all = append(all, c)
		}
	}
	return all
}

// keep compares the page with what was seen, or writes it.
func (a *table) keep(t *testing.T) {
	t.Helper()
	page := a.page()
	if updating() {
		if err := os.WriteFile(filepath.Clean(checksDoc), page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(checksDoc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(page)); diff != "" {
		t.Errorf("docs/checks.md is not what was seen (-written +seen), `go test ./scenarios/posture -run TestEveryCheckCanFail -update` writes it:\n%s", diff)
	}
}
