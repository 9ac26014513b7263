package rehearsal_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rehearsal"
	"nomadlab.internal/lab/rollout"
)

// shortStep is a step timeout for a change that breaks: what it waits for never comes. In these changes no other step waits for a clock
// of Nomad's.
const shortStep = 4 * time.Second

func run(t *testing.T, o rehearsal.Options, from, to rehearsal.Side) rehearsal.Rehearsal {
	t.Helper()
	r, err := rehearsal.Run(t.Context(), o, from, to)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	return r
}

// TestAnotherAuthority rehearses a change of the authority. Each node changed once, those that have changed and those that have not
// refuse each other. In rounds nothing is lost.
func TestAnotherAuthority(t *testing.T) {
	folder := copied(t, "hardened")
	from := side(t, "old", folder, issued(t, authority(t, "the old authority")))
	to := side(t, "new", folder, issued(t, authority(t, "the new authority")))
	o := options(t)
	o.StepTimeout = shortStep
	r := run(t, o, from, to)
	if got := r.Result(); got != rehearsal.Breaks {
		t.Errorf("each node changed once: %q, want %q", got, rehearsal.Breaks)
	}
	better := r.Better()
	if better == nil || better.Order != rehearsal.InRounds || better.Result != rehearsal.LostNothing {
		t.Errorf("the better order is %v, want %s, which loses nothing", better, rehearsal.InRounds)
	}
	if better == nil {
		return
	}
	for _, step := range better.Steps {
		if step.Node != "" && string(step.Effect) != string(rehearsal.Reload) {
			t.Errorf("%s takes effect by %q, want a reload", step.Node, step.Effect)
		}
	}
}

// TestAChangeThatLosesNothing rehearses a restart of every node, a gossip key that changes by calls of the API, and bootstrap_expect, which
// changes nothing. The posture is the same afterwards.
func TestAChangeThatLosesNothing(t *testing.T) {
	from := hardenedWith(t, "old")
	to := hardenedWith(t, "new", "http_max_conns_per_client = 100", "http_max_conns_per_client = 120", theKey, otherKey, "bootstrap_expect = 3", "bootstrap_expect = 5")
	r := run(t, options(t), from, to)
	if got := r.Result(); got != rehearsal.LostNothing || len(r.Attempts) != 1 {
		t.Fatalf("%q in %d orders, want %q in one", got, len(r.Attempts), rehearsal.LostNothing)
	}
	a := r.Attempts[0]
	var restarted []string
	for _, s := range a.Steps {
		if s.Effect == rollout.Restart {
			restarted = append(restarted, s.Node)
		}
	}
	if len(restarted) != 4 || restarted[3] != "client-1" {
		t.Errorf("restarted: %q, want three servers and then the client", restarted)
	}
	if !strings.Contains(strings.Join(r.Notes, "\n"), "bootstrap_expect has no effect") {
		t.Errorf("the notes do not say that bootstrap_expect has no effect: %q", r.Notes)
	}
	if a.Timeline == nil || a.After.Comparison == nil || len(a.After.Comparison.Changes) > 0 {
		t.Error("there is no timeline, no comparison, or one with changes")
	}
	if len(a.Stages) != 6 { // before, after each of four nodes, after
		t.Errorf("%d postures, want 6", len(a.Stages))
	}
	if report := r.Report(); report.Timeline == nil || report.Findings[0].ID != "change-goes-through" || report.Findings[0].Result != finding.Pass {
		t.Errorf("the report begins with %+v", report.Findings[0])
	}
}

// TestAChangeWithACost moves the client's data_dir: it registers as another node, and its allocations are replaced.
func TestAChangeWithACost(t *testing.T) {
	folder := copied(t, "hardened", `enforcement = "strict"`, `enforcement = "warn"`)
	moved := copied(t, "hardened", `enforcement = "strict"`, `enforcement = "warn"`)
	change(t, moved+"/client/nomad.hcl", "/opt/nomad/data", "/srv/nomad")
	r := run(t, options(t), side(t, "old", folder, ""), side(t, "new", moved, ""))
	if got := r.Result(); got != rehearsal.Costs {
		t.Fatalf("%q, want %q", got, rehearsal.Costs)
	}
	if len(r.Attempts) != 1 || len(r.Attempts[0].Load.Moved) == 0 {
		t.Errorf("no allocation was moved, or other orders were tried: %v", r.Attempts[0].Load)
	}
}

