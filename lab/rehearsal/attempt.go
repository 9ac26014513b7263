package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/observe"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/timeline"
)

// attempt is the state of one Attempt while it runs.
type attempt struct {
	*rehearsal
	lab      *lab.Lab
	out      Attempt
	recorder timeline.Recorder
	work     *load.Load
	// unwatch ends the watching of the lab. Nil: it is not watched.
	unwatch func() error
	// round is the title of the current round, and last its last node.
	round, last string
	// began is when the current step began.
	began time.Time
}

// attempt tries a strategy on a fresh lab. It returns the version of the lab's Nomad as well.
func (r *rehearsal) attempt(ctx context.Context, number int, s Strategy) (Attempt, string, error) {
	o := r.Check
	o.Name = fmt.Sprintf("%s-%d", o.Name, number+1)
	l, err := r.from.Source.Up(ctx, o)
	if err != nil {
		return Attempt{}, "", fmt.Errorf("%s: %w", r.from.Name, err)
	}
	if r.switchesACLOn() {
		r.token = uuid.NewString()
	}
	a := &attempt{rehearsal: r, lab: l, out: Attempt{Strategy: s}}
	err = a.run(ctx)
	version := l.NomadVersion()
	return a.out, version, a.end(ctx, err)
}

// end removes the lab, or leaves it to the user, and says where an interrupted attempt stood.
func (a *attempt) end(ctx context.Context, err error) error {
	if a.Keep {
		a.out.Kept = a.lab.Name()
		err = errors.Join(err, a.lab.Keep())
	} else {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
		defer cancel()
		if down := a.lab.Down(removing); down != nil {
			err = errors.Join(err, fmt.Errorf("remove the lab of the rehearsal: %w", down))
		}
	}
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	text := "nothing was rolled out"
	if n := len(a.out.Steps); n > 0 {
		last := a.out.Steps[n-1]
		text = fmt.Sprintf("it stood at step %d (%s), in the round %q", n, last.subject(), last.Round)
	}
	if a.Keep {
		text += fmt.Sprintf("; lab %s was left running", a.lab.Name())
	} else {
		text += fmt.Sprintf("; lab %s was removed", a.lab.Name())
	}
	return &InterruptedError{Text: text, Kept: a.out.Kept}
}

// subject returns the node and what happens to it.
func (s Step) subject() string {
	if s.Node == "" {
		return s.Title
	}
	return s.Node + ": " + s.Title
}

// run takes the postures, and rolls the change out under load.
func (a *attempt) run(ctx context.Context) error {
	if why := a.lab.ReadyErr(); why != nil {
		a.out.Result, a.out.Why = Unknown, fmt.Sprintf("%s does not come up, and nothing was rolled out: %s", a.from.Name, oneLine(why))
		return a.posture(ctx, before)
	}
	if err := a.lab.Validate(ctx, a.to.Source.Configuration); err != nil {
		return fmt.Errorf("%w: %s: nothing was rolled out: %w", regress.ErrConfiguration, a.to.Name, err)
	}
	if err := a.posture(ctx, before); err != nil {
		return err
	}
	if err := a.startWork(ctx); err != nil {
		return err
	}
	broke := a.rollOut(ctx)
	if err := a.stopWork(ctx, broke != nil); err != nil || ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	when := after
	if broke != nil {
		when = whereItBroke
	}
	if err := a.posture(ctx, when); err != nil {
		return err
	}
	a.judge(broke)
	return nil
}

// startWork starts the load, and waits until it works.
func (a *attempt) startWork(ctx context.Context) (err error) {
	a.tell("load", "starting work: jobs, writers, readers, long-lived connections")
	starting, cancel := context.WithTimeout(ctx, deadline.Start)
	defer cancel()
	jobs, err := a.jobs(starting)
	if err != nil {
		return err
	}
	a.work, err = load.Start(starting, a.lab, load.Options{
		Token: a.token, Jobs: jobs, Recorder: &a.recorder, Driver: a.driver(),
		Progress: func(text string) { a.tell("load", text) },
	})
	if err != nil {
		return fmt.Errorf("put work on the lab: %w", err)
	}
	a.unwatch = observe.Start(ctx, a.lab, &a.recorder)
	return nil
}

// stopWork stops the load, keeps what its history says and the timeline, and removes its jobs, unless the cluster broke: it may answer
// nothing any more, and goes with the lab.
func (a *attempt) stopWork(ctx context.Context, broke bool) error {
	a.tell("load", "reading back what was written")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Hang)
	if broke {
		cancel()
		stopping, cancel = deadline.Fair(context.WithoutCancel(ctx), brokenWait)
	}
	defer cancel()
	history, err := a.work.Stop(stopping)
	err = errors.Join(err, a.unwatch())
	a.out.Timeline = new(a.recorder.Timeline(a.out.Order, observe.Nodes(a.lab)...))
	if err == nil || len(history.Calls) > 0 {
		a.out.Load = new(history.Judge(load.Limits{}))
		for _, l := range a.out.Load.Lines {
			a.out.Timeline.Load = append(a.out.Timeline.Load, timeline.Line{Name: l.Name, Text: l.Text, Bad: l.Result == load.Cost})
		}
	}
	if broke || ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, a.work.Remove(stopping))
}

