package scenarios

import (
	"context"
	"time"

	"nomadlab.internal/lab/scenario"
)

// electionOf is the election's scenario with an election that was meddled with.
func electionOf(meddle func(*election)) scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step {
		e := newElection()
		meddle(e)
		return e.steps()
	}
	return s
}

// LostWrite is the election on a cluster that has acknowledged a write and lost it.
func LostWrite() scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step {
		e := newElection()
		steps := e.steps()
		look := steps[3].Do // the first that is to notice it: on a busy machine the one before it has servers come back too
		steps[3].Do = func(ctx context.Context, t *scenario.T) error {
			e.acknowledged["nomadlab/lost"] = "lost"
			return look(ctx, t)
		}
		return steps
	}
	return s
}

// ElectionWithin is the election with another bound.
func ElectionWithin(bound time.Duration) scenario.Scenario {
	return electionOf(func(e *election) { e.bound = bound })
}

// OldLeaderLeads is the election's last step on a cluster whose old leader leads again.
func OldLeaderLeads() scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step {
		e := newElection()
		steps := e.steps()
		last := steps[len(steps)-1]
		last.Do = func(ctx context.Context, t *scenario.T) error {
			leader, err := t.Lab.Leader(ctx, "")
			if err != nil {
				return err
			}
			e.old, e.new = leader, others(t.Lab, leader)[0]
			return e.comeBack(ctx, t)
		}
		return []scenario.Step{last}
	}
	return s
}

// Gone is when the old leader was gone, where it was killed between these two moments and a survivor stood for election then.
func Gone(before, after, stood time.Time) time.Time {
	return electionLog{stood: stood}.gone(death{before, after})
}

// SentInGap is how many of the writes that began then count as sent in the gap, how many of those were refused, and
// whether they suffice.
func SentInGap(from, until time.Time, began []time.Time, errs []error) (sent, refused int, err error) {
	var all []attempt
	for i, at := range began {
		all = append(all, attempt{began: at, err: errs[i]})
	}
	t := inGap(all, from, until)
	return t.sent, t.refused, t.suffice()
}

// ErrUnclear and ErrNoLeaderYet are what ElectionKept may return.
var ErrUnclear, ErrNoLeaderYet = errUnclear, errNoLeaderYet

// ElectionKept is what comes of an election of which the survivors have logged that, by their names, where the old leader
// died between these two moments.
func ElectionKept(logs map[string][]string, before, after time.Time, bound time.Duration) error {
	return readElection(logs).kept(death{before, after}, bound)
}

// FirstWith is the first line that has both texts.
func FirstWith(lines []string, text, from string) string { return firstWith(lines, text, from) }
