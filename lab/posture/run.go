package posture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/probe"
)

// agentsAtOnce limits at how many agents quick checks run at the same time. They cost both sides a processor.
const agentsAtOnce = 8

// Run runs the checks at the targets. It returns the findings in the order of the checks, and for each check in the
// order of the targets. A check runs at every target of its Roles; a PerRegion check at one target of each region
// after the other until one has a result. A check that applies to no target has one finding, Skipped. Checks that ctx
// cuts short are Inconclusive. Run calls tell with each finding as soon as it is final, from several goroutines but
// one at a time; tell may be nil.
//
// At one agent, quick checks that it may log run one after another, so that a line of its log is about the check that
// runs. Beside them run a few that it answers without a log line, and those that wait for a time limit. Checks that
// use up connections or harm the cluster run last and alone. Before those, checks that servers without a leader left
// unsettled are repeated.
func Run(ctx context.Context, checks []Check, targets []probe.Target, tell func(finding.Finding)) []finding.Finding {
	if tell == nil {
		tell = func(finding.Finding) {}
	}
	r := &runner{trials: trials(checks, targets), tell: tell, nothing: map[int]probe.Nothing{}, forwardedTo: map[int]string{}, unsettled: map[int]probe.Target{}, turns: turnsAt(targets)}
	r.findings = make([]finding.Finding, len(r.trials))
	var all sync.WaitGroup
	all.Go(func() { r.quick(ctx) })
	all.Go(func() { r.waiting(ctx) })
	all.Wait()
	r.tryOthers(ctx)
	r.retryUnsettled(ctx)
	r.tryOthers(ctx)
	for i, t := range r.trials {
		if t.lane() == Flooding {
			r.try(ctx, i)
			r.tryOthers(ctx)
		}
	}
	r.skipForwarded()
	r.resolveNothing()
	return r.findings
}

// trial is one check at one target. If the check applies to no target, none has the reason.
type trial struct {
	check  Check
	target probe.Target
	// others are the targets to ask in turn if the first proves nothing.
	others []probe.Target
	none   string
}

func (t trial) lane() Lane {
	switch {
	case t.none != "":
		return Quick
	case t.check.spec.Kind == Destructive:
		return Flooding // so that no other check meets the damage
	default:
		return t.check.spec.Lane
	}
}

// trials returns the trials in the order of the findings.
func trials(checks []Check, targets []probe.Target) []trial {
	var all []trial
	for _, c := range checks {
		fitting := slices.DeleteFunc(slices.Clone(targets), func(t probe.Target) bool { return !c.appliesTo(t.Role) })
		switch {
		case len(fitting) == 0:
			all = append(all, trial{check: c, none: "there is no agent of the role that the check is for"})
		case c.spec.PerRegion:
			for _, of := range byRegion(fitting) {
				all = append(all, trial{check: c, target: of[0], others: of[1:]})
			}
		default:
			for _, t := range fitting {
				all = append(all, trial{check: c, target: t})
			}
		}
	}
	return all
}

// byRegion groups the targets by region, in the order of the first target of each.
func byRegion(targets []probe.Target) [][]probe.Target {
	var all [][]probe.Target
	for _, t := range targets {
		at := slices.IndexFunc(all, func(of []probe.Target) bool { return of[0].Region == t.Region })
		if at < 0 {
			at, all = len(all), append(all, nil)
		}
		all[at] = append(all[at], t)
	}
	return all
}

// runner runs trials; each has its own place among the findings.
type runner struct {
	trials   []trial
	findings []finding.Finding
	// mu guards what follows, and calls of tell.
	mu   sync.Mutex
	tell func(finding.Finding)
	// unproved are the trials for which another target is to be asked.
	unproved []int
	// nothing has, by the trial, what its agent has nothing of.
	nothing map[int]probe.Nothing
	// forwardedTo has, by the trial, the agent that decided to let the probe in.
	forwardedTo map[int]string
	// turns has, by the agent's name, a limit on its concurrent trials, if it takes few connections.
	turns map[string]*semaphore.Weighted
	// unsettled has, by the trial, the agent to ask again, until settled is true.
	unsettled map[int]probe.Target
	settled   bool
}

