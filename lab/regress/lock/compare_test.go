package lock_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// ended is a check with that result and outcome.
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
		"pass": {ended(finding.Pass, "denied")}, "fail": {ended(finding.Fail, "accepted")},
		"inconclusive": {ended(finding.Inconclusive, "not reached")}, "skipped": {ended(finding.Skipped, "")}, "missing": nil,
	}
	want := map[[2]string]struct {
		way  finding.Direction
		text string
	}{
		{"pass", "fail"}:            {finding.Weaker, "was denied, is now accepted"},
		{"pass", "inconclusive"}:    {finding.Unclear, "passed, and is no longer proved; it is inconclusive (the agent does not run)"},
		{"pass", "skipped"}:         {finding.Unclear, "passed, and is no longer proved; it is skipped (no token is at hand)"},
		{"pass", "missing"}:         {finding.Unclear, "is not among the checks any more; before, it passed, denied"},
		{"fail", "pass"}:            {finding.Stronger, "was accepted, is now denied"},
		{"fail", "inconclusive"}:    {finding.Unclear, "failed, and is not known to be repaired; it is inconclusive (the agent does not run)"},
		{"fail", "skipped"}:         {finding.Unclear, "failed, and is not known to be repaired; it is skipped (no token is at hand)"},
		{"fail", "missing"}:         {finding.Unclear, "is not among the checks any more; before, it failed, accepted"},
		{"inconclusive", "pass"}:    {finding.Unclear, "was inconclusive (the agent does not run) before, passes now"},
		{"inconclusive", "fail"}:    {finding.Unclear, "was inconclusive (the agent does not run) before, fails now, accepted"},
		{"inconclusive", "missing"}: {finding.Unclear, "is not among the checks any more; before, it was inconclusive (the agent does not run)"},
		{"skipped", "pass"}:         {finding.Unclear, "was skipped (no token is at hand) before, passes now"},
		{"skipped", "fail"}:         {finding.Unclear, "was skipped (no token is at hand) before, fails now, accepted"},
		{"skipped", "missing"}:      {finding.Unclear, "is not among the checks any more; before, it was skipped (no token is at hand)"},
		{"missing", "pass"}:         {finding.Unclear, "is new, so there is nothing to compare with; it passes, denied"},
		{"missing", "fail"}:         {finding.Unclear, "is new, so there is nothing to compare with; it fails, accepted"},
		{"missing", "inconclusive"}: {finding.Unclear, "is new, so there is nothing to compare with; it is inconclusive (the agent does not run)"},
		{"missing", "skipped"}:      {finding.Unclear, "is new, so there is nothing to compare with; it is skipped (no token is at hand)"},
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

// TestCompareWhatTheResultDoesNotTell: outcomes and nodes of one result, and the matrix, whose cells say what Nomad is known to do.
func TestCompareWhatTheResultDoesNotTell(t *testing.T) {
	passed, failed := finding.Pass, finding.Fail
	words := ended(failed, "denied")
	words.Reason = "as wanted, but not in the words that were wanted"
	for name, c := range map[string]struct {
		before, after lock.CheckResult
		way           finding.Direction // empty: no change
		text          string
	}{
		"passed with another refusal":    {before: ended(passed, "refused in the handshake"), after: ended(passed, "denied")},
		"passed at fewer nodes":          {before: ended(passed, "denied"), after: at("2 of 3 servers", ended(passed, "denied"))},
		"inconclusive in another way":    {before: ended(finding.Inconclusive, "failed"), after: ended(finding.Inconclusive, "not reached")},
		"failed with another refusal":    {before: ended(failed, "denied"), after: ended(failed, "refused in the handshake")},
		"failed, and lets in":            {ended(failed, "refused after the handshake"), ended(failed, "accepted"), finding.Weaker, "was refused after the handshake, is now accepted, and failed before"},
		"failed, and lets in nobody":     {ended(failed, "accepted"), ended(failed, "denied"), finding.Stronger, "was accepted, is now denied, and still fails"},
		"failed, and some let in":        {ended(failed, "denied"), ended(failed, "accepted or denied"), finding.Weaker, "was denied, is now accepted or denied, and failed before"},
		"found at all":                   {at("1 of 3 servers", ended(failed, "found")), ended(failed, "found"), finding.Weaker, "was found at 1 of 3 servers, is now found, and failed before"},
		"found at some":                  {ended(failed, "found"), at("1 of 3 servers", ended(failed, "found")), finding.Stronger, "was found, is now found at 1 of 3 servers, and still fails"},
		"found at others":                {at("1 of 3 servers", ended(failed, "found")), at("2 of 3 servers", ended(failed, "found")), finding.Unclear, "was found at 1 of 3 servers, is now found at 2 of 3 servers, and failed before"},
		"breaks at one":                  {ended(passed, "absent"), at("1 of 3 servers", ended(failed, "found")), finding.Weaker, "was absent, is now found at 1 of 3 servers"},
		"other words":                    {ended(passed, "denied"), words, finding.Weaker, "was denied, is now denied, and as wanted, but not in the words that were wanted"},
		"the right words":                {words, ended(passed, "denied"), finding.Stronger, "was denied, is now denied, as wanted"},
		"another refusal that is weaker": {ended(passed, "refused in the handshake"), ended(failed, "denied"), finding.Weaker, "was refused in the handshake, is now denied"},
		"a cell lets in":                 {cell(ended(passed, "denied")), cell(ended(failed, "accepted")), finding.Weaker, "was denied, is now accepted"},
		"a cell lets in no more":         {cell(ended(failed, "accepted")), cell(ended(passed, "denied")), finding.Stronger, "was accepted, is now denied"},
		"a cell refuses who may enter":   {cell(ended(passed, "accepted")), cell(ended(failed, "denied")), finding.Unclear, "was accepted, is now denied, which is not what Nomad is known to do"},
		"a cell lets in who may enter":   {cell(ended(failed, "denied")), cell(ended(passed, "accepted")), finding.Unclear, "was denied, is now accepted, as Nomad is known to do"},
		"a cell refuses in another way": {
			cell(ended(passed, "denied")), cell(ended(failed, "refused in the handshake")), finding.Unclear,
			"was denied, is now refused in the handshake, which is not what Nomad is known to do",
		},
		"a cell that was not tried": {cell(ended(passed, "denied")), cell(ended(finding.Skipped, "")), finding.Unclear, "passed, and is no longer proved; it is skipped (no token is at hand)"},
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

// TestCompareWithALock: what is not in a lock is the newer side's, and a check that only the lock has is named by its ID.
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
			Direction: finding.Unclear, Text: "is not among the checks any more; before, it passed, denied",
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
	passed := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Pass, "denied")
	}
	failed := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Fail, "accepted")
	}
	skipped := func(id, plane, severity string) lock.CheckResult {
		return entry(id, plane, severity, finding.Skipped, "")
	}
	var before, after lock.Posture
	for _, pair := range [][2]lock.CheckResult{ // in the wanted order
		{passed("z", "HTTP", "critical"), failed("z", "HTTP", "critical")},
		{passed("a", "Raft", "critical"), failed("a", "Raft", "critical")},
		{passed("b", "Raft", "critical"), failed("b", "Raft", "critical")},
		{passed("y", "HTTP", "low"), failed("y", "HTTP", "low")},
		{passed("matrix/a/b", lock.PlaneMatrix, ""), failed("matrix/a/b", lock.PlaneMatrix, "")},
		{skipped("x", "network", "low"), failed("x", "network", "low")},
		{passed("w", "network", "low"), skipped("w", "network", "low")},
		{skipped("c", "HTTP", "critical"), passed("c", "HTTP", "critical")},
		{failed("v", "HTTP", "critical"), skipped("v", "HTTP", "critical")},
		{failed("d", "HTTP", "critical"), passed("d", "HTTP", "critical")},
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
