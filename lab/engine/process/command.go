package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// command is a program that is run to its end.
type command struct {
	args   []string
	env    []string
	folder string
	user   account
	// mark is unique to the command.
	mark string
	// killAfter is true if what the command has started is killed at its end.
	killAfter bool
	engine.Streams
}

// newMark returns a mark that no other command has.
func newMark() string { return markTask + rand.Text() }

// Exec runs a command as the node's user, in the node's folder and environment. When ctx or the node ends, the command and
// all that it started are killed.
func (e *Engine) Exec(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
	n, err := e.record(r)
	if err != nil {
		return 0, fmt.Errorf("run %q in %s: %w", c.Args[0], r, err)
	}
	if _, _, runs := e.running(n); !runs {
		return 0, fmt.Errorf("run %q in %s: the node does not run: start it first", c.Args[0], r)
	}
	mark := newMark()
	code, err := command{
		args: c.Args, env: slices.Concat(e.environment(n), terminal(c.Streams), c.Environment, []string{mark}),
		folder: e.run(n.Run).home(n.Node), user: n.account(e.users), mark: mark, Streams: c.Streams,
	}.run(ctx)
	if err != nil {
		return 0, fmt.Errorf("run %q in %s: %w", c.Args[0], r, err)
	}
	return code, nil
}

// terminal returns the environment variable that programs need for a terminal.
func terminal(s engine.Streams) []string {
	if s.Terminal {
		return []string{"TERM=xterm"}
	}
	return nil
}

// run returns when the command has ended and has closed its outputs, or when ctx has ended and the command is dead.
func (c command) run(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	program, err := lookPath(c.args[0], c.env)
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{
		Path: program, Args: c.args, Env: c.env, Dir: c.folder, ExtraFiles: inheritedFiles(),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: c.user.credential()},
	}
	p, err := connect(cmd, c.Streams, c.user)
	if err != nil {
		return 0, fmt.Errorf("make its streams: %w", err)
	}
	defer p.close()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	awaitMarks(cmd.Process.Pid)
	p.start(c.Streams)
	return c.await(ctx, cmd, p)
}

func (c command) await(ctx context.Context, cmd *exec.Cmd, p *pump) (int, error) {
	done := make(chan error, 1)
	go func() {
		awaitChild(cmd.Process.Pid)
		var err error
		if c.killAfter {
			err = c.kill(ctx)
		}
		waited := cmd.Wait()
		if exit := new(exec.ExitError); !errors.As(waited, &exit) {
			err = errors.Join(err, waited)
		}
		done <- errors.Join(err, p.wait())
	}()
	select {
	case err := <-done:
		return codeOf(cmd), err
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), c.kill(ctx))
		p.close() // a process that was not killed may still hold them
		return 0, errors.Join(err, <-done)
	}
}

func codeOf(cmd *exec.Cmd) int {
	if status, is := cmd.ProcessState.Sys().(syscall.WaitStatus); is {
		return exitStatus(status)
	}
	return cmd.ProcessState.ExitCode()
}

// kill kills the command and all that it started, even if ctx has ended.
func (c command) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	return sweep(ctx, c.mark)
}
