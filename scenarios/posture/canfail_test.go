package posture_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/probe"
)

// distinct is how many checks there must be that no other check could stand for: those that break at the same lines count
// as one.
const distinct = 90

// TestEveryCheckCanFail takes one line of configuration away at a time from a hardened lab. Each check must be seen to
// break, at a line that leaves enough of its plane's checks alone: that one breaks when all do tells nothing of it.
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
				table.add(t, w, seenOn(t, begun(t, w), w))
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
	found := table.seen(t)
	demand(t, found)
	if updating() {
		keep(t, found)
		return
	}
	table.compare(t, readSeen(t))
}

// sound is the lab that each weakening takes a line from. One client is enough to see what a client's line breaks.
func sound() []lab.Option { return []lab.Option{lab.Hardened(), lab.Clients(1)} }

// begun is a lab of its own for the weakening. Of one that does not become ready, each agent answers.
func begun(t *testing.T, w weakening) *lab.Lab {
	t.Helper()
	l := labtest.StartUntil(t, cmp.Or(w.until, lab.Ready), append(sound(), w.spec...)...)
	for _, agent := range inspect.Targets(l) {
		if err := lab.WaitFor(t.Context(), agent.Name+" to answer", func(ctx context.Context) string {
			return probe.PlainHTTP("/v1/agent/health").Observe(ctx, agent).Err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

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
	o := inspect.Options{NoMatrix: true, Destructive: w.undo == nil, Quick: w.undo != nil}
	if w.plane != "" {
		o.Only = []string{string(w.plane)}
	}
	return inspected(t, l, o).Findings
}

// table is what each check found at each weakening.
type table struct {
	mu      sync.Mutex
	columns []column
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

// seen is the table in the order of the weakenings and of the catalogue.
func (a *table) seen(t *testing.T) []seen {
	t.Helper()
	checks := specs(t)
	var all []seen
	for _, w := range weakenings() {
		at := slices.IndexFunc(a.columns, func(c column) bool { return c.id == w.id })
		if at < 0 {
			t.Fatalf("the weakening %s was not tried", w.id)
		}
		s := seen{Weakening: w.id, Breaks: []string{}, Green: []string{}}
		held, of := map[string]int{}, map[string]int{}
		for _, c := range checks {
			of[string(c.Plane)]++
			switch a.columns[at].verdicts[c.ID] {
			case finding.Broken:
				s.Breaks = append(s.Breaks, c.ID)
			case finding.Held:
				held[string(c.Plane)]++
			}
		}
		for _, plane := range planes(checks) {
			if enough(plane, held[plane], of[plane]) {
				s.Green = append(s.Green, plane)
			}
		}
		all = append(all, s)
	}
	return all
}

// enough says whether so many of a plane's checks held that the break of another one tells something. Of those of the cluster
// one must do, by which it is seen that agents answer: servers without a leader have no peers and no clients either.
func enough(plane string, held, of int) bool {
	if plane == string(probe.PlaneCluster) {
		return held > 0
	}
	return 2*held > of
}

// demand is what the table must show.
func demand(t *testing.T, all []seen) {
	t.Helper()
	checks := specs(t)
	for _, c := range checks {
		if len(caught(c, all)) == 0 {
			t.Errorf("%s was never seen to break at a line that leaves enough of the %s checks alone; it broke at %v", c.ID, c.Plane, breaking(c.ID, all))
		}
	}
	alike := rows(checks, all)
	_, _ = fmt.Fprintf(t.Output(), "%d checks, %d of them distinct, %d weakenings\n", len(checks), len(alike), len(all))
	if len(alike) < distinct {
		t.Errorf("%d checks break at lines of their own, there must be %d", len(alike), distinct)
		for row, ids := range alike {
			if len(ids) > 1 {
				t.Logf("alike, at %s: %s", row, strings.Join(ids, ", "))
			}
		}
	}
}

// compare finds what broke when the page was made and holds now, and the other way round. That a check whose control has
// lost its meaning could not be carried out is not compared: whether it broke first may be a matter of luck.
func (a *table) compare(t *testing.T, before []seen) {
	t.Helper()
	for _, c := range a.columns {
		at := slices.IndexFunc(before, func(s seen) bool { return s.Weakening == c.id })
		if at < 0 {
			t.Errorf("%s is not in %s: run this test with -update, then TestChecksPage", c.id, seenFile)
			continue
		}
		for id, v := range c.verdicts {
			if broke := slices.Contains(before[at].Breaks, id); broke && v == finding.Held || !broke && v == finding.Broken {
				t.Errorf("with %s, %s is %q, and %s has it broken: %t; run this test with -update, then TestChecksPage", c.line, id, v, seenFile, broke)
			}
		}
	}
}

// keep writes down what was seen.
func keep(t *testing.T, all []seen) {
	t.Helper()
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	write(t, seenFile, append(text, '\n'))
}
