package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/observe"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// change is what the steps of a scenario share that changes a running cluster: the work beside the change, what happened when,
// and which checks must fail at which stage. Its zero value is ready to use.
type change struct {
	// load says what work runs. The zero Options are sensible.
	load load.Options
	// limits say what the change may cost. The zero Limits: nothing.
	limits load.Limits
	// open are the checks of changePosture that must fail before, between and after the change. Nil: none.
	open func(stage stage) []string

	// recorder is the scenario's, from begin on.
	recorder *timeline.Recorder
	work     *load.Load
	unwatch  func() error
	// judged counts the loads that were judged: a scenario may have several, one after another.
	judged int
}

// stage is when the posture is taken.
type stage string

// The stages.
const (
	before  stage = "before"
	between stage = "between"
	after   stage = "after"
)

// changeSpec is the smallest cluster whose servers can lose one of them, with a client.
func changeSpec() spec.Spec { return spec.Spec{Regions: []spec.Region{{Clients: new(1)}}} }

// changePosture are the checks of a posture that is taken while a cluster changes: a few for each plane, none of which waits or
// leaves anything behind.
func changePosture() []string {
	return []string{
		"*-https-refuses-plaintext", "*-https-refuses-no-certificate",
		"rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-cli-certificate", "raft-refuses-plaintext", "raft-refuses-client-certificate",
		"gossip-refuses-no-key",
	}
}

// errNoWork is the error of a step that needs the work that begin did not start.
var errNoWork = errors.New("no work runs beside the change: see the step that starts it")

// begin returns the step that takes the posture before the change, and starts the work.
func (c *change) begin() scenario.Step {
	return scenario.Step{Title: "The posture before the change is taken, and work runs on the cluster", Do: c.beginAt(before)}
}

// beginAt returns the action that takes the posture at a stage, and starts the work.
func (c *change) beginAt(at stage) action {
	return func(ctx context.Context, t *scenario.T) error {
		c.recorder = t.Recorder()
		if err := c.posture(ctx, t, at); err != nil {
			return err
		}
		c.watch(ctx, t)
		return c.start(ctx, t)
	}
}

// watch records on the scenario's timeline what changes in the cluster, until the change is judged or the scenario ends.
func (c *change) watch(ctx context.Context, t *scenario.T) {
	unwatch := observe.Start(context.WithoutCancel(ctx), t.Lab, c.recorder)
	c.unwatch = unwatch
	t.Cleanup(func() { _ = unwatch() })
}

// start starts the work, and has it end with the scenario.
func (c *change) start(ctx context.Context, t *scenario.T) error {
	o := c.load
	o.Recorder = c.recorder
	w, err := load.Start(ctx, t.Lab, o)
	if err != nil {
		return fmt.Errorf("start the work: %w", err)
	}
	c.work = w
	t.Cleanup(func() { c.abandon(ctx) })
	return nil
}

// abandonWithin bounds the end of the work of a scenario that failed; its lab is removed anyhow. See deadline.Fair.
const abandonWithin = 5 * time.Second

// abandon ends the work of a scenario that failed before its last step.
func (c *change) abandon(ctx context.Context) {
	if c.work == nil {
		return
	}
	ctx, cancel := deadline.Fair(context.WithoutCancel(ctx), abandonWithin)
	defer cancel()
	_ = c.work.Remove(ctx)
	c.work = nil
}

// roll carries out a rollout beside the work, and takes the posture halfway.
func (c *change) roll(ctx context.Context, t *scenario.T, plan func(context.Context, *lab.Lab) (rollout.Plan, error)) error {
	if c.work == nil {
		return errNoWork
	}
	p, err := plan(ctx, t.Lab)
	if err != nil {
		return err
	}
	began := time.Now()
	half := (len(p.Steps) - 1) / 2
	_, err = rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: c.recorder, After: func(ctx context.Context, i int, _ rollout.Step) error {
		if i != half || i == len(p.Steps)-1 {
			return nil
		}
		return c.posture(ctx, t, between)
	}})
	if err == nil {
		t.Say("to %s took %.1f s in %d steps", p.Title, time.Since(began).Seconds(), len(p.Steps))
	}
	return err
}

// posture takes the posture. It returns an error unless exactly the open checks of the stage fail, and all others pass.
func (c *change) posture(ctx context.Context, t *scenario.T, at stage) error {
	began := time.Now()
	r, err := inspect.Lab(ctx, t.Lab, inspect.Options{Only: changePosture()})
	if err != nil {
		return err
	}
	var open []string
	if c.open != nil {
		open = c.open(at)
	}
	var wrong []error
	passed := 0
	for _, f := range r.Findings {
		want := finding.Pass
		if slices.Contains(open, f.ID) {
			want = finding.Fail
		}
		switch f.Result {
		case finding.Pass:
			passed++
		case finding.Skipped:
			continue
		}
		if f.Result != want {
			wrong = append(wrong, fmt.Errorf("%s the change: %s on %s: %s, want %s: %s", at, f.ID, f.Node, f.Result, want, f.Reason))
		}
	}
	if passed == 0 && len(open) == 0 {
		wrong = append(wrong, fmt.Errorf("%s the change no check passed: nothing is known", at))
	}
	text := fmt.Sprintf("%s the change: %d checks pass, %d do not", at, passed, len(r.Findings)-passed)
	c.recorder.Add(timeline.Event{At: began, End: time.Now(), Kind: timeline.Posture, Text: text, Bad: len(wrong) > 0})
	t.Say("%s (%.1f s)", text, time.Since(began).Seconds())
	return errors.Join(wrong...)
}

// end returns the step that takes the posture after the change, ends the work, and judges what the change has cost.
func (c *change) end(title string) scenario.Step {
	return scenario.Step{Title: title, Do: func(ctx context.Context, t *scenario.T) error {
		if c.work == nil {
			return errNoWork
		}
		err := c.posture(ctx, t, after)
		err = errors.Join(err, c.judge(ctx, t))
		return errors.Join(err, c.unwatch())
	}}
}

// judge ends and removes the work, and records what the change has cost it: a finding for each subject.
func (c *change) judge(ctx context.Context, t *scenario.T) error {
	w := c.work
	c.work = nil
	h, err := w.Stop(ctx)
	removed := w.Remove(ctx)
	if err != nil {
		return fmt.Errorf("end the work: %w", errors.Join(err, removed))
	}
	c.judged++
	node := "the work"
	if c.judged > 1 {
		node = fmt.Sprintf("the work, part %d", c.judged)
	}
	j := h.Judge(c.limits)
	var found []finding.Finding
	for _, l := range j.Lines {
		t.SumUp(timeline.Line{Name: l.Name, Text: l.Text, Bad: l.Result != load.Pass})
		found = append(found, ofLine(l, h, node))
	}
	return errors.Join(t.Record(found...), removed)
}

// ofLine returns a line of the judgement as a finding.
func ofLine(l load.Line, h load.History, node string) finding.Finding {
	results := map[load.Result]finding.Result{load.Pass: finding.Pass, load.Cost: finding.Fail, load.Inconclusive: finding.Inconclusive}
	return finding.Finding{
		ID: "work-keeps-its-" + strings.ReplaceAll(l.Name, " ", "-"), Title: l.Name,
		Plane: string(probe.PlaneCluster), Kind: string(posture.Intrusive), Severity: string(posture.High), Node: node, Want: []string{string(load.Pass)},
		Outcome: l.Text, Result: results[l.Result], Reason: l.Text, Why: "the load's own history (lab/load)", Took: h.Ended.Sub(h.Started),
	}
}
