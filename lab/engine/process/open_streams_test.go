package process_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// TestStreamsHeldByOtherProcess: a process that has no mark and is no descendant of the command any more may keep its
// terminal or pipes open.
func TestStreamsHeldByOtherProcess(t *testing.T) {
	t.Parallel()
	// The inner shell has ended by then, so that the sleeper is no child of the command.
	const script = `env -i /bin/sh -c 'setsid /bin/sleep 1000 & echo $! > "$0/new"; mv "$0/new" "$0/pid"' "$AT"; echo ready; exec sleep 1000`
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	for name, run := range map[string]func(ctx context.Context, env []string, s engine.Streams) error{
		"exec": func(ctx context.Context, env []string, s engine.Streams) error {
			_, err := w.Exec(ctx, w.ref("one"), engine.Command{Args: []string{"sh", "-c", script}, Environment: env, Streams: s})
			return err
		},
		"run": func(ctx context.Context, env []string, s engine.Streams) error {
			task := w.task(script, s)
			task.Environment = env
			_, err := w.Run(ctx, task)
			return err
		},
	} {
		for kind, s := range map[string]engine.Streams{
			"terminal":             {Terminal: true},
			"terminal with a size": {Terminal: true, Size: func() (uint, uint) { return 80, 24 }},
			"pipes":                {},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				at := t.TempDir()
				must(t, os.Chmod(at, 0o777)) //nolint:gosec,nolintlint // the agents' user writes there
				must(t, os.Chmod(at+"/..", 0o711))
				ctx, cancel := context.WithCancel(t.Context())
				s.Stdout = onWrite(cancel)
				ended := make(chan error, 1)
				go func() { ended <- run(ctx, []string{"AT=" + at}, s) }()
				holder := untilPID(t, at+"/pid")
				defer func() {
					if err := syscall.Kill(holder, syscall.SIGKILL); err != nil {
						t.Errorf("no process has escaped, so this proves nothing: %v", err)
					}
				}()
				select {
				case err := <-ended:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("%v, want context.Canceled", err)
					}
				case <-time.After(10 * time.Second):
					t.Error("it still waits for who has escaped")
				}
			})
		}
	}
}
