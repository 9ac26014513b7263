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
	// mark is borne by it and by nothing else.
	mark string
	// alone: what it started ends with it.
	alone bool
	engine.Streams
}

// newMark tells one command from all others.
func newMark() string { return markTask + rand.Text() }

// Exec runs a command as the node's user, in the node's folder and environment. Unlike in a container it is killed with all
// that it started when ctx ends, and so it is when the node ends.
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
		folder: e.run(n.Run).home(n.Node), user: n.account(e.agents), mark: mark, Streams: c.Streams,
	}.run(ctx)
	if err != nil {
		return 0, fmt.Errorf("run %q in %s: %w", c.Args[0], r, err)
	}
	return code, nil
}

// terminal is what programs must know of a terminal.
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
	program, err := find(c.args[0], c.env)
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{
		Path: program, Args: c.args, Env: c.env, Dir: c.folder, ExtraFiles: inherited(),
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
	p.begin(c.Streams)
	return c.await(ctx, cmd, p)
}

func (c command) await(ctx context.Context, cmd *exec.Cmd, p *pump) (int, error) {
	done := make(chan error, 1)
	go func() {
		awaitChild(cmd.Process.Pid)
		var err error
		if c.alone {
			err = c.end(ctx)
		}
		waited := cmd.Wait()
		if exit := new(exec.ExitError); !errors.As(waited, &exit) {
			err = errors.Join(err, waited)
		}
		done <- errors.Join(err, p.drained())
	}()
	select {
	case err := <-done:
		return codeOf(cmd), err
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), c.end(ctx))
		p.close() // what has escaped us may still hold them
		return 0, errors.Join(err, <-done)
	}
}

func codeOf(cmd *exec.Cmd) int {
	if status, is := cmd.ProcessState.Sys().(syscall.WaitStatus); is {
		return code(status)
	}
	return cmd.ProcessState.ExitCode()
}

// end kills the command with all that it started, also when ctx has ended: that is how it ends then.
func (c command) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	return sweep(ctx, c.mark)
}
