package mutation_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

const seenPath = "seen.json"

// TestProof carries out every mutation of the table on a hardened lab, several to a cluster. At the agent that
// carries it exactly the listed checks fail, and at every sound agent all pass. If a pack does not show exactly that,
// each of its mutations is tried in a cluster of its own.
func TestProof(t *testing.T) {
	t.Parallel()
	p := &proof{began: time.Now(), questions: questions(t)}
	before, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("packs", func(t *testing.T) {
		for _, pack := range packs() {
			t.Run(strings.ReplaceAll(pack.Name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				p.prove(t, pack, before)
			})
		}
	})
	_, _ = fmt.Fprintf(t.Output(), "%s; in all %.0f s\n", &p.times, time.Since(p.began).Seconds())
	if t.Failed() { // what no list can explain is not written down
		return
	}
	p.complete(before)
	if updating() {
		p.keep(t)
	}
	for _, fault := range unproved(specs(t), p.inOrder(), inseparable()) {
		t.Error(fault)
	}
}

// packs returns the clusters of the proof.
func packs() []mutation.Pack {
	all := slices.DeleteFunc(mutation.All(), func(m mutation.Mutation) bool { return m.WhyNotInLab() != "" || m.Equivalent != "" })
	if unpacked() {
		return mutation.Unpacked(all, mutation.DefaultSize())
	}
	return mutation.Packs(all, mutation.DefaultSize())
}

// proof collects what was seen.
type proof struct {
	began time.Time
	// questions are the IDs of the checks of the whole cluster.
	questions []string
	mu        sync.Mutex
	seen      []mutation.Seen
	times     mutation.Timesheet
}

// prove carries out one pack and, if it differs from what was seen before, each of its mutations by itself.
// Inconclusive differences, for example because this program was too busy to capture packets, are tried once more
// first.
func (p *proof) prove(t *testing.T, pack mutation.Pack, before []mutation.Seen) {
	differences := p.carry(t, pack, before)
	if len(differences) == 0 {
		return
	}
	shared := len(pack.Placed) > 1 && !pack.InTurn
	for _, d := range differences {
		t.Log(d)
	}
	if !shared && inconclusive(differences) {
		t.Logf("%s is tried once more, as nothing but what is inconclusive differs", pack.Name)
		differences = p.carry(t, pack, before)
	}
	if !shared {
		for _, d := range differences {
			t.Error(d)
		}
		return
	}
	if !inconclusive(differences) {
		t.Errorf("the pack %s does not show what its mutations show alone", pack.Name)
	}
	t.Logf("each mutation of the pack %s is now tried in a cluster of its own", pack.Name)
	var alone []mutation.Mutation
	for _, placed := range pack.Placed {
		alone = append(alone, placed.Mutation)
	}
	for _, single := range mutation.Unpacked(alone, mutation.DefaultSize()) {
		t.Run(single.Name, func(t *testing.T) { p.prove(t, single, before) })
	}
}

// inconclusive reports whether all differences are inconclusive where a pass is wanted.
func inconclusive(differences []mutation.Difference) bool {
	return !slices.ContainsFunc(differences, func(d mutation.Difference) bool { return d.Got != "inconclusive" || d.Want != "pass" })
}

// carry starts the pack's cluster and returns the differences from what was seen before, or with -update those that
// no list can explain.
func (p *proof) carry(t *testing.T, pack mutation.Pack, before []mutation.Seen) []mutation.Difference {
	t.Helper()
	engines := labtest.Engines(t)
	spec := spec.Spec{}.With(spec.Hardened(), spec.Name(labtest.Name(t)))
	clusters := mutation.Clusters{
		Engine: engines.Home(), Others: engines.Others(), Spec: spec,
		Up: lab.UpOptions{Expires: time.Now().Add(labtest.Lifetime), Timeout: deadline.Start},
		Timed: func(pack mutation.Pack, took mutation.Times) {
			_, _ = fmt.Fprintln(t.Output(), p.times.Add(pack, took))
		},
	}
	var all []mutation.Difference
	err := clusters.Run(t.Context(), pack, func(ctx context.Context, l *lab.Lab, one mutation.Pack) error {
		r, err := one.Check(ctx, l, one.Inspect())
		if err != nil {
			return err
		}
		found := mutation.NewPackResults(r, p.questions)
		learned := mutation.FailuresSeen(one, found)
		p.add(learned)
		if updating() {
			before = learned
		}
		differences := mutation.Judge(one, before, found)
		if len(differences) > 0 {
			at, err := l.Evidence(ctx, errors.New(one.Name+" does not show what it should"))
			t.Logf("logs and configuration of every node: %s (%v)", at, err)
		}
		all = append(all, differences...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (p *proof) add(seen []mutation.Seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range seen {
		p.seen = slices.DeleteFunc(p.seen, func(old mutation.Seen) bool { return old.Mutation == s.Mutation && old.Scope == s.Scope })
		p.seen = append(p.seen, s)
	}
}

// inOrder returns what was seen, in the order of the table.
func (p *proof) inOrder() []mutation.Seen {
	place := map[string]int{}
	for i, m := range mutation.All() {
		place[m.ID] = i
	}
	all := slices.Clone(p.seen)
	slices.SortStableFunc(all, func(a, b mutation.Seen) int {
		return cmp.Or(place[a.Mutation]-place[b.Mutation], strings.Compare(string(a.Scope), string(b.Scope)))
	})
	return all
}

// complete adds what -run left out, as it was seen before.
func (p *proof) complete(before []mutation.Seen) {
	for _, b := range before {
		known := slices.ContainsFunc(mutation.All(), func(m mutation.Mutation) bool { return m.ID == b.Mutation })
		tried := slices.ContainsFunc(p.seen, func(s mutation.Seen) bool { return s.Mutation == b.Mutation && s.Scope == b.Scope })
		if known && !tried {
			p.seen = append(p.seen, b)
		}
	}
}

// keep writes what was seen to seen.json.
func (p *proof) keep(t *testing.T) {
	t.Helper()
	text, err := json.MarshalIndent(p.inOrder(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(seenPath, append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		t.Fatal(err)
	}
}

// specs returns the specs of the catalogue.
func specs(t *testing.T) []posture.Spec {
	t.Helper()
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]posture.Spec, len(checks))
	for i, c := range checks {
		all[i] = c.Spec()
	}
	return all
}

// questions returns the IDs of the checks of the whole cluster.
func questions(t *testing.T) []string {
	t.Helper()
	var ids []string
	for _, s := range specs(t) {
		if s.PerRegion {
			ids = append(ids, s.ID)
		}
	}
	return ids
}
