package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
)

// errNotRunning is returned by Reload and RestartProgram of a node that does not run.
var errNotRunning = errors.New("it does not run: start it first")

// Reload sends SIGHUP to process 1, which passes it on to the program alone.
func (e *Engine) Reload(ctx context.Context, r engine.Ref) error {
	if err := e.signal(ctx, r, "HUP"); err != nil {
		return fmt.Errorf("reload %s: %w", r, err)
	}
	return nil
}

// signal signals process 1 of a container that runs.
func (e *Engine) signal(ctx context.Context, r engine.Ref, name string) error {
	_, err := e.client.ContainerKill(ctx, containerName(r.Lab, r.Node), client.ContainerKillOptions{Signal: name})
	if errdefs.IsConflict(err) {
		return errNotRunning
	}
	return explain(err)
}

// RestartProgram has process 1 end the program and start it again; the container goes on. If ctx ends while the program has
// its grace, the program still ends and is started again. RestartProgram returns an error for a node whose process 1 is not the
// engine's: one of a lab that Docker Compose brought up, or that an earlier version of this program did.
func (e *Engine) RestartProgram(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	if err := e.restart(ctx, r, o); err != nil {
		return engine.State{}, fmt.Errorf("restart the program of %s: %w", r, err)
	}
	c, err := e.client.ContainerInspect(ctx, containerName(r.Lab, r.Node), client.ContainerInspectOptions{})
	if err != nil {
		return engine.State{}, fmt.Errorf("inspect %s: %w", r, explain(err))
	}
	return e.state(ctx, c.Container)
}

func (e *Engine) restart(ctx context.Context, r engine.Ref, o engine.Restart) error {
	c, err := e.client.ContainerInspect(ctx, containerName(r.Lab, r.Node), client.ContainerInspectOptions{})
	if err != nil {
		return explain(err)
	}
	binary, err := restartable(c.Container)
	if err != nil {
		return err
	}
	if o.Binary != "" {
		if err := e.replaceBinary(ctx, r, o.Binary, path.Join(binFolder, binary)); err != nil {
			return err
		}
	}
	before, err := e.askRestart(ctx, r)
	if err != nil {
		return err
	}
	return e.awaitRestart(ctx, r, before, o.Grace)
}

// restartable returns the name of the binary of a node whose program can be restarted.
func restartable(c container.InspectResponse) (binary string, err error) {
	if c.State == nil || !c.State.Running {
		return "", errNotRunning
	}
	if c.State.Paused {
		return "", errors.New("it is paused: resume it first")
	}
	binary, supervised := "", false
	if c.Config != nil {
		binary, supervised = binaryIn(c.Config.Entrypoint)
	}
	if !supervised {
		return "", errors.New("its program is process 1 of its container, which ends with it, as in a lab that Docker Compose brought up: " +
			"stop and start it, or use a lab of `nomadlab up`")
	}
	return binary, nil
}

// replaceBinary copies a program of this machine into the container.
func (e *Engine) replaceBinary(ctx context.Context, r engine.Ref, binary, target string) error {
	from, err := os.Open(binary)
	if err != nil {
		return fmt.Errorf("binary: %w", err)
	}
	defer func() { _ = from.Close() }()
	info, err := from.Stat()
	if err != nil {
		return fmt.Errorf("binary: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("binary %s is no program (mode %s)", binary, info.Mode())
	}
	if err := e.replace(ctx, r, nil, &program{path: target, from: from, size: info.Size()}); err != nil {
		return fmt.Errorf("copy %s to %s: %w", binary, target, err)
	}
	return nil
}

// askRestart waits until process 1 catches the signal, sends it, and returns the number of the program's start before that. All of it
// is done inside, where /proc shows what process 1 catches: just after its start, it would lose the signal.
func (e *Engine) askRestart(ctx context.Context, r engine.Ref) (start string, err error) {
	const script = `mask=0
until [ $((0x$mask & 0x200)) -ne 0 ] && read -r start process </nomadlab/program; do # SIGUSR1 is 10
	while read -r name value; do if [ "$name" = SigCgt: ]; then mask=$value; fi; done </proc/1/status
done
kill -s USR1 1 && echo "$start"`
	var out, errs bytes.Buffer
	code, err := e.Exec(ctx, r, engine.Command{Args: []string{shell, "-c", script}, Streams: engine.Streams{Stdout: &out, Stderr: &errs}})
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", fmt.Errorf("signal process 1: code %d: %s", code, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// awaitRestart returns when the program has another start than before, or the container has ended. It has the old program killed
// when the grace is over.
func (e *Engine) awaitRestart(ctx context.Context, r engine.Ref, before string, grace time.Duration) error {
	within, cancel := context.WithTimeout(ctx, grace)
	err := e.awaitStart(within, r, before)
	cancel()
	if err == nil || ctx.Err() != nil {
		return err
	}
	if err := e.signal(ctx, r, "USR2"); err != nil {
		if errors.Is(err, errNotRunning) {
			return nil
		}
		return err
	}
	ctx, cancel = deadline.Fair(ctx, deadline.Hang)
	defer cancel()
	return e.awaitStart(ctx, r, before)
}

// awaitStart returns when the program has another start than before, or the container has ended.
func (e *Engine) awaitStart(ctx context.Context, r engine.Ref, before string) error {
	return poll.Until(ctx, "the program to be started again", func(ctx context.Context) string {
		c, err := e.client.ContainerInspect(ctx, containerName(r.Lab, r.Node), client.ContainerInspectOptions{})
		if err != nil {
			return err.Error()
		}
		if s := c.Container.State; s == nil || !s.Running {
			return ""
		}
		switch now, err := e.startNumber(ctx, r); {
		case err != nil:
			return err.Error()
		case now == "" || now == before:
			return "the program's start number " + before
		}
		return ""
	})
}

// startNumber returns the number of the program's current start. It is empty while there is none.
func (e *Engine) startNumber(ctx context.Context, r engine.Ref) (string, error) {
	file, err := e.client.CopyFromContainer(ctx, containerName(r.Lab, r.Node), client.CopyFromContainerOptions{SourcePath: path.Join(ownFolder, stateName)})
	if err != nil {
		return "", explain(err)
	}
	text, err := onlyFile(file.Content)
	if err = errors.Join(err, file.Content.Close()); err != nil {
		return "", err
	}
	number, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return number, nil
}
