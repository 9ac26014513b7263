package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// keepFor is how long a scenario's lab may stay should nobody remove it.
const keepFor = 2 * time.Hour

// teller runs scenarios and tells them.
type teller struct {
	console
	// to is where the story goes.
	to      stream
	engines *engines.Set
	nomad   spec.Nomad
	keep    bool
	// timeout bounds one scenario, its lab's start left out.
	timeout time.Duration
}

// outcome is how one scenario ended.
type outcome struct {
	Scenario string `json:"scenario"`
	Claim    string `json:"claim"`
	Lab      string `json:"lab"`
	Passed   bool   `json:"passed"`
	// Skipped is why the scenario was not carried out: what the engine lacks for it. Such a scenario has proved nothing.
	Skipped  string `json:"skipped,omitempty"`
	Error    string `json:"error,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	// Steps is how many steps were carried out wholly.
	Steps    int               `json:"steps"`
	Findings []finding.Finding `json:"findings"`
	// Start and Took are the times of the lab's start and of the steps, in nanoseconds.
	Start time.Duration `json:"start_ns"`
	Took  time.Duration `json:"took_ns"`

	err error
}

// tell runs one scenario on a lab of its own, and removes the lab whatever happens.
func (t teller) tell(ctx context.Context, s scenario.Scenario) outcome {
	o := outcome{Scenario: s.Name, Claim: s.Claim, Lab: runName(s.Name), Findings: []finding.Finding{}}
	t.to.printf("%s", t.to.bold(s.Name))
	t.to.printf("%s", s.Claim)
	if o.Skipped = s.Missing(ctx, t.engines.Home()); o.Skipped != "" {
		o.Lab = ""
		t.to.printf("%s  %s", t.to.uneasy("skipped"), t.to.wrapped(o.Skipped, "         "))
		t.to.printf("")
		return o
	}
	t.to.printf("%s", t.to.faint("on lab "+o.Lab))
	t.to.printf("")
	spec := s.Spec.With(spec.Name(o.Lab))
	spec.Nomad = t.nomad
	l, start, err := bringUp(ctx, t.console, t.engines, spec, lab.UpOptions{Expires: time.Now().Add(keepFor)})
	o.Start = start
	if err == nil {
		err = t.on(ctx, l, s, &o)
	}
	if failed, ok := errors.AsType[*lab.StartError](err); ok {
		o.Evidence = failed.Evidence
	}
	o.Passed, o.err = err == nil, err
	if err != nil {
		o.Error = err.Error()
	}
	t.end(o)
	return o
}

// on runs the scenario on its lab.
func (t teller) on(ctx context.Context, l *lab.Lab, s scenario.Scenario, o *outcome) (err error) {
	defer func() { err = errors.Join(err, t.leave(ctx, l)) }()
	if t.errs.terminal {
		t.errs.printf("")
	}
	n := &narrator{to: t.to, live: t.errs}
	within, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("the scenario took longer than %s", t.timeout))
	defer cancel()
	result, err := s.Run(within, l, n)
	if err != nil && errors.Is(within.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.Cause(within), err)
	}
	o.Took, o.Steps = result.Took, n.done
	o.Findings = append(o.Findings, result.Findings...)
	if err != nil && ctx.Err() == nil {
		o.Evidence, _ = l.Evidence(ctx, err) // the error is that a part of it could not be had
	}
	return err
}

// leave removes the lab, even when ctx has ended.
func (t teller) leave(ctx context.Context, l *lab.Lab) error {
	if t.keep {
		t.errs.printf("lab %s stays, for two hours at most: `nomadlab status %s`, `nomadlab down %s`", l.Name(), l.Name(), l.Name())
		return l.Keep()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	if err := l.Down(ctx); err != nil {
		return fmt.Errorf("lab %s is not wholly removed, try `nomadlab down %s`: %w", l.Name(), l.Name(), err)
	}
	return nil
}

func (t teller) end(o outcome) {
	t.to.printf("")
	if o.Passed {
		proved := count(o.Steps, "step")
		if held := finding.Summarize(o.Findings).Pass; held > 0 {
			proved += ", " + count(held, "check") + " held"
		}
		t.to.printf("%s  %s in %s, after the lab was up in %s", t.to.good("passed"), proved, brief(o.Took), brief(o.Start))
	} else {
		t.to.printf("%s  %s", t.to.bad("failed"), t.to.wrapped(o.Error, "        "))
		if o.Evidence != "" && !strings.Contains(o.Error, o.Evidence) {
			t.to.printf("        evidence: %s", o.Evidence)
		}
	}
	t.to.printf("")
}

// sum is the last line, when there was more than one scenario.
func (t teller) sum(results []outcome, of int) {
	if of < 2 {
		return
	}
	var failed, skipped []string
	for _, o := range results {
		switch {
		case o.Skipped != "":
			skipped = append(skipped, o.Scenario)
		case !o.Passed:
			failed = append(failed, o.Scenario)
		}
	}
	line := fmt.Sprintf("%d of %s passed", len(results)-len(failed)-len(skipped), count(of, "scenario"))
	if len(failed) > 0 {
		line += ", failed: " + strings.Join(failed, ", ")
	}
	if len(skipped) > 0 {
		line += fmt.Sprintf(", %d skipped: %s", len(skipped), strings.Join(skipped, ", "))
	}
	if left := of - len(results); left > 0 {
		line += fmt.Sprintf(", %d not run", left)
	}
	t.to.printf("%s", line)
}

// result is the command's error after all scenarios: what was wrong has been told, so it has no text but for errors
// that have an exit code of their own. That all were skipped is a failure: nothing was proved.
func verdict(ctx context.Context, results []outcome) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w", ctx.Err())
	}
	worst, skipped := exitFine, 0
	for _, o := range results {
		if o.Skipped != "" {
			skipped++
		}
		if o.err != nil {
			worst = max(worst, exitCode(o.err))
		}
	}
	if skipped > 0 && skipped == len(results) {
		worst = exitFailed
	}
	return passOn(worst, nil)
}

// runName is a name for a scenario's lab, short enough for a lab and not to be met twice.
func runName(scenario string) string {
	const longest = 32 - len("run-") - len("-abcd")
	tail := make([]byte, 2)
	_, _ = rand.Read(tail) // never fails (crypto/rand)
	short := strings.TrimRight(scenario[:min(len(scenario), longest)], "-")
	return "run-" + short + "-" + hex.EncodeToString(tail)
}

// narrator writes a scenario down while it happens. It is a scenario.Narrator for one scenario.
type narrator struct {
	to stream
	// live is where the time of the step that is being carried out is shown.
	live  stream
	clock *progress
	// done counts the steps that were carried out wholly.
	done int
}

var _ scenario.Narrator = (*narrator)(nil)

// margin is where what a step tells begins, below its title.
const margin = "     "

func (n *narrator) Begin(s scenario.Step, number, of int) {
	n.to.printf("%s  %s", n.to.faint(fmt.Sprintf("%d/%d", number, of)), n.to.bold(s.Title))
	n.wait()
}

func (n *narrator) Say(text string) {
	n.between(func() { n.to.printf("%s%s", margin, n.to.wrapped(text, margin)) })
}

func (n *narrator) Found(f finding.Finding) {
	n.between(func() {
		mark := n.to.tick()
		if f.Result != finding.Pass {
			mark = n.to.cross()
		}
		n.to.printf("%s%s %s: %s: %s  %s", margin, mark, f.Node, f.Title, f.Result, n.to.faint(took(f.Took)))
		n.to.printf("%s    %s", margin, n.to.faint(seen(f)))
		if f.Result != finding.Pass {
			n.to.printf("%s    %s", margin, n.to.bad(n.to.wrapped(f.Reason, margin+"    ")))
		}
	})
}

func (n *narrator) End(_ scenario.Step, d time.Duration, err error) {
	n.rest()
	mark, word := n.to.tick(), "done"
	if err == nil {
		n.done++
	}
	if err != nil {
		mark, word = n.to.cross(), "failed"
	}
	n.to.printf("%s%s %s", margin, mark, n.to.faint(word+" in "+took(d)))
}

// wait shows on a terminal that the step is still going on.
func (n *narrator) wait() {
	if n.live.terminal && n.to.terminal {
		n.clock = newProgress(n.live)
		n.clock.doing("step", "working")
	}
}

func (n *narrator) rest() {
	if n.clock != nil {
		n.clock.stop()
		n.clock = nil
	}
}

// between writes while no live line is in the way. The step's clock goes on.
func (n *narrator) between(write func()) {
	if n.clock == nil {
		write()
		return
	}
	n.clock.interleave(write)
}

// seen is what a check saw, beside what its control saw: the one without the other proves nothing.
func seen(f finding.Finding) string {
	words := []string{"saw " + orDash(f.Outcome)}
	for _, e := range f.Evidence {
		if e.Part == finding.ControlBefore || e.Part == finding.ControlAfter {
			words = append(words, fmt.Sprintf("%s: %s", e.Part, orDash(e.Outcome)))
		}
	}
	return strings.Join(words, ", ")
}

// took is a short time, to the millisecond.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return brief(d)
}
