package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/spec"
)

func TestExitCodes(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("doing something: %w", err) }
	tests := []struct {
		name string
		err  error
		want int
		says string
	}{
		{"fine", nil, exitFine, ""},
		{"failed", errors.New("boom"), exitFailed, "nomadlab: boom\n"},
		{"invalid", wrapped(spec.ErrInvalid), exitUsage, "doing something"},
		{"taken", wrapped(spec.ErrTaken), exitUsage, "taken"},
		{"not found", wrapped(lab.ErrNotFound), exitUsage, "no such lab"},
		{"no engine", wrapped(engine.ErrUnavailable), exitUsage, "unavailable"},
		{"engine's disk full", &lab.StartError{Lab: "x", Err: wrapped(engine.ErrNoSpace)}, exitUsage, "no space"},
		{"build's disk full", wrapped(image.ErrNoSpace), exitUsage, "space"},
		{"unknown version", &image.UnknownVersionError{Version: "0"}, exitUsage, "unknown Nomad version"},
		{"unknown part", wrapped(image.ErrUnknownPart), exitUsage, "unknown part"},
		{"image that cannot be had", &lab.StartError{Lab: "x", Err: wrapped(image.ErrNoRegistry)}, exitUsage, "no image registry answers"},
		{"did not come up", &lab.StartError{Lab: "x", Err: errors.New("no leader")}, exitFailed, "did not come up"},
		{"passed on", wrapped(&exitError{code: 42}), 42, ""},
		{"several lines", errors.New("one\ntwo"), exitFailed, "nomadlab: one\n  two\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			if got := printError(t.Context(), &b, test.err); got != test.want {
				t.Errorf("exit code %d, want %d", got, test.want)
			}
			if test.says == "" && b.Len() > 0 {
				t.Errorf("says %q, want nothing", b.String())
			}
			contains(t, b.String(), test.says)
		})
	}
}

func TestInterruptedIsOneWord(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := fmt.Errorf("wait for something long: %w", context.Canceled)
	var before, after strings.Builder
	printError(ctx, &before, cancelled)
	cancel()
	code := printError(ctx, &after, cancelled)
	contains(t, before.String(), "wait for something long")
	if code != exitFailed || after.String() != "nomadlab: interrupted\n" {
		t.Errorf("exit code %d, %q", code, after.String())
	}
}

func TestWrongUsage(t *testing.T) {
	tests := []struct {
		args string
		says string
		help string
	}{
		{"lists", `there is no command "lists": did you mean list?`, "nomadlab --help"},
		{"up --sevrers 3", "unknown flag: --sevrers", "nomadlab up --help"},
		{"up --servers many", "invalid argument", "nomadlab up --help"},
		{"up demo", "name the lab with --name", "nomadlab up --help"},
		{"up --wait long", "--wait is", "nomadlab up --help"},
		{"up --timeout 0s", "--timeout is", "nomadlab up --help"},
		{"up --image a --nomad-version 1.11.3", "exclude each other", "nomadlab up --help"},
		{"down a --all", "exclude each other", "nomadlab down --help"},
		{"status a b", `unexpected argument "b"`, "nomadlab status --help"},
		{"env --shell tcsh", "--shell is", "nomadlab env --help"},
		{"plan --format xml", "--format is", "nomadlab plan --help"},
		{"nomad server members", "put -- before", "nomadlab nomad --help"},
		{"nomad --lab a b -- version", "named twice", "nomadlab nomad --help"},
		{"exec server-1 ls", "put -- before", "nomadlab exec --help"},
		{"exec -- ls", "name a node", "nomadlab exec --help"},
		{"exec a b c -- ls", `unexpected argument "c"`, "nomadlab exec --help"},
		{"completion bash zsh", "zsh", "nomadlab completion bash --help"},
		{"run", "name a scenario", "nomadlab run --help"},
		{"run x --all", "exclude each other", "nomadlab run --help"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			a, _ := faked(t)
			r := call(t, a, "", strings.Fields(test.args)...)
			if r.code != exitUsage || r.out != "" {
				t.Errorf("exit code %d, on standard output %q", r.code, r.out)
			}
			contains(t, r.errs, "nomadlab: ", test.says, "see `"+test.help+"`")
			if strings.Contains(r.errs, "Usage:") {
				t.Errorf("the whole usage is printed:\n%s", r.errs)
			}
		})
	}
}

func TestInvalidInputStartsNothing(t *testing.T) {
	for _, args := range []string{
		"up --servers 0", "up --clients -1", "up --name Not_A_Label", "up --log-level loud", "up --file /nonexistent.yaml",
		"plan --servers 0", "down ../..", "status Not_A_Label", "run no-such-scenario", "status none-such",
	} {
		t.Run(args, func(t *testing.T) {
			a, _ := faked(t) // whose engine panics when anything is to be created
			if r := call(t, a, "", strings.Fields(args)...); r.code != exitUsage || r.out != "" || r.errs == "" {
				t.Errorf("exit code %d, %q, %q", r.code, r.out, r.errs)
			}
		})
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range newApp().root(nil).Commands() {
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example, or no description", c.CommandPath())
		}
	}
}

// TestInterruptedSaysWhatBecameOfTheLab checks the message for each error of lab.Up.
func TestInterruptedSaysWhatBecameOfTheLab(t *testing.T) {
	signal := errors.New("interrupt signal received") // what os/signal's contexts have as their cause
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signal)
	waiting := fmt.Errorf("waited for a leader: %w", signal)
	stuck := fmt.Errorf("remove lab x: %w", errors.New("the daemon does not answer"))
	begun := func(errs ...error) error { return &lab.StartError{Lab: "x", Err: errors.Join(errs...)} }
	const removed, nothing, down = "what was started of lab x has been removed", "nothing of lab x was started", "nomadlab down x"
	for name, c := range map[string]struct {
		err        error
		says, not  string
		interrupts bool
	}{
		"while it was waited for":       {begun(waiting), removed, down, true},
		"while something was asked":     {begun(fmt.Errorf("list: %w", context.Canceled)), removed, down, true},
		"while both":                    {begun(waiting, context.Canceled), removed, down, true},
		"and it could not be removed":   {begun(waiting, stuck), down, removed, true},
		"and the error says so":         {begun(waiting, stuck), "the daemon does not answer", removed, true},
		"while a child was run":         {begun(fmt.Errorf("build: %w", &exec.ExitError{})), down, removed, true},
		"before anything was begun":     {waiting, nothing, down, true},
		"when it would have failed too": {fmt.Errorf("%w: lab x", spec.ErrTaken), "taken", nothing, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := interrupted(ctx, "x", c.err)
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), c.not) {
				t.Errorf("it says %q, want %q and not %q", err, c.says, c.not)
			}
			if errors.As(err, new(*interruptedError)) != c.interrupts {
				t.Errorf("it is %T", err)
			}
		})
	}
}

// TestInterruptedWhileAnotherLabHasTheName must not suggest to remove that lab.
func TestInterruptedWhileAnotherLabHasTheName(t *testing.T) {
	a, labs := faked(t, "demo") // its folder does not exist, as after a start that was killed
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := &cancelling{at: "waiting until", cancel: cancel}
	var out strings.Builder
	if code := a.execute(ctx, []string{"up", "--name", "demo"}, nil, &out, errs); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	contains(t, errs.String(), "interrupted: nothing of lab demo was started")
	if strings.Contains(errs.String(), "nomadlab down") || len(labs) != 1 {
		t.Errorf("the other lab: %v\n%s", labs.names(), errs.String())
	}
}
