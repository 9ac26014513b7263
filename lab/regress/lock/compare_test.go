package lock_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// ended is a promise that ended so; with an outcome of "" one that no agent was asked about.
func ended(v finding.Result, outcome string) lock.CheckResult {
	e := lock.CheckResult{ID: "raft-refuses-x", Plane: "Raft", Title: "Raft refuses x", Severity: "critical", Result: v, Outcome: outcome}
	switch v {
	case finding.Fail:
		e.Reason = "wanted was denied"
	case finding.Inconclusive:
		e.Reason = "the agent does not run"
	case finding.Skipped:
		e.Reason = "no token is at hand"
	}
	return e
}

func at(nodes string, e lock.CheckResult) lock.CheckResult { e.At = nodes; return e }

func cell(e lock.CheckResult) lock.CheckResult {
	e.ID, e.Plane, e.Title, e.Severity = "matrix/none/Raft", lock.PlaneMatrix, "no certificate at Raft", ""
	return e
}

func posture(entries ...lock.CheckResult) lock.Posture { return lock.Posture{Results: entries} }

// TestCompareEveryTransition has each result with each other one; no entry for a pair means that it is no change.
func TestCompareEveryTransition(t *testing.T) {
	sides := map[string][]lock.CheckResult{
		"held": {ended(finding.Pass, "denied")}, "broken": {ended(finding.Fail, "accepted")},
		"untried": {ended(finding.Inconclusive, "not reached")}, "skipped": {ended(finding.Skipped, "")}, "missing": nil,
	}
	want := map[[2]string]struct {
		way  finding.Direction
		text string
	}{
		{"held", "broken"}:     {finding.Weaker, "was denied, is now accepted"},
		{"held", "untried"}:    {finding.Unclear, "held, and is no longer proved; it could not be tried (the agent does not run)"},
		{"held", "skipped"}:    {finding.Unclear, "held, and is no longer proved; it is skipped (no token is at hand)"},
		{"held", "missing"}:    {finding.Unclear, "is not among the checks any more; before, it held, denied"},
		{"broken", "held"}:     {finding.Stronger, "was accepted, is now denied"},
		{"broken", "untried"}:  {finding.Unclear, "was broken, and is not known to be mended; it could not be tried (the agent does not run)"},
		{"broken", "skipped"}:  {finding.Unclear, "was broken, and is not known to be mended; it is skipped (no token is at hand)"},
		{"broken", "missing"}:  {finding.Unclear, "is not among the checks any more; before, it was broken, accepted"},
		{"untried", "held"}:    {finding.Unclear, "could not be tried (the agent does not run) before, holds now"},
		{"untried", "broken"}:  {finding.Unclear, "could not be tried (the agent does not run) before, is broken now, accepted"},
		{"untried", "missing"}: {finding.Unclear, "is not among the checks any more; before, it could not be tried (the agent does not run)"},
		{"skipped", "held"}:    {finding.Unclear, "was skipped (no token is at hand) before, holds now"},
		{"skipped", "broken"}:  {finding.Unclear, "was skipped (no token is at hand) before, is broken now, accepted"},
		{"skipped", "missing"}: {finding.Unclear, "is not among the checks any more; before, it was skipped (no token is at hand)"},
		{"missing", "held"}:    {finding.Unclear, "is new, so there is nothing to compare with; it holds, denied"},
		{"missing", "broken"}:  {finding.Unclear, "is new, so there is nothing to compare with; it is broken, accepted"},
		{"missing", "untried"}: {finding.Unclear, "is new, so there is nothing to compare with; it could not be tried (the agent does not run)"},
		{"missing", "skipped"}: {finding.Unclear, "is new, so there is nothing to compare with; it is skipped (no token is at hand)"},
	}
	for was, before := range sides {
		for is, after := range sides {
			t.Run(was+" to "+is, func(t *testing.T) {
				got := lock.Compare(posture(before...), posture(after...), "the lock")
				w, changed := want[[2]string{was, is}]
				if !changed {
					if diff := cmp.Diff(finding.Comparison{With: "the lock", Changes: []finding.Change{}}, got); diff != "" {
						t.Errorf("no change is wanted (-want +got):\n%s", diff)
					}
					return
				}
				change := finding.Change{
					ID: "raft-refuses-x", Title: "Raft refuses x", Plane: "Raft", Severity: "critical", Direction: w.way, Text: w.text,
				}
				for _, e := range before {
					change.Before = finding.State{Result: e.Result, Outcome: e.Outcome, Reason: e.Reason}
				}
				for _, e := range after {
					change.After = finding.State{Result: e.Result, Outcome: e.Outcome, Reason: e.Reason}
				}
				if diff := cmp.Diff(finding.Comparison{With: "the lock", Changes: []finding.Change{change}}, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestCompareWhatTheVerdictDoesNotTell: outcomes and nodes of one result, and the matrix, in which a result is no promise.
func TestCompareWhatTheVerdictDoesNotTell(t *testing.T) {
	held, broken := finding.Pass, finding.Fail
	words := ended(broken, "denied")
	words.Reason = "as wanted, but not in the words that were wanted"
	for name, c := range map[string]struct {
		before, after lock.CheckResult
		way           finding.Direction // empty: no change
		text          string
	}{
		"held with another refusal":    {before: ended(held, "refused in the handshake"), after: ended(held, "denied")},
		"held at fewer nodes":          {before: ended(held, "denied"), after: at("2 of 3 servers", ended(held, "denied"))},
		"untried in another way":       {before: ended(finding.Inconclusive, "failed"), after: ended(finding.Inconclusive, "not reached")},
		"broken with another refusal":  {before: ended(broken, "denied"), after: ended(broken, "refused in the handshake")},
		"broken, and lets in":          {ended(broken, "refused after the handshake"), ended(broken, "accepted"), finding.Weaker, "was refused after the handshake, is now accepted, and was broken before"},
		"broken, and lets in nobody":   {ended(broken, "accepted"), ended(broken, "denied"), finding.Stronger, "was accepted, is now denied, and still broken"},
		"broken, and some let in":      {ended(broken, "denied"), ended(broken, "accepted or denied"), finding.Weaker, "was denied, is now accepted or denied, and was broken before"},
		"found at all":                 {at("1 of 3 servers", ended(broken, "found")), ended(broken, "found"), finding.Weaker, "was found at 1 of 3 servers, is now found, and was broken before"},
		"found at some":                {ended(broken, "found"), at("1 of 3 servers", ended(broken, "found")), finding.Stronger, "was found, is now found at 1 of 3 servers, and still broken"},
		"found at others":              {at("1 of 3 servers", ended(broken, "found")), at("2 of 3 servers", ended(broken, "found")), finding.Unclear, "was found at 1 of 3 servers, is now found at 2 of 3 servers, and was broken before"},
		"breaks at one":                {ended(held, "absent"), at("1 of 3 servers", ended(broken, "found")), finding.Weaker, "was absent, is now found at 1 of 3 servers"},
		"other words":                  {ended(held, "denied"), words, finding.Weaker, "was denied, is now denied, and as wanted, but not in the words that were wanted"},
		"the right words":              {words, ended(held, "denied"), finding.Stronger, "was denied, is now denied, as wanted"},
		"a door that is weaker":        {ended(held, "refused in the handshake"), ended(broken, "denied"), finding.Weaker, "was refused in the handshake, is now denied"},
		"a cell lets in":               {cell(ended(held, "denied")), cell(ended(broken, "accepted")), finding.Weaker, "was denied, is now accepted"},
		"a cell lets in no more":       {cell(ended(broken, "accepted")), cell(ended(held, "denied")), finding.Stronger, "was accepted, is now denied"},
		"a cell refuses who may enter": {cell(ended(held, "accepted")), cell(ended(broken, "denied")), finding.Unclear, "was accepted, is now denied, which is not what Nomad is known to do"},
		"a cell lets in who may enter": {cell(ended(broken, "denied")), cell(ended(held, "accepted")), finding.Unclear, "was denied, is now accepted, as Nomad is known to do"},
		"a cell refuses in another way": {
			cell(ended(held, "denied")), cell(ended(broken, "refused in the handshake")), finding.Unclear,
			"was denied, is now refused in the handshake, which is not what Nomad is known to do",
		},
		"a cell that was not tried": {cell(ended(held, "denied")), cell(ended(finding.Skipped, "")), finding.Unclear, "held, and is no longer proved; it is skipped (no token is at hand)"},
	} {
		t.Run(name, func(t *testing.T) {
			changes := lock.Compare(posture(c.before), posture(c.after), "").Changes
			if c.way == "" {
				if len(changes) > 0 {
					t.Errorf("no change is wanted, got %+v", changes)
				}
				return
			}
			if len(changes) != 1 {
				t.Fatalf("got %d changes", len(changes))
			}
			if got, want := changes[0].Text, c.text; got != want || changes[0].Direction != c.way {
				t.Errorf("%s, %q\nwant %s, %q", changes[0].Direction, got, c.way, want)
			}
		})
	}
}

// TestCompareWithALock: what is not in a lock is the newer side's, and a check that only the lock has is told by its ID.
func TestCompareWithALock(t *testing.T) {
	before := lock.Of(sample(oneRun()))
	before.Results = append(before.Results, ended(finding.Pass, "denied"))
	locked, err := lock.ReadLock("x", before.Lock())
	if err != nil {
		t.Fatal(err)
	}
	r := sample(oneRun())
	for i := range r.Findings[:3] {
		r.Findings[i].Result, r.Findings[i].Outcome = finding.Fail, "accepted"
	}
	got := lock.Compare(locked, lock.Of(r), "posture.lock.yaml")
	want := finding.Comparison{With: "posture.lock.yaml", Changes: []finding.Change{
		{
			ID: "raft-refuses-client-certificate", Title: "Raft refuses a client's certificate", Plane: "Raft", Severity: "critical",
			Before:    finding.State{Result: finding.Pass, Outcome: "refused after the handshake"},
			After:     finding.State{Result: finding.Fail, Outcome: "accepted", Reason: "wanted was refused after the handshake"},
			Direction: finding.Weaker, Text: "was refused after the handshake, is now accepted",
			Setting: "tls.verify_server_hostname",
		},
		{
			ID: "raft-refuses-x", Title: "raft-refuses-x", Plane: "Raft", Before: finding.State{Result: finding.Pass, Outcome: "denied"},
			Direction: finding.Unclear, Text: "is not among the checks any more; before, it held, denied",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if same := lock.Compare(locked, before, ""); len(same.Changes) > 0 {
		t.Errorf("compared with itself: %+v", same.Changes)
	}
}

func TestCompareTellsTheWorstFirst(t *testing.T) {
	entry := func(id, plane, severity string, v finding.Result, outcome string) lock.CheckResult {
		return lock.CheckResult{ID: id, Plane: plane, Severity: severity, Result: v, Outcome: outcome}
	}
	held := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Pass, "denied")
	}
	broken := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Fail, "accepted")
	}
	skipped := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Skipped, "")
	}
	var before, after lock.Posture
	for _, pair := range [][2]lock.CheckResult{ // in the wanted order
		{held("z", "HTTP", "critical"), broken("z", "HTTP", "critical")},
		{held("a", "Raft", "critical"), broken("a", "Raft", "critical")},
		{held("b", "Raft", "critical"), broken("b", "Raft", "critical")},
		{held("y", "HTTP", "low"), broken("y", "HTTP", "low")},
		{held("matrix/a/b", lock.PlaneMatrix, ""), broken("matrix/a/b", lock.PlaneMatrix, "")},
		{skipped("x", "wire", "low"), broken("x", "wire", "low")},
		{held("w", "wire", "low"), skipped("w", "wire", "low")},
		{skipped("c", "HTTP", "critical"), held("c", "HTTP", "critical")},
		{broken("v", "HTTP", "critical"), skipped("v", "HTTP", "critical")},
		{broken("d", "HTTP", "critical"), held("d", "HTTP", "critical")},
	} {
		before.Results, after.Results = append(before.Results, pair[0]), append(after.Results, pair[1])
	}
	var want []string
	for _, e := range after.Results {
		want = append(want, e.ID)
	}
	random := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		shuffle(random, before.Results)
		shuffle(random, after.Results)
		var got []string
		for _, c := range lock.Compare(before, after, "").Changes {
			got = append(got, c.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}