// TestACLsSwitchedOn loses at most calls that ask for a token before the bootstrap, and no write. The posture is stronger afterwards.
func TestACLsSwitchedOn(t *testing.T) {
	const on, off = "enabled = true\n\n  # How long a revoked", "enabled = false\n\n  # How long a revoked"
	from := hardenedWith(t, "old", on, off, `enforcement = "strict"`, `enforcement = "warn"`)
	r := run(t, options(t), from, hardenedWith(t, "new", `enforcement = "strict"`, `enforcement = "warn"`))
	a := r.Attempts[0]
	if a.Result != rehearsal.LostNothing && a.Result != rehearsal.Costs || len(a.Load.Lost) > 0 || len(a.Load.Moved) > 0 {
		t.Fatalf("%q: %s", a.Result, a.Why)
	}
	stronger := false
	for _, c := range a.After.Comparison.Changes {
		stronger = stronger || c.ID == "server-lets-nobody-read-variables-without-token" && c.Direction == finding.Stronger
	}
	if !stronger {
		t.Errorf("variables are as open as before: %+v", a.After.Comparison.Changes)
	}
}

// TestAnOldSideThatDoesNotComeUp rolls nothing out: clients without TLS never reach servers with it.
func TestAnOldSideThatDoesNotComeUp(t *testing.T) {
	folder := copied(t, "hardened")
	change(t, folder+"/client/nomad.hcl", "  rpc = true", "  rpc = false")
	r := run(t, options(t), side(t, "old", folder, ""), hardenedWith(t, "new"))
	a := r.Attempts[0]
	if a.Result != rehearsal.Unknown || len(a.Steps) > 0 || !strings.Contains(a.Why, "old does not come up, and nothing was rolled out") {
		t.Errorf("%q: %s, with %d steps", a.Result, a.Why, len(a.Steps))
	}
	if len(a.Stages) != 1 || a.Stages[0].Checks.Fail == 0 {
		t.Errorf("its posture is %+v", a.Stages)
	}
}

// TestANewSideThatNomadRefuses touches nothing. Reading the files finds such a line too: this one is added after that, so that it is Nomad
// that refuses it. In a lab the line is left out.
func TestANewSideThatNomadRefuses(t *testing.T) {
	to := hardenedWith(t, "new")
	c := *to.Source.Configuration
	c.Client.Files = append(slices.Clone(c.Client.Files), agentconf.NewFile("volume.hcl", []byte("client {\n  host_volume \"data\" {\n    read_only = true\n  }\n}\n")))
	to.Source.Configuration = &c
	_, err := rehearsal.Run(t.Context(), options(t), hardenedWith(t, "old"), to)
	if !errors.Is(err, regress.ErrConfiguration) || !strings.Contains(err.Error(), "nothing was rolled out") || !strings.Contains(err.Error(), "Missing path in host_volume config") {
		t.Errorf("%v, want Nomad's refusal", err)
	}
}

// TestInterrupted ends a rehearsal at its second step: the error says where it stood, and nothing is left of the lab.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o, steps := options(t), 0
	o.Check.Progress = func(e lab.Event) {
		if e.Phase == "rollout" {
			if steps++; steps == 2 {
				cancel()
			}
		}
	}
	_, err := rehearsal.Run(ctx, o, hardenedWith(t, "old"), hardenedWith(t, "new", "http_max_conns_per_client = 100", "http_max_conns_per_client = 120"))
	stood, is := errors.AsType[*rehearsal.InterruptedError](err)
	if !is || !strings.Contains(stood.Text, "it stood at step 2 (server-") || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want where it stood", err)
	}
	left, err := o.Check.Engine.Labs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range left {
		if strings.HasPrefix(name, o.Check.Name) {
			t.Errorf("lab %s is left", name)
		}
	}
}

// change replaces a text in a file.
func change(t *testing.T, file, before, after string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), before) {
		t.Fatalf("%s has no %q", file, before)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
