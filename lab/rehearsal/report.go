package rehearsal

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/load"
)

// Report returns the posture after the change in the order that was asked for, with the timeline, and with what the rehearsal shows as
// findings: of the steps and of the load, for each order that was tried.
func (r Rehearsal) Report() finding.Report {
	if len(r.Attempts) == 0 {
		return finding.Report{Started: r.Began, Took: r.Took, Notes: []string{"rehearsal of " + r.Change.From + " → " + r.Change.To + ": " + r.headline()}}
	}
	first := r.Attempts[0]
	out := first.After
	switch {
	case first.Result == Unknown && out.Started.IsZero(): // the old side did not come up: its posture is all that there is
		out = first.Before
	case out.Started.IsZero(): // it broke: the posture of the old side says nothing about the change
		out = finding.Report{Cluster: first.Before.Cluster, Started: r.Began}
	}
	out.Timeline = first.Timeline
	notes := []string{fmt.Sprintf("rehearsal of %s → %s: %s: %s", r.Change.From, r.Change.To, r.headline(), first.Why)}
	out.Notes = slices.Concat(notes, r.Notes, out.Notes)
	out.Took = r.Took
	// What the rehearsal shows comes first.
	var found []finding.Finding
	for i := range r.Attempts {
		found = append(found, r.Attempts[i].findings(i == 0)...)
	}
	out.Findings = append(found, out.Findings...)
	return out
}

// findings returns what the attempt shows. Of an order that was not asked for, a failure is told and does not count.
func (a *Attempt) findings(asked bool) []finding.Finding {
	node := "order " + a.Order
	one := func(id, title, want, seen, why string, result finding.Result) finding.Finding {
		if !asked && result == finding.Fail {
			result, seen = finding.Skipped, "in an order that was not asked for: "+seen
		}
		return finding.Finding{
			ID: id, Title: title, Plane: "cluster", Kind: "intrusive", Severity: "high", Node: node,
			Want: []string{want}, Outcome: seen, Result: result, Reason: seen, Why: why,
		}
	}
	result := map[Result]finding.Result{LostNothing: finding.Pass, Costs: finding.Pass, Breaks: finding.Fail, Unknown: finding.Inconclusive}[a.Result]
	seen := fmt.Sprintf("%d steps", len(a.Steps))
	if result != finding.Pass {
		seen = a.Why
	}
	out := []finding.Finding{one("change-goes-through", "the change goes through, step by step", "every step ends", seen, "each step waits until the cluster has its node back", result)}
	if a.Load == nil {
		return out
	}
	for _, l := range a.Load.Lines {
		result := map[load.Result]finding.Result{load.Pass: finding.Pass, load.Cost: finding.Fail, load.Inconclusive: finding.Inconclusive}[l.Result]
		out = append(out, one("work-keeps-its-"+strings.ReplaceAll(l.Name, " ", "-"), "work beside the change: "+l.Name, string(load.Pass), l.Text, "the history of the load", result))
	}
	return out
}
