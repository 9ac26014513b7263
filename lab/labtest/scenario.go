package labtest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// StartFor is Start with the scenario's Spec, changed by the options. It skips the test, with the reason, if the engine lacks
// what the scenario needs.
func StartFor(t testing.TB, s scenario.Scenario, options ...spec.Option) *lab.Lab {
	t.Helper()
	e := Engines(t)
	if missing := s.Missing(t.Context(), e.Home()); missing != "" {
		t.Skipf("%s: %s", s.Name, missing) //nolint:forbidigo // the only reason to skip; make test counts and lists what was skipped
	}
	return start(t, e, append([]spec.Option{spec.Like(s.Spec)}, options...), lab.Ready)
}

// Lacking skips the test because who lacks what, for the reason: "this Nomad" lacks "a driver beside raw_exec". For what an
// engine lacks, use StartFor.
func Lacking(t testing.TB, what, who, reason string) {
	t.Helper()
	t.Skipf("it needs %s, which %s lacks: %s", what, who, reason) //nolint:forbidigo // see StartFor
}

// NeedsVault skips the test unless Vault and consul-template are here already: their build takes a quarter of an hour, which only
// `make prove` and `nomadlab image` spend.
func NeedsVault(t testing.TB) {
	t.Helper()
	host := Engines(t).Home().DockerHost()
	for _, part := range []image.Part{image.Vault, image.ConsulTemplate} {
		here, err := image.Cached(t.Context(), host, image.Request{Part: part})
		if err != nil {
			t.Fatal(err)
		}
		if !here {
			Lacking(t, part.Title(), "this machine", "`nomadlab image --part "+part.Name()+"` gets it")
		}
	}
}

// NeedsNomad skips the test unless that version of Nomad is here already, for the engine that NOMADLAB_ENGINE selects: a build takes
// minutes, which only `make prove` and `nomadlab image` spend. The default version is always had.
func NeedsNomad(t testing.TB, version string) {
	t.Helper()
	NeedsNomadFor(t, Engines(t).Home(), version)
}

// NeedsNomadFor is NeedsNomad for an engine.
func NeedsNomadFor(t testing.TB, e engine.Engine, version string) {
	t.Helper()
	here, err := image.Cached(t.Context(), e.DockerHost(), image.Request{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	if !here && version != image.DefaultVersion {
		Lacking(t, "Nomad "+version, "this machine", "`nomadlab image --nomad-version "+version+"` gets it")
	}
}

// RunScenario runs a scenario on a fresh lab, writes its steps to the test's log, and fails the test at the first step that
// fails.
func RunScenario(t *testing.T, s scenario.Scenario) {
	t.Helper()
	w := t.Output()
	_, _ = fmt.Fprintf(w, "%s\n\n", s.Claim)
	l := StartFor(t, s)
	result, err := s.Run(t.Context(), l, &narrator{w})
	if result.Timeline != nil {
		_, _ = fmt.Fprintln(w)
		_ = result.Timeline.Text(w) // the test's output takes everything
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(w, "\nProved in %.1f s", result.Took.Seconds())
	if len(result.Findings) > 0 {
		_, _ = fmt.Fprintf(w, ", checks: %s", finding.Summarize(result.Findings))
	}
	_, _ = fmt.Fprintln(w, ".")
}

// narrator writes what happens as plain text.
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
