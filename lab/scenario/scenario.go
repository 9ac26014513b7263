// Package scenario defines what a scenario is: named steps on a live lab, with the checks that they run. The same scenario
// runs under go test and under `nomadlab run`, and a workshop reads the text of its steps.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// Scenario proves a claim on a fresh lab, step by step.
type Scenario struct {
	// Name is the scenario's identifier, such as "plain-http-is-rejected".
	Name string
	// Claim is what the scenario proves, as a sentence.
	Claim string
	// Spec is the lab that the scenario needs, without a name and a Nomad.
	Spec spec.Spec
	// Needs are the features that the lab's engine must have. Nil: every engine will do.
	Needs []engine.Feature
	// Able returns an error if the user who runs the scenario lacks a privilege for it; the error says what to do. Nil: every
	// user may run it.
	Able func(context.Context) error
	// Steps returns the steps. It is called once for each run: steps may share what they find in variables that they close
	// over.
	Steps func() []Step
}

// Missing returns, as a sentence, what the scenario needs and the engine or the user lacks, or "" for nothing. Skip a scenario
// that misses something, for that reason.
func (s Scenario) Missing(ctx context.Context, e engine.Engine) string {
	for _, f := range s.Needs {
		if reason := e.Lacks(f); reason != "" {
			return fmt.Sprintf("it needs %s, which the engine %q lacks: %s", f, e.Name(), reason)
		}
	}
	if s.Able == nil {
		return ""
	}
	if err := s.Able(ctx); err != nil {
		return fmt.Sprintf("it needs more than everybody may, which this user lacks: %v", err)
	}
	return ""
}

// Step is one step of a scenario.
type Step struct {
	// Title is what the step does or proves, as a sentence.
	Title string
	// Within bounds the step. Zero: deadline.Hang.
	Within time.Duration
	// Do carries the step out. Under Run an error ends the scenario, because later steps rest on earlier ones. Under Survey
	// the next step runs all the same: it must then fail, not panic, if it lacks what the failed step was to provide.
	Do func(ctx context.Context, t *T) error
}

// T is what a step works with.
type T struct {
	// Lab is the lab that the scenario runs on.
	Lab *lab.Lab

	narrator Narrator
	findings []finding.Finding
	recorder timeline.Recorder
	load     []timeline.Line
	// survey lets a step go on after a check that did not pass.
	survey bool
	// cleanups are the functions given to Cleanup.
	cleanups []func()
}

// Narrator receives what happens, while it happens.
type Narrator interface {
	// Begin is called before a step runs, with its number from 1 and the number of steps.
	Begin(s Step, number, of int)
	// Say is called with what a step saw.
	Say(text string)
	// Found is called with what a check found.
	Found(f finding.Finding)
	// End is called after a step, with its error or nil.
	End(s Step, took time.Duration, err error)
}

// Say passes on to the narrator what was seen.
func (t *T) Say(format string, args ...any) { t.narrator.Say(fmt.Sprintf(format, args...)) }

// Recorder returns the recorder of the scenario's timeline. What is recorded ends in the Result.
func (t *T) Recorder() *timeline.Recorder { return &t.recorder }

// SumUp adds lines to the timeline that sum up the work that ran beside the steps.
func (t *T) SumUp(lines ...timeline.Line) { t.load = append(t.load, lines...) }

// timeline returns what was recorded, or nil for nothing.
func (t *T) timeline(title string) *timeline.Timeline {
	if len(t.recorder.Events()) == 0 {
		return nil
	}
	var nodes []timeline.Node
	if t.Lab != nil {
		for _, n := range t.Lab.Nodes() {
			nodes = append(nodes, timeline.Node{Name: n.Name(), Role: string(n.Role())})
		}
	}
	out := t.recorder.Timeline(title, nodes...)
	out.Load = t.load
	return &out
}

// Cleanup registers a function that is called when the scenario ends, also after a failure or a panic. The last registered is
// called first. Use it for what a step starts beside the lab and a later step still needs.
func (t *T) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// cleanUp calls all cleanups, also if one of them panics.
func (t *T) cleanUp() {
	for _, f := range t.cleanups {
		defer f()
	}
}

// Record keeps what checks found, and returns an error that names each one that did not pass. An inconclusive or skipped check
// proves nothing, and so has not passed. Under Survey it returns nil, whatever was found.
func (t *T) Record(found ...finding.Finding) error {
	t.findings = append(t.findings, found...)
	for _, f := range found {
		t.narrator.Found(f)
	}
	if t.survey {
		return nil
	}
	return notPassed(found)
}

