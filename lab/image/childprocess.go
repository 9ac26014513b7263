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
	// askTimeout limits a command that only prints something, on a quiet machine: see deadline.Fair.
	askTimeout = 10 * time.Second
	// groupEndTimeout is how long to wait until a killed process group is gone. It takes milliseconds, unless no process
	// reaps orphans (PID 1 of many containers does not).
	groupEndTimeout = 500 * time.Millisecond
)

// children starts child processes that do not outlive the run: each leads a process group of its own, which is killed when
// the context ends.
type children struct {
	environment []string      // added to that of every child
	timeout     time.Duration // with a command that only prints something
}

// command returns a child process that works in dir.
func (c children) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// Messages are searched for English words.
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), c.environment...)
	cmd.SysProcAttr = groupLeader()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = groupEndTimeout
	return cmd
}

// run starts the child and returns when it has ended. If the context ended it, its whole group has ended too.
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

// awaitGroupEnd returns when no process of the group is left, so that none writes to files that are being removed. It gives
// up after groupEndTimeout, because processes that are not reaped stay in the group.
func awaitGroupEnd(group int) {
	ctx, cancel := context.WithTimeout(context.Background(), groupEndTimeout)
	defer cancel()
	_ = poll.Every(ctx, 5*time.Millisecond, func() bool { return syscall.Kill(-group, 0) != nil })
}

// errNoAnswer is returned if a child was killed because it took too long.
var errNoAnswer = errors.New("no answer")

// longestAnswer is how much a program may print when it is asked for its version, in bytes.
const longestAnswer = 1 << 16

// answer collects what a program prints. A program that prints without end gets an error, and ends.
type answer struct{ strings.Builder }

// Write returns an error for a text beyond longestAnswer.
func (a *answer) Write(p []byte) (int, error) {
	if a.Len()+len(p) > longestAnswer {
		return 0, fmt.Errorf("it prints more than %d bytes", longestAnswer)
	}
	return a.Builder.Write(p)
}

// ask runs a command that only prints something, and returns its output. The error is errNoAnswer if it took too long.
func (c children) ask(ctx context.Context, name string, args ...string) (string, error) {
	asking, cancel := deadline.Fair(ctx, c.timeout)
	defer cancel()
	var out answer
	var stderr transcript
	cmd := c.command(asking, "", name, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := run(asking, cmd)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w within %v", errNoAnswer, c.timeout)
	}
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w%s", name, strings.Join(args, " "), err, stderr.quote())
	}
	return out.String(), nil
}
