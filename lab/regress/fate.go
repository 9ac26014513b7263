package regress

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
)

// Fate is the result of a mutation.
type Fate string

// The fates.
const (
	// Killed: a check that rests on a setting of the mutation fails, and passed without it.
	Killed Fate = "killed"
	// KilledByOthers: only checks that rest on other settings fail, and passed without it: they would name the wrong cause.
	KilledByOthers Fate = "killed by others"
	// Refused: an agent does not start with it.
	Refused Fate = "refused by the agent"
	// OpenWithout: a check that rests on a setting of the mutation fails, and failed without it: what the mutation would open
	// is open already.
	OpenWithout Fate = "open without it"
	// Survived: no check fails that passed without it.
	Survived Fate = "survived"
	// Equivalent: it is known to change nothing, and every check gave the same outcome.
	Equivalent Fate = "equivalent"
	// NotEquivalent: it is listed as equivalent, and an outcome differs.
	NotEquivalent Fate = "not equivalent"
	// Inapplicable: it changes nothing of this configuration.
	Inapplicable Fate = "does not apply"
	// Failed: it could not be tried.
	Failed Fate = "failed"
)

// Result is the result of one mutation.
type Result struct {
	Mutation mutation.Mutation
	Fate     Fate
	// By are the checks that fail with the mutation and passed without it, those first that rest on a setting of it. For an
	// equivalent mutation they are those whose outcomes differ.
	By []string
	// Reason says why it does not apply, how an agent refused it, or what failed; for an equivalent one, what proves it.
	Reason string
	// Whole is true if all checks were run, not only those that rest on its settings.
	Whole bool
	// Apart says why it got a cluster of its own after a shared one. Empty: it did not.
	Apart string
	// Took is the time of its cluster, which others may have shared.
	Took time.Duration
}

// checkResult is the result of a check at all agents together.
type checkResult struct {
	result   finding.Result
	outcomes []string
	settings []string
	// passed is true if it passed at any of them.
	passed bool
}

// checkResults are results by the check's ID, those of the matrix's cells among them.
type checkResults map[string]checkResult

func (all checkResults) add(id string, r finding.Result, outcome string, settings []string) {
	at := all[id]
	at.result = finding.Worse(at.result, r)
	if !slices.Contains(at.outcomes, outcome) {
		at.outcomes = append(at.outcomes, outcome)
		slices.Sort(at.outcomes)
	}
	at.settings, at.passed = settings, at.passed || r == finding.Pass
	all[id] = at
}

// resultsOf returns the results at the nodes for which at returns true; at nil means all.
func resultsOf(r finding.Report, at func(node string) bool) checkResults {
	all := checkResults{}
	if at == nil {
		at = func(string) bool { return true }
	}
	for _, f := range r.Findings {
		if at(f.Node) {
			all.add(f.ID, f.Result, f.Outcome, f.Settings)
		}
	}
	if r.Matrix == nil {
		return all
	}
	for _, row := range r.Matrix.Rows {
		for _, cell := range row.Cells {
			all.addCell(*r.Matrix, "matrix/"+row.Certificate+"/"+cell.Endpoint, cell, at)
		}
	}
	return all
}

// addCell adds the cell's result at those nodes: of the nodes in cell.At the cell's, of the others cell.Elsewhere.
func (all checkResults) addCell(m finding.Matrix, id string, cell finding.Cell, at func(node string) bool) {
	there := cell.At
	if len(there) == 0 {
		there = m.Nodes
	}
	isOther := func(node string) bool { return !slices.Contains(there, node) && at(node) }
	switch {
	case len(there) == 0 || slices.ContainsFunc(there, at):
		all.add(id, cell.Result, cell.Outcome, nil)
	case !slices.ContainsFunc(m.Nodes, isOther):
	case cell.Elsewhere == finding.Pass:
		all.add(id, cell.Elsewhere, cell.Want, nil)
	default:
		all.add(id, cell.Elsewhere, "", nil)
	}
}

// failing returns the IDs of the checks that fail now and had the result was before, in alphabetical order.
func failing(base, now checkResults, was finding.Result) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(now)), func(id string) bool {
		return now[id].result != finding.Fail || base[id].result != was
	})
}

// judge returns the result of the mutation.
func judge(m mutation.Mutation, base, now checkResults) Result {
	if m.Equivalent != "" {
		return judgeEquivalent(m, base, now)
	}
	var right, others []string
	for _, id := range failing(base, now, finding.Pass) {
		if names(m, now[id].settings) {
			right = append(right, id)
		} else {
			others = append(others, id)
		}
	}
	r := Result{Mutation: m, Fate: Survived, By: append(right, others...)}
	switch {
	case len(right) > 0:
		r.Fate = Killed
	case len(others) > 0:
		r.Fate = KilledByOthers
	default:
		ids := slices.DeleteFunc(failing(base, now, finding.Fail), func(id string) bool { return !names(m, now[id].settings) })
		if len(ids) > 0 {
			r.Fate, r.Reason = OpenWithout, "fails without it too: "+strings.Join(ids, ", ")
		}
	}
	return r
}

