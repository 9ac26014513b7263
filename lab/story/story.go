// Package story is the form of a scenario: named steps over time on a live lab, each with its checks. The same scenario
// runs under go test and under the command, and what its steps say is what a workshop reads.
package story

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
)

// Scenario is a story that proves a claim on a fresh lab.
type Scenario struct {
	// Name is the scenario's identifier, such as "plain-http-is-rejected".
	Name string
	// Claim is what it proves, as a sentence.
	Claim string
	// Spec is the lab that it needs, but for its name and its Nomad.
	Spec lab.Spec
	// Steps returns the steps. It is called once for each run, so that steps can share what they find through the
	// variables that they close over.
	Steps func() []Step
}

// Step is one step of a scenario.
type Step struct {
	// Title says what is done or proved, as a sentence.
	Title string
	// Within bounds the step. Zero: a minute.
	Within time.Duration
	// Do carries it out. An error ends the scenario: what comes later stands on what came before.
	Do func(ctx context.Context, t *T) error
}

// T is what a step works with.
type T struct {
	// Lab is the scenario's own.
	Lab *lab.Lab

	narrator Narrator
	findings []finding.Finding
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

// Record keeps what a check found, and returns an error unless the promise held. What was not carried out, and what was
// skipped, is not held: it proves nothing.
func (t *T) Record(f finding.Finding) error {
	t.findings = append(t.findings, f)
	t.narrator.Found(f)
	if f.Verdict == finding.Held {
		return nil
	}
	return fmt.Errorf("%s on %s: %s: %s", f.ID, f.Node, f.Verdict, f.Reason)
}

// Result is how a run ended.
type Result struct {
	// Findings are what the checks found, in their order.
	Findings []finding.Finding
	// Took is how long the steps took, without the lab's start.
	Took time.Duration
}

// ErrNothingProved is returned by Run for a scenario without a step: it would pass without having shown anything.
var ErrNothingProved = errors.New("the scenario has no steps")

// Run carries the scenario out on a lab that was brought up from its Spec. It returns the error of the first step that
// failed, with the step's title; the Result is that of the steps up to there.
func (s Scenario) Run(ctx context.Context, l *lab.Lab, n Narrator) (Result, error) {
	began := time.Now()
	t := &T{Lab: l, narrator: n}
	err := s.run(ctx, t)
	return Result{Findings: t.findings, Took: time.Since(began)}, err
}

func (s Scenario) run(ctx context.Context, t *T) error {
	steps := s.Steps()
	if len(steps) == 0 {
		return fmt.Errorf("%s: %w", s.Name, ErrNothingProved)
	}
	for i, step := range steps {
		began := time.Now()
		t.narrator.Begin(step, i+1, len(steps))
		err := step.do(ctx, t)
		t.narrator.End(step, time.Since(began), err)
		if err != nil {
			return fmt.Errorf("%s, step %d (%s): %w", s.Name, i+1, step.Title, err)
		}
	}
	return nil
}

func (s Step) do(ctx context.Context, t *T) error {
	within := s.Within
	if within == 0 {
		within = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the step was not done within %s", within))
	defer cancel()
	return s.Do(ctx, t)
}
