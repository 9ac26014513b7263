package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
)

// result is the exit code and the output of one call of the command.
type result struct {
	code      int
	out, errs string
}

// call runs the command in this process.
func call(t *testing.T, a *app, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := a.execute(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return result{code: code, out: out.String(), errs: errs.String()}
}

// user calls the command with that engine, or without naming one.
type user struct {
	engine engines.Kind
	// env, NAME=value, and folder are the user's own. With one of them the command runs in a process of its own.
	env    []string
	folder string
}

// on adds --engine to the arguments: the environment is the same for all tests.
func (u user) on(args []string) []string {
	if u.engine == "" {
		return args
	}
	return append([]string{"--engine", string(u.engine)}, args...)
}

// call runs the command, in this process unless the user has an environment or a folder.
func (u user) call(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	if u.folder != "" || len(u.env) > 0 {
		return u.apart(t, stdin, args...)
	}
	return call(t, newApp(), stdin, u.on(args)...)
}

// must calls the command, fails the test if it fails, and returns its output.
func (u user) must(t *testing.T, args ...string) string {
	t.Helper()
	return u.call(t, "", args...).fine(t, args)
}

// apart runs the command in a process of its own: this test binary, which TestMain makes the command.
func (u user) apart(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, u.on(args)...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), u.env...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = u.folder, strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return result{code: cmd.ProcessState.ExitCode(), out: out.String(), errs: errs.String()}
}

// mustApart is must in a process of its own. It returns standard error as well.
func (u user) mustApart(t *testing.T, args ...string) string {
	t.Helper()
	r := u.apart(t, "", args...)
	return r.fine(t, args) + r.errs
}

// fine returns the output of a call, and fails the test if it did not succeed.
func (r result) fine(t *testing.T, args []string) string {
	t.Helper()
	if r.code != exitFine {
		t.Fatalf("nomadlab %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.errs)
	}
	return r.out
}
