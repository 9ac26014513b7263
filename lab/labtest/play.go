package labtest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// Stage brings up a lab for the scenario: that of its Spec, changed by the options. Where the engine lacks what the
// scenario needs, the test is skipped, and says why.
func Stage(t testing.TB, s scenario.Scenario, options ...spec.Option) *lab.Lab {
	t.Helper()
	e := Engines(t)
	if missing := s.Missing(t.Context(), e.Home()); missing != "" {
		t.Skipf("%s: %s", s.Name, missing) //nolint:forbidigo // the one reason for which nothing can be shown; make test counts and tells them
	}
	return start(t, e, append([]spec.Option{spec.Like(s.Spec)}, options...), lab.Ready)
}

// Lacking skips the test, because what it needs is what the other lacks, for the reason: "a driver beside raw_exec", "this
// Nomad". Where that is the engine, Stage says so. What a test does not prove is told and counted by make test.
func Lacking(t testing.TB, what, who, reason string) {
	t.Helper()
	t.Skipf("it needs %s, which %s lacks: %s", what, who, reason) //nolint:forbidigo // see Stage
}

// Play carries a scenario out on a fresh lab, tells its steps in the test's log, and fails the test at the first step
// that fails.
func Play(t *testing.T, s scenario.Scenario) {
	t.Helper()
	w := t.Output()
	_, _ = fmt.Fprintf(w, "%s\n\n", s.Claim)
	l := Stage(t, s)
	result, err := s.Run(t.Context(), l, &narrator{w})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(w, "\nProved in %.1f s", result.Took.Seconds())
	if len(result.Findings) > 0 {
		_, _ = fmt.Fprintf(w, ", checks: %s", finding.Summarize(result.Findings))
	}
	_, _ = fmt.Fprintln(w, ".")
}

// narrator writes a story as plain text.
type narrator struct{ w io.Writer }

func (n *narrator) Begin(s scenario.Step, number, of int) {
	_, _ = fmt.Fprintf(n.w, "\n%d/%d  %s\n", number, of, s.Title)
}

func (n *narrator) Say(text string) {
	_, _ = fmt.Fprintf(n.w, "      %s\n", strings.ReplaceAll(text, "\n", "\n      "))
}

func (n *narrator) Found(f finding.Finding) {
	n.Say(fmt.Sprintf("%-15s %s: %s: %s (%d ms)", f.Result, f.Node, f.Title, f.Outcome, f.Took.Milliseconds()))
}

func (n *narrator) End(_ scenario.Step, took time.Duration, err error) {
	if err != nil {
		n.Say(fmt.Sprintf("FAILED after %.1f s: %v", took.Seconds(), err))
		return
	}
	n.Say(fmt.Sprintf("done in %.1f s", took.Seconds()))
}
