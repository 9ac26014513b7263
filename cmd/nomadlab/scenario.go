package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// keepFor is the time after which a scenario's lab expires if it was not removed.
const keepFor = 2 * time.Hour

// runner runs scenarios and prints their steps and results.
type runner struct {
	console
	// to gets the steps and results.
	to      stream
	engines *engines.Set
	nomad   spec.Nomad
	keep    bool
	// out is the folder for the reports; empty for none.
	out string
	// timeout is the limit for one scenario, without its lab's start.
	timeout time.Duration
}

// scenarioResult is the result of one scenario, as JSON too.
type scenarioResult struct {
	Scenario string `json:"scenario"`
	Claim    string `json:"claim"`
	Lab      string `json:"lab"`
	Passed   bool   `json:"passed"`
	// Skipped says what the engine lacks for the scenario. It is empty for a scenario that ran.
	Skipped  string `json:"skipped,omitempty"`
	Error    string `json:"error,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	// Steps is the number of steps that ended without an error.
	Steps    int               `json:"steps"`
	Findings []finding.Finding `json:"findings"`
	// Start and Took are how long the lab's start and the steps took.
	Start time.Duration `json:"start_ns"`
	Took  time.Duration `json:"took_ns"`
	// Timeline is what the scenario recorded while it changed the lab; absent for nothing.
	Timeline *timeline.Timeline `json:"timeline,omitempty"`

	err error
}

// run runs one scenario on a lab of its own, and removes the lab whatever happens.
func (r runner) run(ctx context.Context, s scenario.Scenario) scenarioResult {
	o := scenarioResult{Scenario: s.Name, Claim: s.Claim, Lab: runName(s.Name), Findings: []finding.Finding{}}
	r.to.printf("%s", r.to.bold(s.Name))
	r.to.printf("%s", s.Claim)
	if o.Skipped = s.Missing(ctx, r.engines.Home()); o.Skipped != "" {
		o.Lab = ""
		r.to.printf("%s  %s", r.to.uneasy("skipped"), r.to.wrapped(o.Skipped, "         "))
		r.to.printf("")
		return o
	}
	r.to.printf("%s", r.to.faint("on lab "+o.Lab))
	r.to.printf("")
	spec := s.Spec.With(spec.Name(o.Lab))
	spec.Nomad = r.nomad
	l, start, err := bringUp(ctx, r.console, r.engines, spec, lab.UpOptions{Expires: time.Now().Add(keepFor)})
	o.Start = start
	if err == nil {
		err = r.on(ctx, l, s, &o)
	}
	if failed, ok := errors.AsType[*lab.StartError](err); ok {
		o.Evidence = failed.Evidence
	}
	o.Passed, o.err = err == nil, err
	if err != nil {
		o.Error = err.Error()
	}
	r.end(o)
	return o
}

// on runs the scenario's steps on its lab.
func (r runner) on(ctx context.Context, l *lab.Lab, s scenario.Scenario, o *scenarioResult) (err error) {
	defer func() { err = errors.Join(err, r.leave(ctx, l)) }()
	if r.errs.terminal {
		r.errs.printf("")
	}
	n := &stepPrinter{to: r.to, live: r.errs}
	within, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("the scenario took longer than %s", r.timeout))
	defer cancel()
	result, err := s.Run(within, l, n)
	if err != nil && errors.Is(within.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.Cause(within), err)
	}
	o.Took, o.Steps = result.Took, n.done
	o.Findings = append(o.Findings, result.Findings...)
	o.Timeline = result.Timeline
	if o.Timeline != nil {
		r.to.printf("")
		err = errors.Join(err, o.Timeline.Text(r.to))
	}
	if r.out != "" {
		folder := filepath.Join(r.out, s.Name)
		err = errors.Join(err, os.MkdirAll(folder, 0o755), //nolint:gosec // others may read a report; it holds no secret
			checkFlags{out: folder}.files(r.console, report.Formats(), result.Report(l)))
	}
	if err != nil && ctx.Err() == nil {
		o.Evidence, _ = l.Evidence(ctx, err) // an error means that a part of it is missing
	}
	return err
}

// leave removes the lab, even when ctx has ended.
func (r runner) leave(ctx context.Context, l *lab.Lab) error {
	if r.keep {
		r.errs.printf("lab %s stays, and expires after two hours: `nomadlab status %s`, `nomadlab down %s`", l.Name(), l.Name(), l.Name())
		return l.Keep()
	}
	if err := removeNow(ctx, l); err != nil {
		return fmt.Errorf("lab %s is not completely removed, try `nomadlab down %s`: %w", l.Name(), l.Name(), err)
	}
	return nil
}

// end prints the result of a scenario.
func (r runner) end(o scenarioResult) {
	r.to.printf("")
	if o.Passed {
		done := count(o.Steps, "step")
		if passed := finding.Summarize(o.Findings).Pass; passed > 0 {
			done += ", " + count(passed, "check") + map[bool]string{true: " passes", false: " pass"}[passed == 1]
		}
		r.to.printf("%s  %s in %s, after the lab was up in %s", r.to.good("passed"), done, brief(o.Took), brief(o.Start))
	} else {
		r.to.printf("%s  %s", r.to.bad("failed"), r.to.wrapped(o.Error, "        "))
		if o.Evidence != "" && !strings.Contains(o.Error, o.Evidence) {
			r.to.printf("        evidence: %s", o.Evidence)
		}
	}
	r.to.printf("")
}

// summary prints the last line, if there is more than one scenario.
func (r runner) summary(results []scenarioResult, of int) {
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
	r.to.printf("%s", line)
}

// resultsError returns the command's error after all scenarios: an exit code without a text, because the output has the
// errors. It is a failure if all were skipped: nothing was proved.
func resultsError(ctx context.Context, results []scenarioResult) error {
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

// runName returns a name for a scenario's lab: short enough, and different each time.
func runName(scenario string) string {
	const longest = 32 - len("run-") - len("-abcdef")
	return "run-" + strings.TrimRight(scenario[:min(len(scenario), longest)], "-") + "-" + random()
}

// stepPrinter prints the steps of one scenario while they run.
type stepPrinter struct {
	to stream
	// live shows how long the current step has been running.
	live  stream
	clock *progress
	// done counts the steps that ended without an error.
	done int
}

var _ scenario.Narrator = (*stepPrinter)(nil)

// margin indents the lines below a step's title.
const margin = "     "

func (n *stepPrinter) Begin(s scenario.Step, number, of int) {
	n.to.printf("%s  %s", n.to.faint(fmt.Sprintf("%d/%d", number, of)), n.to.bold(s.Title))
	if n.live.terminal && n.to.terminal {
		n.clock = newProgress(n.live)
		n.clock.doing("step", "working")
	}
}

func (n *stepPrinter) Say(text string) {
	n.between(func() { n.to.printf("%s%s", margin, n.to.wrapped(text, margin)) })
}

func (n *stepPrinter) Found(f finding.Finding) {
	n.between(func() {
		n.to.printf("%s%s %s: %s: %s  %s", margin, n.to.mark(f.Result == finding.Pass), f.Node, f.Title, f.Result, n.to.faint(took(f.Took)))
		n.to.printf("%s    %s", margin, n.to.faint(seen(f)))
		if f.Result != finding.Pass {
			n.to.printf("%s    %s", margin, n.to.bad(n.to.wrapped(f.Reason, margin+"    ")))
		}
	})
}

func (n *stepPrinter) End(_ scenario.Step, d time.Duration, err error) {
	if n.clock != nil {
		n.clock.stop()
		n.clock = nil
	}
	word := "failed"
	if err == nil {
		n.done++
		word = "done"
	}
	n.to.printf("%s%s %s", margin, n.to.mark(err == nil), n.to.faint(word+" in "+took(d)))
}

// between calls write while the live line is removed.
func (n *stepPrinter) between(write func()) {
	if n.clock == nil {
		write()
		return
	}
	n.clock.interleave(write)
}

// seen returns a check's outcome, and those of its control.
func seen(f finding.Finding) string {
	words := []string{"saw " + orDash(f.Outcome)}
	for _, e := range f.Evidence {
		if e.Part == finding.ControlBefore || e.Part == finding.ControlAfter {
			words = append(words, fmt.Sprintf("%s: %s", e.Part, orDash(e.Outcome)))
		}
	}
	return strings.Join(words, ", ")
}

// took returns a short duration to the millisecond.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return brief(d)
}
