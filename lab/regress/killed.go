package regress

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// seen is what a check saw at all agents together.
type seen struct {
	verdict  finding.Verdict
	outcomes []string
	settings []string
}

// findings are what each check saw, the cells of the matrix among them.
func findings(r finding.Report) map[string]seen {
	all := map[string]seen{}
	add := func(id string, v finding.Verdict, outcome string, settings []string) {
		s := all[id]
		s.verdict = worse(s.verdict, v)
		if !slices.Contains(s.outcomes, outcome) {
			s.outcomes = append(s.outcomes, outcome)
			slices.Sort(s.outcomes)
		}
		s.settings = settings
		all[id] = s
	}
	for _, f := range r.Findings {
		add(f.ID, f.Verdict, f.Outcome, f.Settings)
	}
	if r.Matrix == nil {
		return all
	}
	for _, row := range r.Matrix.Rows {
		for _, cell := range row.Cells {
			add("matrix/"+row.Certificate+"/"+cell.Entry, cell.Verdict, cell.Outcome, nil)
		}
	}
	return all
}

// worse is the verdict of a check over several agents.
func worse(a, b finding.Verdict) finding.Verdict {
	for _, v := range []finding.Verdict{finding.Broken, finding.NotCarriedOut, finding.Held, finding.Skipped} {
		if a == v || b == v {
			return v
		}
	}
	return b
}

// judge says what the checks made of the mutation.
func (m Mutation) judge(base, now map[string]seen) Result {
	if m.Equivalent != "" {
		return m.judgeEquivalent(base, now)
	}
	var right, others []string
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if now[id].verdict != finding.Broken || base[id].verdict != finding.Held {
			continue
		}
		if m.isNamedBy(now[id]) {
			right = append(right, id)
		} else {
			others = append(others, id)
		}
	}
	r := Result{Fate: Survived, By: append(right, others...)}
	switch {
	case len(right) > 0:
		r.Fate = Killed
	case len(others) > 0:
		r.Fate = KilledByOthers
	}
	return r
}

// isNamedBy says whether the check's promise rests on a setting of the mutation.
func (m Mutation) isNamedBy(s seen) bool {
	return slices.ContainsFunc(m.Settings, func(path string) bool {
		return slices.ContainsFunc(s.settings, func(named string) bool { return strings.EqualFold(named, path) })
	})
}

// judgeEquivalent looks for anything that differs. What could not be tried shows nothing, as on a machine that is busy; there
// may be little of it.
func (m Mutation) judgeEquivalent(base, now map[string]seen) Result {
	var differ []string
	alike, untried := 0, 0
	for _, id := range sortedUnion(base, now) {
		before, after := base[id], now[id]
		switch {
		case before.verdict == finding.NotCarriedOut || after.verdict == finding.NotCarriedOut:
			untried++
		case before.verdict != after.verdict, !slices.Equal(before.outcomes, after.outcomes):
			differ = append(differ, id)
		case after.verdict != finding.Skipped:
			alike++
		}
	}
	if len(differ) > 0 || alike == 0 || untried > alike/mostUntried {
		return Result{Fate: NotEquivalent, By: differ, Reason: fmt.Sprintf("%d checks and cells saw the same, %d could not be tried; it was taken for equivalent, as %s", alike, untried, m.Equivalent)}
	}
	return Result{Fate: Equivalent, Reason: fmt.Sprintf("%s; %d checks and cells saw the same", m.Equivalent, alike)}
}

// mostUntried: of twenty checks that saw the same, one may be untried.
const mostUntried = 20

// sortedUnion are the names in either, in order.
func sortedUnion(a, b map[string]seen) []string {
	all := map[string]seen{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
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