// notPassed returns an error that names each finding that is no pass, or nil.
func notPassed(found []finding.Finding) error {
	var failed []error
	for _, f := range found {
		if f.Result != finding.Pass {
			failed = append(failed, fmt.Errorf("%s on %s: %s: %s", f.ID, f.Node, f.Result, f.Reason))
		}
	}
	return errors.Join(failed...)
}

// Result is how a run ended.
type Result struct {
	// Findings are what the checks found, in the order in which they ran.
	Findings []finding.Finding
	// Failed are the steps that failed, in order: at most one after Run, any number after Survey.
	Failed []Failure
	// Took is the time that the steps took, without the start of the lab.
	Took time.Duration
	// Timeline is what the steps recorded; nil if they recorded nothing.
	Timeline *timeline.Timeline
}

// Report returns the Result as a report of the lab, which has not been removed yet.
func (r Result) Report(l *lab.Lab) finding.Report {
	c := finding.Cluster{Name: l.Name(), Nomad: l.NomadVersion(), Engine: l.Engine()}
	for _, n := range l.Nodes() {
		c.Nodes = append(c.Nodes, finding.Node{Name: n.Name(), Role: string(n.Role()), Region: n.Region()})
	}
	return finding.Report{
		Cluster: c, Started: time.Now().Add(-r.Took).Round(0), Took: r.Took, Findings: r.Findings, Timeline: r.Timeline,
	}
}

// Failure is a step that failed, and why.
type Failure struct {
	// Number is the step's number, from 1.
	Number int
	// Title is the step's title.
	Title string
	// Err is what the step's Do returned, or that it was late.
	Err error
}

// ErrNothingProved is returned, wrapped, for a scenario without steps: it would pass without having shown anything.
var ErrNothingProved = errors.New("the scenario has no steps")

// Run runs the scenario on a lab that was brought up from its Spec. It returns the error of the first step that failed, with
// the step's title; the Result holds what was found up to there.
func (s Scenario) Run(ctx context.Context, l *lab.Lab, n Narrator) (Result, error) {
	r, err := s.play(ctx, &T{Lab: l, narrator: n})
	if err == nil && len(r.Failed) > 0 {
		f := r.Failed[0]
		err = fmt.Errorf("%s, step %d (%s): %w", s.Name, f.Number, f.Title, f.Err)
	}
	return r, err
}

// Survey runs every step and every check, also after one that failed; what failed is in the Result. On a lab that lacks a
// protection it shows every check that notices, which is how tests see that each check can fail. It returns
// ErrNothingProved, or the error of a ctx that has ended.
func (s Scenario) Survey(ctx context.Context, l *lab.Lab, n Narrator) (Result, error) {
	return s.play(ctx, &T{Lab: l, narrator: n, survey: true})
}

// play runs the steps, under Run up to the first that fails.
func (s Scenario) play(ctx context.Context, t *T) (r Result, err error) {
	steps := s.Steps()
	if len(steps) == 0 {
		return Result{}, fmt.Errorf("%s: %w", s.Name, ErrNothingProved)
	}
	defer func() { r.Timeline = t.timeline(s.Claim) }() // after the cleanups, which may record what still lasts
	defer t.cleanUp()
	start := time.Now()
	var failed []Failure
	for i, step := range steps {
		began := time.Now()
		t.narrator.Begin(step, i+1, len(steps))
		before := len(t.findings)
		err := step.do(ctx, t)
		if err == nil && !t.survey {
			err = notPassed(t.findings[before:]) // also if the step dropped the error of Record
		}
		t.narrator.End(step, time.Since(began), err)
		if err != nil {
			failed = append(failed, Failure{Number: i + 1, Title: step.Title, Err: err})
		}
		if err != nil && (!t.survey || ctx.Err() != nil) {
			break
		}
	}
	r = Result{Findings: t.findings, Failed: failed, Took: time.Since(start)}
	if t.survey && ctx.Err() != nil {
		return r, fmt.Errorf("survey of %s: %w", s.Name, context.Cause(ctx))
	}
	return r, nil
}

// do runs the step within its bound. A step that ends late has failed, even without an error of its own: what it did then, it
// did after its context had ended.
func (s Step) do(ctx context.Context, t *T) error {
	within := s.Within
	if within == 0 {
		within = deadline.Hang
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the step was not done within %s", within))
	defer cancel()
	err := s.Do(ctx, t)
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}
