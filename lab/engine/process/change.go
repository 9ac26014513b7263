package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Reload sends SIGHUP to the agent, and to no process that it has started.
func (e *Engine) Reload(ctx context.Context, r engine.Ref) error {
	agent, err := e.agent(r)
	if err == nil && agent.PID == 0 {
		err = errNotRunning
	}
	if err == nil {
		err = agent.Signal(syscall.SIGHUP)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return fmt.Errorf("reload %s: %w", r, err)
	}
	return nil
}

// RestartProgram ends the agent alone and starts it again; its task executors and tasks keep the node's marks, by which Stop, Kill
// and Remove end them. If ctx ends while the agent has its grace, the agent is still started again. RestartProgram returns an
// error, and the node does not run, if the kernel cannot execute the new binary.
func (e *Engine) RestartProgram(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	s, err := e.restart(ctx, r, o)
	if err != nil {
		return engine.State{}, fmt.Errorf("restart the program of %s: %w", r, e.explain(err))
	}
	return s, nil
}

func (e *Engine) restart(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	n, err := e.record(r)
	if err != nil {
		return engine.State{}, err
	}
	unlock, err := e.lockStart(ctx, n)
	if err != nil {
		return engine.State{}, err
	}
	defer unlock()
	p, start, runs := e.running(n)
	if !runs {
		return engine.State{}, errNotRunning
	}
	if p.Stopped() {
		return engine.State{}, errors.New("it is paused: resume it first")
	}
	if o.Binary != "" {
		if n, err = e.replaceBinary(n, o.Binary); err != nil {
			return engine.State{}, err
		}
	}
	if err := e.endForRestart(context.WithoutCancel(ctx), n, p, o.Grace); err != nil {
		return engine.State{}, err
	}
	if err := e.launch(n, start.Started); err != nil {
		return engine.State{}, err
	}
	return e.state(n), nil
}

// endForRestart ends the agent, and leaves alone what it has started.
func (e *Engine) endForRestart(ctx context.Context, n nodeRecord, agent procfs.Process, grace time.Duration) error {
	if err := save(filepath.Join(e.run(n.Run).node(n.Node), restartFile), agent.ID); err != nil {
		return err
	}
	if err := agent.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := awaitEnd(ctx, agent, grace); err != nil {
		return err
	}
	if agent.Alive() {
		if err := killProgram(n, agent); err != nil {
			return err
		}
		if err := awaitEnd(ctx, agent, deadline.Hang); err != nil {
			return err
		}
	}
	if agent.Alive() {
		return fmt.Errorf("process %d has not ended within %s of SIGKILL", agent.PID, deadline.Hang)
	}
	awaitCollected(ctx, agent) // by then its exit code is written, which is not to be taken for the next one's
	return nil
}

// restarts reports whether RestartProgram ends, or has ended, that agent. own is the engine's folder of the node.
func restarts(own string, agent procfs.ID) bool {
	ending, there, err := load[procfs.ID](filepath.Join(own, restartFile))
	return err == nil && there && ending == agent
}

// killProgram kills the agent. If it is a supervisor of the node's binary, as consul-template is, it also kills the binary that
// it runs, which would keep the ports.
func killProgram(n nodeRecord, agent procfs.Process) error {
	binary := cmp.Or(n.Program, usualProgram)
	if filepath.Base(n.Command[0]) == binary {
		return agent.Signal(os.Kill)
	}
	err := agent.Signal(syscall.SIGSTOP) // it must not start another
	for _, p := range scan(markID+n.id(), onlyUser(n.UID)) {
		if p.Parent == agent.PID && procfs.Command(p.PID) == binary {
			err = errors.Join(err, p.Signal(os.Kill))
		}
	}
	return errors.Join(err, agent.Signal(os.Kill))
}

// replaceBinary makes the node run another binary from its next start on, and returns its new record.
func (e *Engine) replaceBinary(n nodeRecord, binary string) (nodeRecord, error) {
	if err := checkProgram(binary); err != nil {
		return n, err
	}
	name := cmp.Or(n.Program, usualProgram)
	program, err := e.programFor(e.run(n.Run), binary, name)
	if err != nil {
		return n, err
	}
	root, err := os.OpenRoot(e.run(n.Run).home(n.Node))
	if err != nil {
		return n, err
	}
	defer func() { _ = root.Close() }()
	link, fresh := filepath.Join(binFolder, name), filepath.Join(binFolder, temporaryName())
	if err := root.Symlink(program, fresh); err != nil {
		return n, err
	}
	if user := n.account(e.users); user.isOther {
		err = root.Lchown(fresh, user.uid, user.gid)
	}
	if err == nil {
		err = root.Rename(fresh, link)
	}
	if err != nil {
		return n, errors.Join(err, root.Remove(fresh))
	}
	n.Image = binary
	return n, save(filepath.Join(e.run(n.Run).node(n.Node), nodeFile), n)
}
