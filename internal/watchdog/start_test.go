//go:build linux

package watchdog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
)

// TestWatchdogHoldsNoStreams: a reader of what the owner writes, such as go test or a shell's pipeline, does not wait for the
// watchdog.
func TestWatchdogHoldsNoStreams(t *testing.T) {
	t.Parallel()
	target := watchdog.Target{Folders: newTarget(t).Folders} // no process that would hold the pipe as well
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	command := ownerCommand(t, "owner", script{Target: target})
	command.ExtraFiles = []*os.File{write, write} // file descriptors 3 and 4 of the owner, which it hands on
	players := launch(t, command)
	must(t, write.Close())
	kill(t, players.Owner, syscall.SIGKILL)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, read)
		ended <- err
	}()
	began := time.Now()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(deadline.Hang):
		t.Error("the pipe that the owner inherited is still open")
	}
	t.Logf("closed after %s", time.Since(began).Round(time.Millisecond))
	if !alive(players.Watchdog) {
		t.Error("the watchdog has ended already, so this proves nothing")
	}
}

func TestWaitReturnsWhileWatchdogLives(t *testing.T) {
	t.Parallel()
	s := script{Target: watchdog.Target{Folders: []string{filepath.Join(t.TempDir(), "lab")}}}
	command := ownerCommand(t, "owner", s)
	var out syncBuffer
	stdin, err := command.StdinPipe()
	must(t, err)
	defer stdin.Close()
	command.Stdout, command.Stderr = &out, &out // not files: Wait returns when nobody can write to them any more
	must(t, command.Start())
	within(t, "the owner is ready", func() bool { return strings.Contains(out.String(), "}") })
	watchdogs := childrenNamed(t, command.Process.Pid, "nomadlab-watchdog")
	if len(watchdogs) != 1 {
		t.Fatalf("watchdogs of the owner: %v, want one", watchdogs)
	}

	must(t, command.Process.Kill())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-ended:
	case <-time.After(deadline.Hang):
		t.Error("Wait has not returned after the owner's death")
	}
	if !alive(watchdogs[0]) {
		t.Error("the watchdog has ended already, so this proves nothing")
	}
	within(t, "the watchdog ends by itself", func() bool { return !alive(watchdogs[0]) })
}

func TestWatchdogInheritsNoSecrets(t *testing.T) {
	t.Parallel()
	target := newTarget(t)
	secret := secretName + "=s.1234"
	players := launch(t, ownerCommand(t, "owner", script{Target: target}, secret))
	bearers := processesWith(t, secret)
	for _, pid := range bearers {
		if pid == players.Watchdog {
			t.Error("the watchdog has the owner's secret in its environment")
		}
	}
	if len(bearers) != 2 {
		t.Errorf("processes with the secret: %v, want the owner and its sleeper", bearers)
	}
}

func TestGuard(t *testing.T) {
	for _, test := range []struct {
		name  string
		guard func(own, other string) string
		want  string // what the program writes: a watchdog writes nothing
	}{
		{"no variable", func(string, string) string { return "" }, "ran\n"},
		{"a variable of the environment", func(string, string) string { return "1" }, "ran\n"},
		{"the variable of another pipe", func(_, other string) string { return other }, "ran\n"},
		{"control: the variable of this pipe", func(own, _ string) string { return own }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			read, write, err := os.Pipe()
			must(t, err)
			defer read.Close()
			otherRead, otherWrite, err := os.Pipe()
			must(t, err)
			defer otherRead.Close()
			defer otherWrite.Close()
			own, err := watchdog.PipeID(int(read.Fd()))
			must(t, err)
			other, err := watchdog.PipeID(int(otherRead.Fd()))
			must(t, err)

			command := again("speaker", watchdog.Guard+"="+test.guard(own, other))
			command.ExtraFiles = []*os.File{read}
			must(t, write.Close()) // so that a watchdog ends at once
			out, err := command.Output()
			if string(out) != test.want {
				t.Errorf("wrote %q (%v), want %q", out, err, test.want)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	t.Run("ends the watchdog", func(t *testing.T) {
		w, err := watchdog.Start(t.Context(), newTarget(t))
		must(t, err)
		must(t, w.Release())
		if alive(w.PID()) {
			t.Error("the watchdog still runs")
		}
		must(t, w.Release())
	})
	t.Run("tells that the watchdog was killed", func(t *testing.T) {
		w, err := watchdog.Start(t.Context(), newTarget(t))
		must(t, err)
		pid := w.PID()
		kill(t, pid, syscall.SIGKILL)
		within(t, "the watchdog is dead", func() bool { return !alive(pid) })
		var exit *exec.ExitError
		if err := w.Release(); !errors.As(err, &exit) {
			t.Errorf("Release: %v, want how the watchdog ended", err)
		}
	})
	t.Run("the end of Start's context does not end the watchdog", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := watchdog.Start(ctx, newTarget(t))
		must(t, err)
		cancel()
		must(t, w.Release())
	})
}

func BenchmarkStart(b *testing.B) {
	target := watchdog.Target{Folders: []string{filepath.Join(b.TempDir(), "lab")}}
	for b.Loop() {
		w, err := watchdog.Start(b.Context(), target)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := w.Release(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// childrenNamed lists a process's children that were started under a name.
func childrenNamed(t *testing.T, parent int, name string) []int {
	t.Helper()
	var found []int
	for _, pid := range processesWith(t, "GORACE=atexit_sleep_ms=0") {
		commandLine, err := os.ReadFile(procFile(pid, "cmdline"))
		if err != nil || !bytes.HasPrefix(commandLine, []byte(name)) {
			continue
		}
		if stat, err := os.ReadFile(procFile(pid, "stat")); err == nil && statParent(string(stat)) == parent {
			found = append(found, pid)
		}
	}
	return found
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// statParent reads the fourth field of /proc/PID/stat.
func statParent(stat string) int {
	var state string
	parent := 0
	_, _ = fmt.Sscan(stat[strings.LastIndexByte(stat, ')')+1:], &state, &parent)
	return parent
}

// syncBuffer may be read while a command writes to it.
type syncBuffer struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