// judgeTogether judges the mutations of a pack, each by the results at the agent that carries it. It returns the results of
// those that are killed, and why the others get clusters of their own. If an agent without a mutation fails a check that
// passed before, none is killed, because one mutation shows at another's agent.
func judgeTogether(p mutation.Pack, base checkResults, report finding.Report) (killed []Result, apart string) {
	sound := resultsOf(report, func(node string) bool {
		return !slices.ContainsFunc(p.Placed, func(at mutation.Placed) bool { return at.Carries(node) })
	})
	if fails := failing(base, sound, finding.Pass); len(fails) > 0 {
		return nil, "in the cluster that it shared, an agent that carries no mutation failed " + strings.Join(fails, ", ")
	}
	for _, placed := range p.Placed {
		beside := resultsOf(report, func(node string) bool { return !placed.Carries(node) })
		result := judge(placed.Mutation, base, resultsOf(report, placed.Carries))
		if result.Fate == Killed && slices.ContainsFunc(result.By, func(id string) bool { return beside[id].passed }) {
			killed = append(killed, result)
		}
	}
	return killed, "in the cluster that it shared, no check that names a setting of it failed at its agent and passed at another"
}

// judgeEquivalents judges equivalent mutations by the results with all of them, or by the error instead. It returns the results
// of those that are proved, and of those that get clusters of their own, as any of several may make the difference.
func judgeEquivalents(all []mutation.Mutation, base, now checkResults, err error) (proved, doubted []Result) {
	for _, m := range all {
		result := failed(judge(m, base, now), err)
		if result.Mutation = m; result.Fate == Equivalent || len(all) == 1 {
			proved = append(proved, result)
		} else {
			doubted = append(doubted, result)
		}
	}
	return proved, doubted
}

// names reports whether a check with those settings rests on a setting of the mutation.
func names(m mutation.Mutation, settings []string) bool {
	return slices.ContainsFunc(m.Settings, func(path string) bool {
		return slices.ContainsFunc(settings, func(named string) bool { return strings.EqualFold(named, path) })
	})
}

// judgeEquivalent looks for any result that differs. A few may be inconclusive, as on a busy machine; they show nothing.
func judgeEquivalent(m mutation.Mutation, base, now checkResults) Result {
	either := maps.Clone(base)
	maps.Copy(either, now)
	var differ []string
	alike, inconclusive := 0, 0
	for _, id := range slices.Sorted(maps.Keys(either)) {
		before, after := base[id], now[id]
		switch {
		case before.result == finding.Inconclusive || after.result == finding.Inconclusive:
			inconclusive++
		case before.result != after.result, !slices.Equal(before.outcomes, after.outcomes):
			differ = append(differ, id)
		case after.result != finding.Skipped:
			alike++
		}
	}
	r := Result{Mutation: m, Fate: Equivalent, By: differ, Whole: true}
	r.Reason = fmt.Sprintf("%s; %d checks and cells saw the same", m.Equivalent, alike)
	if len(differ) > 0 || alike == 0 || inconclusive > alike/alikePerInconclusive {
		r.Fate = NotEquivalent
		r.Reason = fmt.Sprintf("%d checks and cells saw the same, %d could not be tried; it was taken for equivalent, as %s", alike, inconclusive, m.Equivalent)
	}
	return r
}

// alikePerInconclusive is how many results must be alike for each inconclusive one.
const alikePerInconclusive = 20

// undecided reports whether more checks may change the fate.
func (f Fate) undecided() bool { return f == Survived || f == KilledByOthers || f == OpenWithout }

// after adds the result of an earlier stage, whose checks may not run again.
func (r Result) after(earlier Result) Result {
	for _, id := range earlier.By {
		if !slices.Contains(r.By, id) {
			r.By = append(r.By, id)
		}
	}
	switch {
	case len(r.By) > 0 && (r.Fate == Survived || r.Fate == OpenWithout):
		r.Fate, r.Reason = KilledByOthers, ""
	case r.Fate == Survived && earlier.Fate == OpenWithout:
		r.Fate, r.Reason = OpenWithout, earlier.Reason
	}
	return r
}

// Score returns how many mutations were killed by a check that rests on a setting of them, of those that should have been.
func (r MutationRun) Score() (killed, of int) {
	for _, result := range r.Results {
		switch result.Fate {
		case Killed:
			killed, of = killed+1, of+1
		case KilledByOthers, Survived, Failed, NotEquivalent:
			of++
		}
	}
	return killed, of
}
