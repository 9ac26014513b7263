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

// Fate says what became of a mutation.
type Fate string

// The fates.
const (
	// Killed: a check that names a setting of the mutation among those that it rests on fails, and passed without it.
	Killed Fate = "killed"
	// KilledByOthers: only checks that rest on other settings fail, and passed without it: somebody noticed, and would have
	// named the wrong reason.
	KilledByOthers Fate = "killed by others"
	// Refused: an agent does not start with it.
	Refused Fate = "refused by the agent"
	// OpenWithout: a check that names a setting of the mutation fails, and failed without it: what the mutation would open is
	// open as it is, and is told of the configuration itself.
	OpenWithout Fate = "open without it"
	// Survived: of all checks that there are, none fails that passed.
	Survived Fate = "survived"
	// Equivalent: it is known to change nothing, and every check saw the very same.
	Equivalent Fate = "equivalent"
	// NotEquivalent: it was taken for one that changes nothing, and something has changed.
	NotEquivalent Fate = "not equivalent"
	// Inapplicable: the configuration has nothing that it could change.
	Inapplicable Fate = "does not apply"
	// Failed: it could not be tried.
	Failed Fate = "failed"
)

// Result is what became of one mutation.
type Result struct {
	Mutation mutation.Mutation
	Fate     Fate
	// By are the checks that fail with the mutation and passed without it, those first that name its setting. Of an equivalent
	// one they are those that saw something else.
	By []string
	// Reason says in words why it does not apply, how an agent refused it, or what failed; of an equivalent one, what proves it.
	Reason string
	// Whole is true where all checks were tried, and not only those that name its settings.
	Whole bool
	// Apart says why it was tried in a cluster of its own after one that it shared. Empty: it was not.
	Apart string
	// Took is how long its cluster took, which it may have shared with others.
	Took time.Duration
}

// seen is what a check saw at all agents together.
type seen struct {
	verdict  finding.Result
	outcomes []string
	settings []string
	// passed is true where it passed at any of them.
	passed bool
}

// sights are what each check saw, by its ID; cells of the matrix are among them.
type sights map[string]seen

func (s sights) add(id string, v finding.Result, outcome string, settings []string) {
	at := s[id]
	at.verdict = finding.Worse(at.verdict, v)
	if !slices.Contains(at.outcomes, outcome) {
		at.outcomes = append(at.outcomes, outcome)
		slices.Sort(at.outcomes)
	}
	at.settings, at.passed = settings, at.passed || v == finding.Pass
	s[id] = at
}

// findings are what each check saw, at those nodes alone that the filter takes; nil takes all.
func findings(r finding.Report, at func(node string) bool) sights {
	all := sights{}
	for _, f := range r.Findings {
		if at == nil || at(f.Node) {
			all.add(f.ID, f.Result, f.Outcome, f.Settings)
		}
	}
	if r.Matrix == nil {
		return all
	}
	for _, row := range r.Matrix.Rows {
		for _, cell := range row.Cells {
			id := "matrix/" + row.Certificate + "/" + cell.Endpoint
			there := cell.At
			if len(there) == 0 {
				there = r.Matrix.Nodes
			}
			isOther := func(node string) bool { return !slices.Contains(there, node) && at(node) }
			switch {
			case at == nil || slices.ContainsFunc(there, at):
				all.add(id, cell.Result, cell.Outcome, nil)
			case cell.Elsewhere == finding.Pass && slices.ContainsFunc(r.Matrix.Nodes, isOther):
				all.add(id, cell.Elsewhere, cell.Want, nil)
			case slices.ContainsFunc(r.Matrix.Nodes, isOther):
				all.add(id, cell.Elsewhere, "", nil)
			}
		}
	}
	return all
}

// failing are the checks that fail now and passed before, in alphabetical order.
func failing(base, now sights) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if now[id].verdict == finding.Fail && base[id].verdict == finding.Pass {
			ids = append(ids, id)
		}
	}
	return ids
}

