package process

import (
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

// Start starts the node's program in a session of its own. A node that runs stays as it is. What its client left behind
// when it last ended is killed first, as it would have gone with a container.
func (e *Engine) Start(ctx context.Context, r engine.Ref) (engine.State, error) {
	n, err := e.record(r)
	if err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, err)
	}
	lock := flock.New(filepath.Join(e.run(n.Run).node(n.Node), startLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, e.explain(err))
	}
	defer func() { _ = lock.Close() }()
	if _, _, runs := e.running(n); !runs {
		if err := errors.Join(e.clear(ctx, n), ctx.Err()); err != nil {
			return engine.State{}, fmt.Errorf("start %s: %w", r, err)
		}
		if err := e.launch(n); err != nil {
			return engine.State{}, fmt.Errorf("start %s: %w", r, e.explain(err))
		}
	}
	return e.state(n), nil
}

// clear makes room for a start: what is left of the last one ends, and whoever started that one has noted how it ended.
func (e *Engine) clear(ctx context.Context, n nodeRecord) error {
	_, last, _ := e.running(n)
	if p, ok := procfs.Look(last.PID); ok && p.Started == last.Ticks {
		awaitCollected(ctx, p)
	}
	if len(scan(markID+n.id(), is(n.UID))) == 0 {
		return nil
	}
	return sweep(ctx, markID+n.id())
}

// sweep kills all that bears a mark.
func sweep(ctx context.Context, mark string) error {
	_, err := watchdog.Sweep(ctx, watchdog.Target{Marker: mark})
	return err
}

// launch starts the program and writes down which process it is.
func (e *Engine) launch(n nodeRecord) error {
	own := e.run(n.Run).node(n.Node)
	env := e.environment(n)
	program, err := find(n.Command[0], env)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(own, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// The file is there from now on: whoever removes the lab must not be met by a new one.
	if err := os.WriteFile(filepath.Join(own, exitFile), nil, 0o600); err != nil {
		return err
	}
	command := &exec.Cmd{
		Path: program, Args: n.Command, Env: env, Dir: e.run(n.Run).home(n.Node), Stdout: log, Stderr: log, ExtraFiles: inherited(),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: n.account(e.agents).credential()},
	}
	if err := command.Start(); err != nil {
		return err
	}
	awaitMarks(command.Process.Pid)
	p, _ := procfs.Look(command.Process.Pid)
	err = save(filepath.Join(own, startFile), startRecord{PID: p.PID, Ticks: p.Started, Started: time.Now()})
	if err != nil {
		_ = p.Signal(os.Kill)
	}
	go attend(command, n, filepath.Join(own, exitFile))
	return err
}

// attend waits for a node's program, ends what it left, and notes how it ended. Only then is the process collected: as long
// as the kernel still lists it, it is the kernel that tells its exit code.
func attend(command *exec.Cmd, n nodeRecord, exit string) {
	awaitChild(command.Process.Pid)
	if len(scan(markID+n.id(), is(n.UID))) > 0 {
		_ = sweep(context.Background(), markID+n.id())
	}
	if p, ok := procfs.Look(command.Process.Pid); ok && p.Ended() {
		note(exit, code(p.Status))
	}
	_ = command.Wait()
}

// note writes into a file that is there, over what an earlier start may have left in it. Where it is gone, so is the node.
func note(exit string, code int) {
	f, err := os.OpenFile(exit, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteString(strconv.Itoa(code))
	_ = f.Close()
}

// find looks a program up on the PATH of that environment.
func find(program string, env []string) (string, error) {
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
