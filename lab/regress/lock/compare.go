package lock

import (
	"cmp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Compare tells which promises ended another way after than before, the worst first: what became weaker, then what is
// unclear, then what became stronger. With says with what it was compared, for the reader: a lock's path, or the other
// configuration.
//
//	before            after              way
//	held              broken             Weaker
//	broken            held               Stronger
//	held              not proved         Unclear: a promise is no longer proved
//	broken            not proved         Unclear: nothing was gained
//	not proved        held, or broken    Unclear: nothing is known of before
//	on one side only                     Unclear
//	not proved        not proved         Unclear where a setting that the promise rests on differs; else no change
//
// Not proved is what was not carried out or skipped. No change is another outcome
// of the same result, such as another kind of refusal where the promise held. But a promise that was broken and still is
// becomes Weaker when what was refused in a wrong way is let in, or when it breaks at all nodes after some; and Stronger
// the other way round.
//
// A cell of the matrix is no promise, it is what Nomad is known to do. Where it does something else and lets nobody in,
// the change is Unclear.
//
// Where agents listen is compared by who can connect: see listeners.
//
// Each change names the setting that most likely made it; see cause. Settings that differ are told besides, whether or not
// a promise changed.
func Compare(before, after Posture, with string) finding.Comparison {
	causes := newCauses(before, after)
	c := finding.Comparison{With: with, Changes: []finding.Change{}, Settings: causes.settings}
	olds, news := byID(before), byID(after)
	for id, old := range olds {
		if now, still := news[id]; still {
			way, changed := wayOf(old, now)
			if changed = changed || causes.mayChange(old, now); changed {
				c.Changes = append(c.Changes, causes.name(now, newChange(old, now, cmp.Or(way, finding.Unclear))))
			}
			continue
		}
		c.Changes = append(c.Changes, newChange(old, CheckResult{}, finding.Unclear))
	}
	for id, now := range news {
		if _, was := olds[id]; !was {
			c.Changes = append(c.Changes, newChange(CheckResult{}, now, finding.Unclear))
		}
	}
	c.Changes = append(c.Changes, listeners(before, after)...)
	slices.SortFunc(c.Changes, worstFirst)
	tellGossipKey(&c)
	return c
}

// CompareLock compares a lock's posture with that of now. What only shows in this copy of the user's files is in no lock, so it
// is left out; the comparison's Note says what of it is broken.
func CompareLock(locked, now Posture, path string) finding.Comparison {
	c := Compare(locked, now.Committed(), path)
	for i, s := range c.Settings { // of these a lock has marks
		at := slices.IndexFunc(now.Others, func(o finding.Setting) bool { return o.Role == s.Role && o.Path == s.Path })
		if at >= 0 {
			c.Settings[i].After = now.Others[at].Value
		}
		if strings.HasPrefix(s.Before, marked) {
			c.Settings[i].Before = "(another value)"
		}
	}
	var broken []string
	for _, e := range now.Results {
		if e.Local && e.Result == finding.Fail {
			broken = append(broken, e.ID)
		}
	}
	if len(broken) > 0 {
		addNote(&c, "a lock holds no modes or owners of your files, as version control keeps none; broken in this copy: "+strings.Join(broken, ", "))
	}
	return c
}

func byID(p Posture) map[string]CheckResult {
	all := map[string]CheckResult{}
	for _, e := range p.Results {
		all[e.ID] = e
	}
	return all
}

// newChange is the change of a promise; one of the entries may be empty. What is not in a lock is the other side's.
func newChange(before, after CheckResult, way finding.Direction) finding.Change {
	id := cmp.Or(after.ID, before.ID)
	c := finding.Change{
		ID: id, Title: cmp.Or(after.Title, before.Title, id), Plane: cmp.Or(after.Plane, before.Plane),
		Severity: cmp.Or(after.Severity, before.Severity),
		Before:   before.state(), After: after.state(), Direction: way,
	}
	c.Text = textOf(before, after, way)
	return c
}

// wayOf says where the change leads, and whether there is one.
func wayOf(before, after CheckResult) (way finding.Direction, changed bool) {
	switch was, is := proved(before), proved(after); {
	case !was && !is:
		return "", false
	case !was || !is:
		return finding.Unclear, true
	case before.Result == finding.Fail && after.Result == finding.Fail:
		return wayOfBroken(before, after)
	case before.Result == after.Result:
		return "", false
	case before.Plane == PlaneMatrix && after.Plane == PlaneMatrix && !odd(before, after).letsIn():
		return finding.Unclear, true
	case after.Result == finding.Fail:
		return finding.Weaker, true
	default:
		return finding.Stronger, true
	}
}

// wayOfBroken is that of a promise that is broken on both sides: one that lets in is weaker than one that refuses in a way
// that was not wanted, and one that is broken everywhere is weaker than one that is broken somewhere.
func wayOfBroken(before, after CheckResult) (way finding.Direction, changed bool) {
	switch was, is := before.letsIn(), after.letsIn(); {
	case was && !is:
		return finding.Stronger, true
	case is && !was:
		return finding.Weaker, true
	case before.At == after.At:
		return "", false
	case after.At == "":
		return finding.Weaker, true
	case before.At == "":
		return finding.Stronger, true
	default: // "1 of 3 servers", then "1 of 5 servers"
		return finding.Unclear, true
	}
}

// odd is the one of the two that is broken.
func odd(before, after CheckResult) CheckResult {
	if after.Result == finding.Fail {
		return after
	}
	return before
}

// proved says whether the entry says anything of the agents.
func proved(e CheckResult) bool { return e.Result == finding.Pass || e.Result == finding.Fail }

// letsIn says whether somebody was let in at some node, or what should not be there was found.
func (e CheckResult) letsIn() bool {
	return slices.ContainsFunc(strings.Split(e.Outcome, " or "), func(o string) bool { return o == "accepted" || o == "found" })
}

// worstFirst orders changes: by their way, what is broken now before what is not, by severity, and then as they are found.
func worstFirst(a, b finding.Change) int {
	rank := func(order []string, text string) int {
		if at := slices.Index(order, text); at >= 0 {
			return at
		}
		return len(order)
	}
	ways := []string{string(finding.Weaker), string(finding.Unclear), string(finding.Stronger)}
	return cmp.Or(
		cmp.Compare(rank(ways, string(a.Direction)), rank(ways, string(b.Direction))),
		cmp.Compare(urgency(a), urgency(b)),
		cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)),
		comparePlanes(a.Plane, b.Plane),
		strings.Compare(a.ID, b.ID),
	)
}

// urgency orders changes of one way: what is broken now, then what is no longer proved, then the rest.
func urgency(c finding.Change) int {
	switch {
	case c.After.Result == finding.Fail:
		return 0
	case c.Before.Result == finding.Pass:
		return 1
	default:
		return 2
	}
}