// judge says what the checks made of the mutation.
func judge(m mutation.Mutation, base, now sights) Result {
	if m.Equivalent != "" {
		return judgeEquivalent(m, base, now)
	}
	var right, others []string
	for _, id := range failing(base, now) {
		if names(m, now[id]) {
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
		if ids := failingWithout(m, base, now); len(ids) > 0 {
			r.Fate, r.Reason = OpenWithout, "fails without it too: "+strings.Join(ids, ", ")
		}
	}
	return r
}

// failingWithout are the checks that rest on a setting of the mutation, and fail with it and without it.
func failingWithout(m mutation.Mutation, base, now sights) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if names(m, now[id]) && now[id].verdict == finding.Fail && base[id].verdict == finding.Fail {
			ids = append(ids, id)
		}
	}
	return ids
}

// judgeTogether judges the mutations of a pack, each by what was seen at the agent that carries it. It returns the results of
// those that are killed, and says why the others are to be tried apart: of a pack in which an agent without any mutation fails a
// check that passed before, that is all of them, as one shows at another's agent.
func judgeTogether(p mutation.Pack, base sights, report finding.Report) (killed []Result, apart string) {
	sound := findings(report, func(node string) bool {
		return !slices.ContainsFunc(p.Placed, func(at mutation.Placed) bool { return at.Carries(node) })
	})
	if fails := failing(base, sound); len(fails) > 0 {
		return nil, "in the cluster that it shared, an agent that carries no mutation failed " + strings.Join(fails, ", ")
	}
	for _, placed := range p.Placed {
		beside := findings(report, func(node string) bool { return !placed.Carries(node) })
		result := judge(placed.Mutation, base, findings(report, placed.Carries))
		if result.Fate == Killed && slices.ContainsFunc(result.By, func(id string) bool { return beside[id].passed }) {
			killed = append(killed, result)
		}
	}
	return killed, "in the cluster that it shared, no check that names a setting of it failed at its agent and passed at another"
}

// judgeEquivalents judges mutations that are said to change nothing by what was seen with all of them, or by why nothing was. It
// returns the results of those that are proved, and of those that are to be tried apart, as any of several may be what differs.
func judgeEquivalents(all []mutation.Mutation, base, now sights, err error) (proved, doubted []Result) {
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

// names reports whether the check rests on a setting of the mutation.
func names(m mutation.Mutation, s seen) bool {
	return slices.ContainsFunc(m.Settings, func(path string) bool {
		return slices.ContainsFunc(s.settings, func(named string) bool { return strings.EqualFold(named, path) })
	})
}

// judgeEquivalent looks for anything that differs. What could not be tried shows nothing, as on a machine that is busy; there
// may be little of it.
func judgeEquivalent(m mutation.Mutation, base, now sights) Result {
	var differ []string
	alike, untried := 0, 0
	for _, id := range sortedUnion(base, now) {
		before, after := base[id], now[id]
		switch {
		case before.verdict == finding.Inconclusive || after.verdict == finding.Inconclusive:
			untried++
		case before.verdict != after.verdict, !slices.Equal(before.outcomes, after.outcomes):
			differ = append(differ, id)
		case after.verdict != finding.Skipped:
			alike++
		}
	}
	r := Result{Mutation: m, Fate: Equivalent, By: differ, Whole: true, Reason: fmt.Sprintf("%s; %d checks and cells saw the same", m.Equivalent, alike)}
	if len(differ) > 0 || alike == 0 || untried > alike/mostUntried {
		r.Fate = NotEquivalent
		r.Reason = fmt.Sprintf("%d checks and cells saw the same, %d could not be tried; it was taken for equivalent, as %s", alike, untried, m.Equivalent)
	}
	return r
}

// mostUntried: of twenty checks that saw the same, one may be untried.
const mostUntried = 20

// sortedUnion are the IDs in either, in order.
func sortedUnion(a, b sights) []string {
	all := sights{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// undecided reports whether further checks may change the fate.
func (f Fate) undecided() bool { return f == Survived || f == KilledByOthers || f == OpenWithout }

// after adds what an earlier stage has seen: who failed there may not be asked again.
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

// Score is how many mutations were killed by a check that names the right thing, of those that had to be.
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
