package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
)

// errRollout is returned for a lab that a command cannot change in this way. It is a spec.ErrInvalid.
const errRollout = spec.InputError("nothing was changed")

// rolloutFlags are the flags of the commands that change a running lab.
type rolloutFlags struct {
	dryRun  bool
	json    bool
	timeout time.Duration
}

func (f *rolloutFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the steps, and change nothing")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.DurationVar(&f.timeout, "timeout", deadline.Hang, "limit for each step, its waits included")
}

// change is a rollout that a command carries out.
type change struct {
	lab  *lab.Lab
	plan rollout.Plan
	// done is what is so afterwards, such as "5 nodes have new certificates".
	done string
	// stopped returns what is so after a rollout that stopped and cannot be taken back; an interruption ends it after a step. Nil: it
	// can be taken back.
	stopped func(*rollout.Outcome) string
}

// rolloutJSON is what --json prints of a change.
type rolloutJSON struct {
	Lab string `json:"lab"`
	// Done is true if the rollout was carried out, and false with --dry-run.
	Done    bool         `json:"done"`
	Seconds float64      `json:"seconds,omitempty"`
	Rollout rollout.Plan `json:"rollout"`
}

// changing wraps a subcommand's function that returns the change of the lab that is meant, and carries the change out.
func (a *app) changing(f *rolloutFlags, labOf func(args []string) string,
	planned func(ctx context.Context, cmd *cobra.Command, c console, l *lab.Lab, args []string) (change, error),
) func(*cobra.Command, []string) error {
	return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
		if err := positive(cmd, f.timeout); err != nil {
			return err
		}
		l, err := open(cmd, e, labOf(args))
		if err != nil {
			return err
		}
		if err := changeable(cmd.Context(), e, l); err != nil {
			return err
		}
		if !f.dryRun {
			end, err := l.BeginChange()
			if err != nil {
				return err
			}
			defer func() { _ = end() }()
			if l, err = open(cmd, e, labOf(args)); err != nil { // as the change before has left it
				return err
			}
		}
		c := a.console(cmd)
		planned, err := planned(cmd.Context(), cmd, c, l, args)
		if err != nil {
			return err
		}
		if f.dryRun {
			return c.showPlan(planned, f.json)
		}
		return c.carryOut(cmd.Context(), planned, *f)
	})
}

// changeable returns an error for a lab of which this program does not keep the keys and the configuration.
func changeable(ctx context.Context, e *engines.Set, l *lab.Lab) error {
	labs, err := lab.List(ctx, e.All()...)
	if err != nil {
		return err
	}
	switch {
	case slices.ContainsFunc(labs, func(x lab.Listed) bool { return x.Name == l.Name() && x.Origin != "" }):
		return fmt.Errorf("%w: lab %s belongs to Docker Compose, whose volumes have its keys and configuration: "+
			"a lab of `nomadlab up` can be changed", errRollout, l.Name())
	case l.Plan().UserConfiguration:
		return fmt.Errorf("%w: lab %s runs your own configuration, which `nomadlab rehearse` changes", errRollout, l.Name())
	default:
		return nil
	}
}

// ready returns an error that names what is wrong with a lab whose change needs all of it.
func ready(ctx context.Context, l *lab.Lab) error {
	status := l.Status(ctx)
	if status.Ready {
		return nil
	}
	return fmt.Errorf("%w: lab %s is not ready, and a change needs all of its nodes:\n%s", errRollout, l.Name(),
		strings.Join(slices.Concat(status.Trouble, status.Next), "\n"))
}

// leaders returns the names of the leaders that are known now.
func leaders(ctx context.Context, l *lab.Lab) []string {
	var names []string
	for _, n := range l.Servers() {
		if leader, err := l.Leader(ctx, n.Region()); err == nil && !slices.Contains(names, leader.Name()) {
			names = append(names, leader.Name())
		}
	}
	return names
}

