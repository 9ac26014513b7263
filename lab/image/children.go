package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

const (
	// briefly is enough for a command that only prints something, where the machine is not busy: see deadline.Fair.
	briefly = 10 * time.Second
	// dying is how long the members of a killed process group may take to be gone. They take milliseconds;
	// all of it is waited only where nobody reaps orphans (PID 1 of many containers does not).
	dying = 500 * time.Millisecond
)

// children starts child processes such that none outlives the run: each leads a process group of its own,
// which is killed as a whole when the context ends.
type children struct {
	environment []string      // added to that of every child
	patience    time.Duration // with a command that only prints something
}

// command prepares a child that works in dir.
func (c children) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// Messages are searched for words, so they must be in English.
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), c.environment...)
	cmd.SysProcAttr = groupLeader()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = dying
	return cmd
}

// run starts the child and returns when it has ended and, where the context ended it, all of its group.
func run(ctx context.Context, cmd *exec.Cmd) error {
	// The kernel's "kill the child when its parent dies" watches the thread that started the child, not the
	// process: an idle thread that Go's scheduler ends would take the child with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		awaitGroupEnd(cmd.Process.Pid)
		return ctx.Err()
	}
	return err
}

// awaitGroupEnd returns when no process of the group is left, so that the files they write can be removed
// for good. It gives up soon: what is dead and not reaped stays in the group.
func awaitGroupEnd(group int) {
	ctx, cancel := context.WithTimeout(context.Background(), dying)
	defer cancel()
	_ = poll.Every(ctx, 5*time.Millisecond, func() bool { return syscall.Kill(-group, 0) != nil })
}

// errNoAnswer: a child was killed because it took too long to print something.
var errNoAnswer = errors.New("no answer")

// ask runs a command that only prints something, and returns what. An error is errNoAnswer when that took
// longer than it may.
func (c children) ask(ctx context.Context, name string, args ...string) (string, error) {
	asking, cancel := deadline.Fair(ctx, c.patience)
	defer cancel()
	var out strings.Builder
	var words transcript
	cmd := c.command(asking, "", name, args...)
	cmd.Stdout, cmd.Stderr = &out, &words
	err := run(asking, cmd)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w within %v", errNoAnswer, c.patience)
	}
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w%s", name, strings.Join(args, " "), err, words.quote())
	}
	return out.String(), nil
}
