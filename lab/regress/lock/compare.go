package lock

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Compare returns the checks whose results differ, the worst first: what became weaker, then what is unclear, then what
// became stronger. With names the other side for the reader: a lock's path, or the other configuration.
//
//	before            after              direction
//	pass              fail               Weaker
//	fail              pass               Stronger
//	pass              not proved         Unclear: it is no longer proved
//	fail              not proved         Unclear: it is not known to be repaired
//	not proved        pass, or fail      Unclear: nothing is known of before
//	on one side only                     Unclear
//	not proved        not proved         Unclear if a setting that the check rests on differs; else no change
//
// Inconclusive and skipped checks are not proved. Another outcome with the same result, such as another kind of refusal, is
// no change. But a check that fails on both sides is Weaker if callers are now accepted that were refused in a wrong way, or
// if it fails at all nodes and failed at some; and Stronger the other way round.
//
// A cell of the matrix says what Nomad is known to do. If Nomad does something else and accepts no caller, the change is
// Unclear.
//
// Where the sides ran different versions of Nomad, it also counts what a version is known to do: see directionOfVersions.
//
// Where agents listen is compared by who can connect: see listeners.
//
// Each change names the setting that most likely made it; see causes.name. Settings that differ are listed as well, whether
// or not a result differs.
func Compare(before, after Posture, with string) finding.Comparison {
	causes := newCauses(before, after)
	c := finding.Comparison{With: with, Changes: []finding.Change{}, Settings: causes.changes}
	if before.Nomad != after.Nomad && before.Nomad != "" && after.Nomad != "" {
		c.Nomad, causes.versions = finding.NomadChange{Before: before.Nomad, After: after.Nomad}, true
	}
	olds, news := byID(before), byID(after)
	all := maps.Clone(olds)
	maps.Copy(all, news)
	for id := range all {
		old, now := olds[id], news[id]
		direction, decided := finding.Direction(""), false
		if causes.versions {
			direction, decided = directionOfVersions(old, now)
		}
		if !decided {
			direction = directionOf(old, now)
		}
		if direction == "" && !decided && causes.mayHaveChanged(old, now) {
			direction = finding.Unclear
		}
		if direction == "" {
			continue
		}
		change := newChange(old, now, direction)
		if old.ID != "" && now.ID != "" {
			change = causes.name(now, change)
		}
		c.Changes = append(c.Changes, change)
	}
	c.Changes = append(c.Changes, listeners(before, after)...)
	slices.SortFunc(c.Changes, worstFirst)
	noteGossipKey(&c)
	noteNewChecks(&c, olds, news)
	return c
}

// CompareLock compares a lock's posture with that of now. It leaves out what shows only in this copy of the user's files,
// which no lock has; the comparison's Note says what of it fails.
func CompareLock(locked, now Posture, path string) finding.Comparison {
	c := Compare(locked, now.Committed(), path)
	for i, s := range c.Settings { // a lock has marks of these
		if at := indexOf(now.Others, finding.Setting{Role: s.Role, Path: s.Path}); at >= 0 {
			c.Settings[i].After = now.Others[at].Value
		}
		if strings.HasPrefix(s.Before, marked) {
			c.Settings[i].Before = "(another value)"
		}
	}
	var failing []string
	for _, r := range now.Results {
		if r.Local && r.Result == finding.Fail {
			failing = append(failing, r.ID)
		}
	}
	if len(failing) > 0 {
		addNote(&c, "a lock holds no modes or owners of your files, as version control keeps none; failing in this copy: "+strings.Join(failing, ", "))
	}
	return c
}

func byID(p Posture) map[string]CheckResult {
	all := map[string]CheckResult{}
	for _, r := range p.Results {
		all[r.ID] = r
	}
	return all
}

// newChange returns the change of a check; one of the results may be empty. What a lock does not have is the other side's.
func newChange(before, after CheckResult, direction finding.Direction) finding.Change {
	id := cmp.Or(after.ID, before.ID)
	return finding.Change{
		ID: id, Title: cmp.Or(after.Title, before.Title, id), Plane: cmp.Or(after.Plane, before.Plane),
		Severity: cmp.Or(after.Severity, before.Severity),
		Before:   before.state(), After: after.state(), Direction: direction, Text: textOf(before, after, direction),
	}
}

// state returns the result as a change shows it.
func (r CheckResult) state() finding.State {
	s := finding.State{Result: r.Result, Outcome: r.Outcome, Reason: r.Reason}
	switch {
	case r.At != "" && r.Reason != "":
		s.Reason = "at " + r.At + ": " + r.Reason
	case r.At != "":
		s.Reason = "at " + r.At
	}
	return s
}

// directionOf returns where the change leads, or nothing if there is none. One of the results may be empty.
func directionOf(before, after CheckResult) finding.Direction {
	odd := before // the one that fails
	if after.Result == finding.Fail {
		odd = after
	}
	switch was, is := before.proved(), after.proved(); {
	case before.ID == "" || after.ID == "":
		return finding.Unclear
	case !was && !is:
		return ""
	case !was || !is:
		return finding.Unclear
	case before.Result == finding.Fail && after.Result == finding.Fail:
		return directionOfFailures(before, after)
	case before.Result == after.Result:
		return ""
	case after.Plane == PlaneMatrix && !odd.accepts():
		return finding.Unclear
	case after.Result == finding.Fail:
		return finding.Weaker
	default:
		return finding.Stronger
	}
}

// directionOfFailures is directionOf for a check that fails on both sides: one that accepts callers is weaker than one that
// refuses them in a way that was not wanted, and one that fails everywhere is weaker than one that fails somewhere.
func directionOfFailures(before, after CheckResult) finding.Direction {
	switch was, is := before.accepts(), after.accepts(); {
	case was && !is:
		return finding.Stronger
	case is && !was:
		return finding.Weaker
	case before.At == after.At:
		return ""
	case after.At == "":
		return finding.Weaker
	case before.At == "":
		return finding.Stronger
	default: // "1 of 3 servers", then "1 of 5 servers"
		return finding.Unclear
	}
}

// proved reports whether the result says anything about the agents.
func (r CheckResult) proved() bool { return r.Result == finding.Pass || r.Result == finding.Fail }

// accepts reports whether a caller was accepted at some node, or something was found that should be absent.
func (r CheckResult) accepts() bool {
	return slices.ContainsFunc(strings.Split(r.Outcome, " or "), func(o string) bool { return o == "accepted" || o == "found" })
}

// worstFirst orders changes by direction, urgency, severity, plane and ID.
func worstFirst(a, b finding.Change) int {
	return cmp.Or(
		cmp.Compare(a.Direction.Rank(), b.Direction.Rank()),
		cmp.Compare(urgency(a), urgency(b)),
		cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)),
		comparePlanes(a.Plane, b.Plane),
		strings.Compare(a.ID, b.ID),
	)
}

// urgency orders changes of one direction: what fails now, then what is no longer proved, then the rest.
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
