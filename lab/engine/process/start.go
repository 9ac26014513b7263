package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// Start starts the node's program in a session of its own, unless it runs. It first kills what the node left running when
// it last ended, as the end of a container would have done.
func (e *Engine) Start(ctx context.Context, r engine.Ref) (engine.State, error) {
	n, err := e.record(r)
	if err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, err)
	}
	unlock, err := e.lockStart(ctx, n)
	if err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, err)
	}
	defer unlock()
	if _, _, runs := e.running(n); !runs {
		if err := errors.Join(e.endLastStart(ctx, n), ctx.Err()); err != nil {
			return engine.State{}, fmt.Errorf("start %s: %w", r, err)
		}
		if err := e.launch(n, time.Now()); err != nil {
			return engine.State{}, fmt.Errorf("start %s: %w", r, e.explain(err))
		}
	}
	return e.state(n), nil
}

// lockStart returns when no other process starts the node, or ends it in order to start it again.
func (e *Engine) lockStart(ctx context.Context, n nodeRecord) (unlock func(), err error) {
	lock := flock.New(filepath.Join(e.run(n.Run).node(n.Node), startLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockInterval); err != nil {
		return nil, e.explain(err)
	}
	return func() { _ = lock.Close() }, nil
}

// endLastStart kills what is left of the last start, and waits until the process that started it has written its exit code.
func (e *Engine) endLastStart(ctx context.Context, n nodeRecord) error {
	_, last, _ := e.running(n)
	if p, ok := procfs.Read(last.PID); ok && p.Started == last.Ticks {
		awaitCollected(ctx, p)
	}
	if len(scan(markID+n.id(), onlyUser(n.UID))) == 0 {
		return nil
	}
	return sweep(ctx, markID+n.id())
}

// sweep kills all processes that have a mark.
func sweep(ctx context.Context, mark string) error {
	_, err := watchdog.Sweep(ctx, watchdog.Target{Marker: mark})
	return err
}

// launch starts the program and records its process. since is when the node was started.
func (e *Engine) launch(n nodeRecord, since time.Time) error {
	own := e.run(n.Run).node(n.Node)
	env := e.environment(n)
	program, err := lookPath(n.Command[0], env)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(own, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// The file is made now: a removal of the lab must not be followed by a new file.
	if err := os.WriteFile(filepath.Join(own, exitFile), nil, 0o600); err != nil {
		return err
	}
	command := &exec.Cmd{
		Path: program, Args: n.Command, Env: env, Dir: cmp.Or(n.Folder, e.run(n.Run).home(n.Node)), Stdout: log, Stderr: log, ExtraFiles: inheritedFiles(),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: n.account(e.users).credential()},
	}
	if err := command.Start(); err != nil {
		return err
	}
	awaitMarks(command.Process.Pid)
	p, _ := procfs.Read(command.Process.Pid)
	err = save(filepath.Join(own, startFile), startRecord{PID: p.PID, Ticks: p.Started, Started: since})
	if err != nil {
		_ = p.Signal(os.Kill)
	}
	go awaitExit(command, n, own, p.ID)
	return err
}

// awaitExit waits for a node's program, kills what it left running unless RestartProgram ends it, and writes its exit code. Only
// then does it collect the process: until that, the kernel has the exit code. own is the engine's folder of the node.
func awaitExit(command *exec.Cmd, n nodeRecord, own string, started procfs.ID) {
	exit := filepath.Join(own, exitFile)
	awaitChild(command.Process.Pid)
	if !restarts(own, started) && len(scan(markID+n.id(), onlyUser(n.UID))) > 0 {
		_ = sweep(context.Background(), markID+n.id())
	}
	if p, ok := procfs.Read(command.Process.Pid); ok && p.Ended() {
		writeExitCode(exit, exitStatus(p.Status))
	}
	_ = command.Wait()
}

// writeExitCode overwrites an existing file. A file that is gone means that the node was removed.
func writeExitCode(exit string, code int) {
	f, err := os.OpenFile(exit, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteString(strconv.Itoa(code))
	_ = f.Close()
}

// lookPath returns the path of a program, which it looks up on the PATH of that environment.
func lookPath(program string, env []string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	path := ""
	for _, entry := range env {
		if value, is := strings.CutPrefix(entry, "PATH="); is {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		candidate := filepath.Join(folder, program)
		if checkProgram(candidate) == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("there is no program %s on its PATH (%s)", program, path)
}