// quick runs the quick trials, at the agents side by side.
func (r *runner) quick(ctx context.Context) {
	of := map[string]*sequence{}
	for i, t := range r.trials {
		if t.lane() != Quick {
			continue
		}
		if of[t.target.Name] == nil {
			of[t.target.Name] = &sequence{}
		}
		of[t.target.Name].add(i, t.check.spec)
	}
	sideBySide(agentsAtOnce, slices.Collect(maps.Values(of)), func(s *sequence) { r.atAgent(ctx, s) })
}

// requestsAtOnce is how many requests that an agent does not log are under way at it.
const requestsAtOnce = 3

// sequence is the quick trials of one agent, by their places: those that it may log, and requests to its HTTP API that it does
// not log.
type sequence struct{ logged, silent []int }

func (s *sequence) add(i int, c Spec) {
	if c.LogText == "" && c.Probe.Plane == probe.PlaneHTTP && c.Control.Plane == probe.PlaneHTTP {
		s.silent = append(s.silent, i)
	} else {
		s.logged = append(s.logged, i)
	}
}

// atAgent runs the trials that the agent may log one after another, and the others a few at a time.
func (r *runner) atAgent(ctx context.Context, s *sequence) {
	var logged sync.WaitGroup
	logged.Go(func() {
		for _, i := range s.logged {
			r.try(ctx, i)
		}
	})
	sideBySide(requestsAtOnce, s.silent, func(i int) { r.try(ctx, i) })
	logged.Wait()
}

// waiting runs all waiting trials at once.
func (r *runner) waiting(ctx context.Context) {
	var all []int
	for i, t := range r.trials {
		if t.lane() == Waiting {
			all = append(all, i)
		}
	}
	sideBySide(-1, all, func(i int) { r.try(ctx, i) })
}

