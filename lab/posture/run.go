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

// agentsAtOnce bounds how many agents are tried at the same time with quick checks, which cost both sides a processor.
const agentsAtOnce = 8

// Run tries the checks at the targets, and returns the findings in the order of the checks, for each in the order of the
// targets. A check is tried at every target of its roles; one for Once is tried at one of each region's after the other, until
// one gives a result. One that applies to none has one finding, Skipped. What ctx cuts short is NotCarriedOut. Each finding is
// also told as soon as it is there and does not hang on another, by several goroutines but one at a time; tell may be nil.
//
// Of one agent, quick checks of which it may log something run one after another, so that a line of its log is about the one
// that is tried, and beside them a few that it answers without a word, and those that wait for a limit of time; those that
// use up its connections, or harm the cluster, run last, alone. Before those, what servers without a leader left open is looked at
// again (probe.Observation.Unsettled).
func Run(ctx context.Context, checks []Check, targets []probe.Target, tell func(finding.Finding)) []finding.Finding {
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

// trial is one check at one target, or one that applies to no target, for a reason.
type trial struct {
	check  Check
	target probe.Target
	// others are the targets that are asked in turn where the first proves nothing.
	others []probe.Target
	none   string
}

func (t trial) lane() Lane {
	switch {
	case t.none != "":
		return Quick
	case t.check.spec.Kind == Destructive:
		return Flooding // what it leaves behind is not to be found by others
	default:
		return t.check.spec.Lane
	}
}

// trials are what is to be tried, in the order of the findings.
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

// byRegion parts the targets by their regions, in the order of the first of each: a cluster of several has an answer of each.
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

// runner carries out trials; each has a place of its own among the findings.
type runner struct {
	trials   []trial
	findings []finding.Finding
	// mu guards what follows, and calls of tell.
	mu   sync.Mutex
	tell func(finding.Finding)
	// open are the trials for which another target is to be asked.
	unproved []int
	// nothing has, by the trial, what its agent has nothing of.
	nothing map[int]probe.Nothing
	// blamed has, by the trial, the agent that decided where a target let the probe in.
	forwardedTo map[int]string
	// turns has, by its name, how many trials may be under way at an agent that takes few connections.
	turns map[string]*semaphore.Weighted
	// unsettled has, by the trial, the agent that is to be looked at again, as long as settled is false.
	unsettled map[int]probe.Target
	settled   bool
}

// quick tries the agents side by side. What an agent may log of a probe is tried one after another, so that a line of its
// log is about the one that is tried; requests to its HTTP API that it answers without a word are tried a few at a time.
func (r *runner) quick(ctx context.Context) {
	var agents []string
	of := map[string]*sequence{}
	for i, t := range r.trials {
		if t.lane() != Quick {
			continue
		}
		name := t.target.Name
		if of[name] == nil {
			agents = append(agents, name)
			of[name] = &sequence{}
		}
		of[name].add(i, t.check.spec)
	}
	var g errgroup.Group
	g.SetLimit(agentsAtOnce)
	for _, name := range agents {
		g.Go(func() error {
			r.both(ctx, of[name])
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
}

// requestsAtOnce is how many requests are under way at one agent beside what it may log of.
const requestsAtOnce = 3

// sequence is what is to be tried quickly at one agent, by the places of the trials.
type sequence struct{ logged, silent []int }

func (s *sequence) add(i int, c Spec) {
	if c.LogText == "" && c.Probe.Plane == probe.PlaneHTTP && c.Control.Plane == probe.PlaneHTTP {
		s.silent = append(s.silent, i)
	} else {
		s.logged = append(s.logged, i)
	}
}

// both tries one agent.
func (r *runner) both(ctx context.Context, s *sequence) {
	var g errgroup.Group
	g.Go(func() error {
		for _, i := range s.logged {
			r.try(ctx, i)
		}
		return nil
	})
	var few errgroup.Group
	few.SetLimit(requestsAtOnce)
	for _, i := range s.silent {
		few.Go(func() error {
			r.try(ctx, i)
			return nil
		})
	}
	_, _ = few.Wait(), g.Wait() // neither returns an error
}

// waiting tries all at once: they do little but wait.
func (r *runner) waiting(ctx context.Context) {
	var all sync.WaitGroup
	for i, t := range r.trials {
		if t.lane() == Waiting {
			all.Go(func() { r.try(ctx, i) })
		}
	}
	all.Wait()
}

// try carries out one trial.
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

// turnsAt are those of the agents that take few connections.
func turnsAt(targets []probe.Target) map[string]*semaphore.Weighted {
	turns := map[string]*semaphore.Weighted{}
	for _, t := range targets {
		if n := t.AtOnce(); n > 0 {
			turns[t.Name] = semaphore.NewWeighted(int64(n))
		}
	}
	return turns
}

// keep keeps what was seen, and tells of it, unless another target is to be asked as well.
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
	case len(t.others) > 0 && t.check.spec.Lacks == "" && !proves(v.Finding):
		r.unproved = append(r.unproved, i)
	default:
		r.report(i)
	}
}

// note notes why a trial's finding may not be the last word.
func (r *runner) note(i int, v evaluation) {
	if !v.nothing.IsZero() && v.Result == finding.Skipped {
		r.nothing[i] = v.nothing
	}
	if v.unsettled && !r.settled && r.trials[i].lane() == Quick { // another one may cost minutes
		r.unsettled[i] = r.trials[i].target
	}
}

// report tells of a trial's finding, unless it may change yet.
func (r *runner) report(i int) {
	_, none := r.nothing[i]
	_, unsettled := r.unsettled[i]
	if again := unsettled && !r.settled; r.tell != nil && !none && !again {
		r.tell(r.findings[i])
	}
}

// settle looks again at what servers without a leader left open, at the agents side by side: once it waits until they have one.
// Where two of an agent's trials one after the other are no wiser, as there is no leader to come, the others stay as they are: each
// could take as long.
func (r *runner) retryUnsettled(ctx context.Context) {
	r.settled = true
	of := map[string][]int{}
	for _, i := range slices.Sorted(maps.Keys(r.unsettled)) {
		name := r.unsettled[i].Name
		of[name] = append(of[name], i)
	}
	var g errgroup.Group
	g.SetLimit(agentsAtOnce)
	for _, trials := range of {
		g.Go(func() error {
			inVain := 0
			for _, i := range trials {
				if inVain > 1 || ctx.Err() != nil || !r.retry(ctx, i, &inVain) {
					r.leave(i)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
}

// lookAgain tries one trial again at the agent that left it open, and counts how many were tried in vain one after the other. It
// is false where the end of the run is all that was seen.
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
		v.Finding = was // that one agent has nothing to look at hides no other
	}
	r.keep(ctx, i, v)
	return true
}

// leave tells of what is not looked at again.
func (r *runner) leave(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(i)
}

// settleNothing has a check that found nothing to look at be skipped only where the check that judges that has judged it at the same
// agent, or, of what an agent need not have, was not asked for: else nobody has.
func (r *runner) resolveNothing() {
	for _, i := range slices.Sorted(maps.Keys(r.nothing)) {
		f, by := &r.findings[i], r.nothing[i].JudgedBy
		judges := slices.DeleteFunc(slices.Clone(r.findings), func(o finding.Finding) bool {
			return o.Node != f.Node || o.ID != by && !strings.HasSuffix(o.ID, "-"+by)
		})
		if (len(judges) > 0 || r.nothing[i].Missed) && !slices.ContainsFunc(judges, proves) {
			f.Result, f.Reason = finding.Inconclusive, f.Reason+", which did not judge that here"
		}
		if r.tell != nil {
			r.tell(*f)
		}
	}
}

// excuse has each target skip the check that passes its requests on to an agent which breaks the promise by its own finding. One
// that blames another in turn is to blame no less: were leadership to move, two could excuse each other.
func (r *runner) skipForwarded() {
	for _, i := range slices.Sorted(maps.Keys(r.forwardedTo)) {
		t, to := r.trials[i], r.forwardedTo[i]
		at := slices.IndexFunc(r.trials, func(o trial) bool { return o.check.spec.ID == t.check.spec.ID && o.target.Name == to })
		if _, forwards := r.forwardedTo[at]; at >= 0 && !forwards && r.findings[at].Result == finding.Fail {
			f := &r.findings[i]
			f.Result = finding.Skipped
			f.Reason = fmt.Sprintf("%s passes such requests on to %s, which gives %q itself: see there", t.target.Name, to, r.findings[at].Outcome)
		}
		if r.tell != nil {
			r.tell(r.findings[i])
		}
	}
}

// tryOthers asks the other targets of each open trial, one after the other. It is called while nothing else is tried, as the
// targets may log something of it. Where none proves anything the worst finding stays: one that has nothing to look at does not hide
// that another could not be asked.
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

// proves reports whether the finding says that the promise holds, or that it does not.
func proves(f finding.Finding) bool { return f.Result == finding.Pass || f.Result == finding.Fail }
