// Package scenario is the form of a scenario: named steps over time on a live lab, each with its checks. The same scenario
// runs under go test and under the command, and what its steps say is what a workshop reads.
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
)

// Scenario is a story that proves a claim on a fresh lab.
type Scenario struct {
	// Name is the scenario's identifier, such as "plain-http-is-rejected".
	Name string
	// Claim is what it proves, as a sentence.
	Claim string
	// Spec is the lab that it needs, but for its name and its Nomad.
	Spec spec.Spec
	// Needs are what the lab's engine must be able to do. Nil: what every engine can.
	Needs []engine.Feature
	// Able says what whoever runs the scenario lacks for it beside that; nil where anybody can. Its error says what to do.
	Able func(context.Context) error
	// Steps returns the steps. It is called once for each run, so that steps can share what they find through the
	// variables that they close over.
	Steps func() []Step
}

// Missing says in a sentence what the engine, or whoever runs the scenario, lacks of what it needs. Empty: nothing. A
// scenario that misses something is not to be played: it is skipped, with that reason.
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
	// Title says what is done or proved, as a sentence.
	Title string
	// Within bounds the step. Zero: deadline.Hang.
	Within time.Duration
	// Do carries it out. Under Run an error ends the scenario, for what comes later stands on what came before. Under
	// Survey the next step is carried out all the same: it must then fail, not panic, for want of what is missing.
	Do func(ctx context.Context, t *T) error
}

// T is what a step works with.
type T struct {
	// Lab is the scenario's own.
	Lab *lab.Lab

	narrator Narrator
	findings []finding.Finding
	// survey lets a step go on after a check that did not hold.
	survey bool
	// cleanups are what is to be done once the scenario has ended.
	cleanups []func()
}

// Narrator is told what happens while it happens.
type Narrator interface {
	// Begin is told of a step before it is carried out, with its number from 1 and the number of all.
	Begin(s Step, number, of int)
	// Say is told what a step saw.
	Say(text string)
	// Found is told what a check found.
	Found(f finding.Finding)
	// End is told how the step ended.
	End(s Step, took time.Duration, err error)
}

// Say tells the reader what was seen.
func (t *T) Say(format string, args ...any) { t.narrator.Say(fmt.Sprintf(format, args...)) }

// Cleanup has f called when the scenario has ended, in whatever way: the last that was given comes first. It is for what a
// step starts beside the lab and a later step still needs.
func (t *T) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// cleanUp calls them all, also where one of them panics.
func (t *T) cleanUp() {
	for _, f := range t.cleanups {
		defer f()
	}
}

// Record keeps what a check found, and returns an error unless the promise held. What was not carried out, and what was
// skipped, is not held: it proves nothing. Under Survey it returns nil whatever was found.
func (t *T) Record(f finding.Finding) error {
	t.findings = append(t.findings, f)
	t.narrator.Found(f)
	if f.Result == finding.Pass || t.survey {
		return nil
	}
	return broken(f)
}

func broken(f finding.Finding) error {
	return fmt.Errorf("%s on %s: %s: %s", f.ID, f.Node, f.Result, f.Reason)
}

// Result is how a run ended.
type Result struct {
	// Findings are what the checks found, in their order.
	Findings []finding.Finding
	// Failed are the steps that failed, in their order: at most one of Run, any number of Survey.
	Failed []Failure
	// Took is how long the steps took, without the lab's start.
	Took time.Duration
}

// Failure is a step that failed, and why.
type Failure struct {
	// Number is the step's, from 1.
	Number int
	// Title is the step's.
	Title string
	// Err is what Do returned.
	Err error
}

// ErrNothingProved is returned for a scenario without a step: it would pass without having shown anything.
var ErrNothingProved = errors.New("the scenario has no steps")

// Run carries the scenario out on a lab that was brought up from its Spec. It returns the error of the first step that
// failed, with the step's title; the Result is that of the steps up to there.
func (s Scenario) Run(ctx context.Context, l *lab.Lab, n Narrator) (Result, error) {
	r, err := s.play(ctx, &T{Lab: l, narrator: n})
	if err == nil && len(r.Failed) > 0 {
		f := r.Failed[0]
		err = fmt.Errorf("%s, step %d (%s): %w", s.Name, f.Number, f.Title, f.Err)
	}
	return r, err
}

// Survey carries out every step and every check, also after some that failed. It proves nothing by itself: on a lab that
// lacks a protection it shows each check that notices, where Run ends at the first one. That is how tests see that each
// check can fail. Its error is ErrNothingProved, or that of a ctx which has ended; what failed is in the Result.
func (s Scenario) Survey(ctx context.Context, l *lab.Lab, n Narrator) (Result, error) {
	return s.play(ctx, &T{Lab: l, narrator: n, survey: true})
}

// play carries out the steps, under Run up to the first that fails.
func (s Scenario) play(ctx context.Context, t *T) (Result, error) {
	steps := s.Steps()
	if len(steps) == 0 {
		return Result{}, fmt.Errorf("%s: %w", s.Name, ErrNothingProved)
	}
	defer t.cleanUp()
	start := time.Now()
	var failed []Failure
	for i, step := range steps {
		began := time.Now()
		t.narrator.Begin(step, i+1, len(steps))
		before := len(t.findings)
		err := step.do(ctx, t)
		if err == nil && !t.survey {
			err = notHeld(t.findings[before:])
		}
		t.narrator.End(step, time.Since(began), err)
		if err != nil {
			failed = append(failed, Failure{Number: i + 1, Title: step.Title, Err: err})
		}
		if err != nil && (!t.survey || ctx.Err() != nil) {
			break
		}
	}
	r := Result{Findings: t.findings, Failed: failed, Took: time.Since(start)}
	if t.survey && ctx.Err() != nil {
		return r, fmt.Errorf("survey of %s: %w", s.Name, context.Cause(ctx))
	}
	return r, nil
}

// notHeld is an error when a step took a finding lightly: one that did not hold, and whose error it dropped.
func notHeld(found []finding.Finding) error {
	for _, f := range found {
		if f.Result != finding.Pass {
			return broken(f)
		}
	}
	return nil
}

// do carries the step out within its bound. That it came to its end too late is a failure too: what it
// did then is what it did once it was told to give up.
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
