package posture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/probe"
)

// agentsAtOnce bounds how many agents are tried at the same time with quick checks, which cost both sides a processor.
const agentsAtOnce = 8

// Run tries the checks at the targets, and returns the findings in the order of the checks, for each in the order of the
// targets. A check is tried at every target of its roles; one for Once is tried at one of them after the other, until one
// gives a verdict. One that applies to none has one finding, Skipped. What ctx cuts short is NotCarriedOut. Each finding is
// also told as soon as it is there, by several goroutines but one at a time; tell may be nil.
//
// Of one agent, quick checks of which it may log something run one after another, so that a line of its log is about the one
// that is tried, and beside them a few that it answers without a word, and those that wait for a limit of time; those that
// use up its connections, or harm the cluster, run last, alone.
func Run(ctx context.Context, checks []Check, targets []probe.Target, tell func(finding.Finding)) []finding.Finding {
	r := &runner{trials: trials(checks, targets), tell: tell, blamed: map[int]string{}}
	r.findings = make([]finding.Finding, len(r.trials))
	var all sync.WaitGroup
	all.Go(func() { r.quick(ctx) })
	all.Go(func() { r.waiting(ctx) })
	all.Wait()
	r.tryOthers(ctx)
	for i, t := range r.trials {
		if t.lane() == Crowding {
			r.try(ctx, i)
			r.tryOthers(ctx)
		}
	}
	r.excuse()
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
		return Crowding // what it leaves behind is not to be found by others
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
		case c.spec.Once:
			all = append(all, trial{check: c, target: fitting[0], others: fitting[1:]})
		default:
			for _, t := range fitting {
				all = append(all, trial{check: c, target: t})
			}
		}
	}
	return all
}

// runner carries out trials; each has a place of its own among the findings.
type runner struct {
	trials   []trial
	findings []finding.Finding
	// mu guards open, blamed, and calls of tell.
	mu   sync.Mutex
	tell func(finding.Finding)
	// open are the trials for which another target is to be asked.
	open []int
	// blamed has, by the trial, the agent that decided where a target let the probe in.
	blamed map[int]string
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

// try carries out one trial and keeps its finding, unless another target is to be asked as well.
func (r *runner) try(ctx context.Context, i int) {
	t := r.trials[i]
	f := t.check.blank(t.target)
	switch {
	case t.none != "":
		f.Verdict, f.Reason = finding.Skipped, t.none
	case ctx.Err() != nil:
		f.Verdict, f.Reason = finding.NotCarriedOut, "the run was ended before: "+context.Cause(ctx).Error()
	default:
		f = t.check.Evaluate(ctx, t.target)
	}
	to := ""
	if f.Verdict == finding.Broken {
		to = t.check.passedTo(ctx, t.target, f.Outcome)
	}
	r.findings[i] = f
	r.mu.Lock()
	defer r.mu.Unlock()
	if to != "" {
		r.blamed[i] = to
		return
	}
	if len(t.others) > 0 && t.check.spec.Lacks == "" && !proves(f) {
		r.open = append(r.open, i)
		return
	}
	if r.tell != nil {
		r.tell(f)
	}
}

// excuse has each target skip the check that passes its requests on to an agent which breaks the promise by its own finding. One
// that blames another in turn is to blame no less: were leadership to move, two could excuse each other.
func (r *runner) excuse() {
	for _, i := range slices.Sorted(maps.Keys(r.blamed)) {
		t, to := r.trials[i], r.blamed[i]
		at := slices.IndexFunc(r.trials, func(o trial) bool { return o.check.spec.ID == t.check.spec.ID && o.target.Name == to })
		if _, blames := r.blamed[at]; at >= 0 && !blames && r.findings[at].Verdict == finding.Broken {
			f := &r.findings[i]
			f.Verdict = finding.Skipped
			f.Reason = fmt.Sprintf("%s passes such requests on to %s, which gives %q itself: see there", t.target.Name, to, r.findings[at].Outcome)
		}
		if r.tell != nil {
			r.tell(r.findings[i])
		}
	}
}

// tryOthers asks the other targets of each open trial, one after the other. It is called while nothing else is tried, as the
// targets may log something of it. The finding of the first target stays where no other proves anything.
func (r *runner) tryOthers(ctx context.Context) {
	for _, i := range r.open {
		t := r.trials[i]
		for _, other := range t.others {
			if ctx.Err() != nil {
				break
			}
			if f := t.check.Evaluate(ctx, other); proves(f) {
				r.findings[i] = f
				break
			}
		}
		if r.tell != nil {
			r.tell(r.findings[i])
		}
	}
	r.open = nil
}

// proves reports whether the finding says that the promise holds, or that it does not.
func proves(f finding.Finding) bool { return f.Verdict == finding.Held || f.Verdict == finding.Broken }