// rollOut rolls out all rounds, and waits until the cluster is ready. It returns why that failed.
func (a *attempt) rollOut(ctx context.Context) error {
	if a.out.Rounds[len(a.out.Rounds)-1].access != accessAsBefore {
		access, err := a.access(accessTrustsBoth)
		if err != nil {
			return err
		}
		if err := a.lab.Adopt(access); err != nil {
			return err
		}
	}
	for _, round := range a.out.Rounds {
		a.round = round.Title
		p, err := a.plan(ctx, a.lab, a.out.Strategy, round)
		if err != nil {
			return fmt.Errorf("plan the round %q: %w", round.Title, err)
		}
		a.last = lastNode(p)
		_, err = rollout.Run(ctx, a.lab, p, rollout.Options{
			Recorder: &a.recorder, Within: a.within(), Before: a.beforeStep, After: a.afterStep,
		})
		if err != nil {
			return a.broken(err)
		}
	}
	return a.whole(ctx)
}

// whole waits until the cluster is ready as after a start.
func (a *attempt) whole(ctx context.Context) error {
	began := time.Now()
	waiting, cancel := context.WithTimeoutCause(ctx, a.within(), fmt.Errorf("it was not so within %s", a.within()))
	defer cancel()
	err := poll.Until(waiting, "the whole cluster to be ready", func(ctx context.Context) string {
		if err := a.lab.Ready(ctx); err != nil {
			return oneLine(err)
		}
		return ""
	})
	s := Step{Round: a.round, Title: "the whole cluster is ready", Effect: rollout.Nothing, Took: time.Since(began)}
	if err != nil {
		s.Error = oneLine(err)
	}
	a.out.Steps = append(a.out.Steps, s)
	return err
}

// stepWork is the part of a step that is work, and takes longer on a busy machine. The rest is Nomad's own waiting.
const stepWork = 5 * time.Second

// within returns the bound of a step, on this machine as it is now.
func (a *attempt) within() time.Duration {
	waiting := a.StepTimeout
	if waiting == 0 {
		waiting = defaultStepTimeout
	}
	return waiting + deadline.Stretch(stepWork)
}

func (a *attempt) beforeStep(ctx context.Context, _ int, s rollout.Step) error {
	a.began = time.Now()
	done := Step{Round: a.round, Node: s.Node, Title: s.Title, Effect: s.Effect, Why: s.Why}
	for _, f := range s.Files {
		if !f.Mode.IsDir() {
			done.Files = append(done.Files, f.String())
		}
	}
	a.out.Steps = append(a.out.Steps, done)
	a.tell("rollout", done.subject())
	return context.Cause(ctx)
}

func (a *attempt) afterStep(ctx context.Context, _ int, s rollout.Step) error {
	last := &a.out.Steps[len(a.out.Steps)-1]
	last.Took = time.Since(a.began)
	switch {
	case s.Node == "":
		return context.Cause(ctx)
	case len(a.out.Rounds) == 1:
		return a.posture(ctx, "after "+s.Node)
	case s.Node == a.last: // of several rounds, the posture between two of them is what counts
		return a.posture(ctx, "after: "+a.round)
	default:
		return context.Cause(ctx)
	}
}

// lastNode returns the node that changes last; empty if none does.
func lastNode(p rollout.Plan) string {
	for _, s := range slices.Backward(p.Steps) {
		if s.Node != "" {
			return s.Node
		}
	}
	return ""
}

// broken notes the error at the step that failed.
func (a *attempt) broken(err error) error {
	if n := len(a.out.Steps); n > 0 && a.out.Steps[n-1].Error == "" {
		last := &a.out.Steps[n-1]
		last.Took = time.Since(a.began)
		cause := err
		if step, is := errors.AsType[*rollout.StepError](err); is {
			cause = step.Err
		}
		last.Error = oneLine(cause)
	}
	return err
}

// judge says what came of the attempt.
func (a *attempt) judge(broke error) {
	switch j := a.out.Load; {
	case broke != nil:
		a.out.Result, a.out.Why = Breaks, a.whyBroke(broke)
	case j == nil:
		a.out.Result, a.out.Why = Unknown, "the load's history is not known"
	case len(j.Lost) > 0:
		a.out.Result, a.out.Why = Breaks, "writes that were acknowledged are lost"
	case j.Result == load.Pass:
		a.out.Result, a.out.Why = LostNothing, "no acknowledged write was lost, no allocation was moved or restarted, no call failed after its retries"
	case j.Result == load.Inconclusive:
		a.out.Result, a.out.Why = Unknown, "the load did not do enough to tell"
	default:
		a.out.Result, a.out.Why = Costs, "the change went through, and the load noticed it"
	}
}

// whyBroke says at which step the attempt broke, and what was seen.
func (a *attempt) whyBroke(err error) string {
	n := len(a.out.Steps)
	if n == 0 || a.out.Steps[n-1].Error == "" {
		return oneLine(err)
	}
	return fmt.Sprintf("step %d, %s: %s", n, a.out.Steps[n-1].subject(), a.out.Steps[n-1].Error)
}

// driver returns the driver of the load's jobs that the clients have before the change and after it.
func (a *attempt) driver() string { return "" }

// tell reports what happens now.
func (a *attempt) tell(phase, text string) {
	if a.Check.Progress != nil {
		a.Check.Progress(lab.Event{Phase: phase, Text: text})
	}
}

// oneLine returns the text of an error in one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