// chosen returns the named nodes, or without names all but extra ones, in the order of a rollout.
func chosen(ctx context.Context, l *lab.Lab, names []string) ([]*lab.Node, error) {
	nodes := rollout.Members(l)
	if len(names) > 0 {
		nodes = nil
	}
	for _, name := range names {
		n, err := l.Node(name)
		if err != nil {
			return nil, err
		}
		if n.Plan().ExtraNode {
			return nil, fmt.Errorf("%w: %s is an extra node, which does not run", errRollout, name)
		}
		if !slices.Contains(nodes, n) {
			nodes = append(nodes, n)
		}
	}
	return rollout.Order(nodes, leaders(ctx, l)...), nil
}

func (c console) showPlan(ch change, asJSON bool) error {
	if asJSON {
		return c.out.json(rolloutJSON{Lab: ch.lab.Name(), Rollout: ch.plan})
	}
	if err := ch.plan.Write(c.out); err != nil {
		return err
	}
	c.out.printf("")
	c.out.printf("nothing was changed")
	return nil
}

// carryOut carries out the change, shows its progress, and takes it back if it fails or is interrupted.
func (c console) carryOut(ctx context.Context, ch change, f rolloutFlags) error {
	p := newProgress(c.errs)
	working := ctx
	if ch.stopped != nil { // a step is not left in its middle
		working = context.WithoutCancel(ctx)
	}
	o := rollout.Options{
		Within: f.timeout,
		Before: func(_ context.Context, i int, s rollout.Step) error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			p.doing(fmt.Sprint(i), fmt.Sprintf("%d/%d  %s", i+1, len(ch.plan.Steps), s))
			return nil
		},
		After: func(_ context.Context, i int, s rollout.Step) error {
			if c.errs.terminal { // elsewhere the beginning of the next step is enough
				p.done(fmt.Sprintf("%d/%d  %s", i+1, len(ch.plan.Steps), s))
			}
			return nil
		},
	}
	out, err := rollout.Run(working, ch.lab, ch.plan, o)
	if err != nil {
		err = c.abandon(ctx, p, ch, out, err)
		p.stop()
		return err
	}
	p.stop()
	if f.json {
		return c.out.json(rolloutJSON{Lab: ch.lab.Name(), Done: true, Seconds: p.elapsed().Seconds(), Rollout: ch.plan})
	}
	c.out.printf("lab %s: %s, %s in %s", c.out.bold(ch.lab.Name()), ch.done, count(len(ch.plan.Steps), "step"), brief(p.elapsed()))
	return nil
}

// abandon takes back what was done of a change, if it can be, and returns the error that says where the lab stands. It goes on
// after an interruption; a second one ends this process.
func (c console) abandon(ctx context.Context, p *progress, ch change, out *rollout.Outcome, cause error) error {
	interrupted := ctx.Err() != nil
	say := func(format string, args ...any) error {
		text := fmt.Sprintf(format, args...)
		if interrupted {
			return &interruptedError{text: text}
		}
		return fmt.Errorf("%w\n%s", cause, text)
	}
	began := len(out.Done)
	switch {
	case began == 0:
		return say("lab %s was not changed", ch.lab.Name())
	case ch.stopped != nil:
		return say("%s", ch.stopped(out))
	}
	p.doing("back", "taking back "+count(began, "step"))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	if err := out.Undo(ctx, ch.lab, rollout.Options{}); err != nil {
		return errors.Join(say("lab %s stands in the middle of %q: not all of it could be taken back. `nomadlab status %s` shows its state",
			ch.lab.Name(), ch.plan.Title, ch.lab.Name()), err)
	}
	return say("lab %s is as it was before: %s taken back", ch.lab.Name(), were(began, "step"))
}

// were returns a number of things with the verb: "1 step was", "3 steps were".
func were(n int, noun string) string {
	if n == 1 {
		return count(n, noun) + " was"
	}
	return count(n, noun) + " were"
}