// sideBySide calls do for each item, for at most limit of them at a time (-1: all), and waits for all calls.
func sideBySide[T any](limit int, items []T, do func(T)) {
	var g errgroup.Group
	g.SetLimit(limit)
	for _, item := range items {
		g.Go(func() error {
			do(item)
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
}

// try runs one trial.
func (r *runner) try(ctx context.Context, i int) {
	t := r.trials[i]
	v := evaluation{Finding: t.check.newFinding(t.target)}
	switch {
	case t.none != "":
		v.Result, v.Reason = finding.Skipped, t.none
	case ctx.Err() != nil:
		v.Result, v.Reason = finding.Inconclusive, "the run was ended before: "+context.Cause(ctx).Error()
	default:
		if turn := r.turns[t.target.Name]; turn != nil && turn.Acquire(ctx, 1) == nil {
			defer turn.Release(1)
		}
		v = t.check.evaluate(ctx, t.target)
	}
	r.keep(ctx, i, v)
}

// turnsAt returns the limits of the agents that take few connections.
func turnsAt(targets []probe.Target) map[string]*semaphore.Weighted {
	turns := map[string]*semaphore.Weighted{}
	for _, t := range targets {
		if n := t.MaxParallel(); n > 0 {
			turns[t.Name] = semaphore.NewWeighted(int64(n))
		}
	}
	return turns
}

// keep stores the finding, and reports it unless another target must be asked too.
func (r *runner) keep(ctx context.Context, i int, v evaluation) {
	t, to := r.trials[i], ""
	if v.Result == finding.Fail {
		to = t.check.forwardedTo(ctx, t.target, v.Outcome)
	}
	r.findings[i] = v.Finding
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(i, v)
	switch {
	case to != "":
		r.forwardedTo[i] = to
	case len(t.others) > 0 && t.check.spec.Missing == "" && !proves(v.Finding):
		r.unproved = append(r.unproved, i)
	default:
		r.report(i)
	}
}

// note records why a trial's finding may not be final.
func (r *runner) note(i int, v evaluation) {
	if !v.nothing.IsZero() && v.Result == finding.Skipped {
		r.nothing[i] = v.nothing
	}
	if v.unsettled && !r.settled && r.trials[i].lane() == Quick { // another one may cost minutes
		r.unsettled[i] = r.trials[i].target
	}
}

// report calls tell with a trial's finding, unless the finding may still change.
func (r *runner) report(i int) {
	_, none := r.nothing[i]
	_, unsettled := r.unsettled[i]
	if again := unsettled && !r.settled; !none && !again {
		r.tell(r.findings[i])
	}
}

// retryUnsettled repeats the trials that are unsettled, for several agents at the same time. It repeats no more trials of
// an agent after two in a row stayed unsettled, and reports their findings as they are.
func (r *runner) retryUnsettled(ctx context.Context) {
	r.settled = true
	of := map[string][]int{}
	for _, i := range slices.Sorted(maps.Keys(r.unsettled)) {
		name := r.unsettled[i].Name
		of[name] = append(of[name], i)
	}
	sideBySide(agentsAtOnce, slices.Collect(maps.Values(of)), func(trials []int) {
		inVain := 0
		for _, i := range trials {
			if inVain > 1 || ctx.Err() != nil || !r.retry(ctx, i, &inVain) {
				r.mu.Lock()
				r.report(i)
				r.mu.Unlock()
			}
		}
	})
}

// retry repeats one trial at the agent that left it unsettled. It counts in inVain how many trials in a row stayed
// unsettled. It returns false if the run was ended.
func (r *runner) retry(ctx context.Context, i int, inVain *int) bool {
	t := r.trials[i]
	evaluate := t.check.settle
	if *inVain > 0 {
		evaluate = t.check.evaluate
	}
	v := evaluate(ctx, r.unsettled[i])
	if ctx.Err() != nil {
		return false
	}
	if *inVain++; !v.unsettled {
		*inVain = 0
	}
	if was := r.findings[i]; len(t.others) > 0 && !proves(v.Finding) && finding.Worse(v.Result, was.Result) != v.Result {
		v.Finding = was // one agent with nothing to search must not hide another
	}
	r.keep(ctx, i, v)
	return true
}

// resolveNothing makes a Skipped trial with nothing to search Inconclusive if the check that judges that did not
// judge it at the same agent. If an agent need not have the thing, the judging check may also not have been asked
// for.
func (r *runner) resolveNothing() {
	for _, i := range slices.Sorted(maps.Keys(r.nothing)) {
		f, by := &r.findings[i], r.nothing[i].JudgedBy
		judges := slices.DeleteFunc(slices.Clone(r.findings), func(o finding.Finding) bool {
			return o.Node != f.Node || o.ID != by && !strings.HasSuffix(o.ID, "-"+by)
		})
		if (len(judges) > 0 || r.nothing[i].Missed) && !slices.ContainsFunc(judges, proves) {
			f.Result, f.Reason = finding.Inconclusive, f.Reason+", which did not judge that here"
		}
		r.tell(*f)
	}
}

// skipForwarded makes a failed trial Skipped if the agent that decided fails the check by its own finding. A finding
// that blames a third agent does not count: while leadership moves, two agents could excuse each other.
func (r *runner) skipForwarded() {
	for _, i := range slices.Sorted(maps.Keys(r.forwardedTo)) {
		t, to := r.trials[i], r.forwardedTo[i]
		at := slices.IndexFunc(r.trials, func(o trial) bool { return o.check.spec.ID == t.check.spec.ID && o.target.Name == to })
		if _, forwards := r.forwardedTo[at]; at >= 0 && !forwards && r.findings[at].Result == finding.Fail {
			f := &r.findings[i]
			f.Result = finding.Skipped
			f.Reason = fmt.Sprintf("%s passes such requests on to %s, which gives %q itself: see there", t.target.Name, to, r.findings[at].Outcome)
		}
		r.tell(r.findings[i])
	}
}

// tryOthers asks the other targets of each unproved trial, one after the other. It is called while nothing else runs,
// as the targets may log it. If none proves anything, the worst finding stays: an agent with nothing to search must
// not hide that another could not be asked.
func (r *runner) tryOthers(ctx context.Context) {
	for _, i := range r.unproved {
		t := r.trials[i]
		for _, other := range t.others {
			if ctx.Err() != nil {
				break
			}
			v := t.check.evaluate(ctx, other)
			if proves(v.Finding) || finding.Worse(v.Result, r.findings[i].Result) != r.findings[i].Result {
				r.findings[i] = v.Finding
				delete(r.nothing, i)
			}
			if proves(v.Finding) {
				delete(r.unsettled, i)
				break
			}
			if _, first := r.unsettled[i]; v.unsettled && !first && !r.settled && t.lane() == Quick {
				r.unsettled[i] = other
			}
		}
		r.report(i)
	}
	r.unproved = nil
}

// proves reports whether the finding is a Pass or a Fail.
func proves(f finding.Finding) bool { return f.Result == finding.Pass || f.Result == finding.Fail }
