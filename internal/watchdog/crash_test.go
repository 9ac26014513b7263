//go:build linux

package watchdog_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
)

// goneWithin is the promise: nothing is left 15 s after kill -9, where the machine is not busy.
const goneWithin = 15 * time.Second

func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatalf("send %v to %d: %v", signal, pid, err)
	}
}

func TestKilledOwner(t *testing.T) {
	for _, test := range []struct {
		name    string
		release bool
		kill    func(t *testing.T, players cast)
		want    watchdog.Swept
	}{
		{
			name: "kill -9 removes everything",
			kill: func(t *testing.T, players cast) { kill(t, players.Owner, syscall.SIGKILL) },
		},
		{
			name: "kill -9 of the whole process group removes everything",
			kill: func(t *testing.T, players cast) { kill(t, -players.Owner, syscall.SIGKILL) },
		},
		{
			name: "signals of a terminal do not end the watchdog",
			kill: func(t *testing.T, players cast) {
				for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
					kill(t, players.Watchdog, signal)
				}
				kill(t, players.Owner, syscall.SIGKILL)
			},
		},
		{
			name: "a watchdog that was killed is followed by another, which removes everything",
			kill: func(t *testing.T, players cast) {
				kill(t, players.Watchdog, syscall.SIGKILL)
				within(t, "another watches", func() bool {
					watchers := childrenNamed(t, players.Owner, "nomadlab-watchdog")
					return len(watchers) == 1 && watchers[0] != players.Watchdog
				})
				kill(t, players.Owner, syscall.SIGKILL)
			},
		},
		{
			name:    "control: after a goodbye kill -9 removes nothing",
			release: true,
			kill:    func(t *testing.T, players cast) { kill(t, players.Owner, syscall.SIGKILL) },
			want:    furnished(),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			image, docker := newImage(t), newDocker(t)
			target := newTarget(t)
			command := ownerCommand(t, "owner", script{Target: target, Image: image, Release: test.release})
			command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			players := launch(t, command)
			if diff := cmp.Diff(furnished(), present(t, docker, target)); diff != "" {
				t.Fatalf("before the kill (-want +got):\n%s", diff)
			}
			if released := !alive(players.Watchdog); released != test.release {
				t.Fatalf("watchdog ended = %v, want %v", released, test.release)
			}
			test.kill(t, players)
			took := within(t, "what should be left is left", func() bool {
				return !alive(players.Owner) && present(t, docker, target) == test.want
			})
			if t.Logf("after %s", took.Round(time.Millisecond)); took > deadline.Stretch(goneWithin) {
				t.Errorf("it took %s, promised are %s", took, goneWithin)
			}
		})
	}
}

// The container is created after the watchdog's first pass has found and removed everything, and after at least one
// pass that found nothing: that is what a create looks like which the daemon received before the owner's death.
func TestLateCreate(t *testing.T) {
	t.Parallel()
	image, docker := newImage(t), newDocker(t)
	target := newTarget(t)
	players := launch(t, ownerCommand(t, "owner", script{Target: target}))
	kill(t, players.Owner, syscall.SIGKILL)
	within(t, "the first pass is over", func() bool { return present(t, docker, target).Total() == 0 })
	<-time.After(1500 * time.Millisecond)

	_, labels := nameAndLabels(target)
	_, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: &container.Config{Image: image, Labels: labels}})
	must(t, err)
	within(t, "the late container is gone", func() bool { return present(t, docker, target).Total() == 0 })
	within(t, "the watchdog has ended", func() bool { return !alive(players.Watchdog) })
	if left := present(t, docker, target); left.Total() != 0 {
		t.Errorf("when the watchdog had ended there was %+v", left)
	}
}

func TestOrphanedTestBinary(t *testing.T) {
	for _, test := range []struct {
		runner     string
		ownerLives bool
		want       watchdog.Swept
	}{
		{runner: "go"},
		{runner: "make", ownerLives: true, want: watchdog.Swept{Processes: 1, Folders: 1}},
	} {
		t.Run("run by "+test.runner, func(t *testing.T) {
			t.Parallel()
			target, docker := newTarget(t), newDocker(t)
			command := ownerCommand(t, "runner", script{Target: target})
			self, err := os.Executable()
			must(t, err)
			command.Path = filepath.Join(t.TempDir(), test.runner) // the kernel takes a process's name from the path
			must(t, os.Symlink(self, command.Path))
			players := launch(t, command)
			t.Cleanup(func() { _ = syscall.Kill(players.Owner, syscall.SIGKILL) })

			must(t, command.Process.Kill())
			_, err = command.Process.Wait()
			must(t, err)
			if test.ownerLives {
				<-time.After(time.Second) // for what must not happen
			}
			within(t, "owner and objects are as they should be", func() bool {
				return alive(players.Owner) == test.ownerLives && present(t, docker, target) == test.want
			})
		})
	}
}

// go test deletes the test binary, and may do so before an orphan of it starts a lab.
func TestDeletedProgram(t *testing.T) {
	t.Parallel()
	target, docker := newTarget(t), newDocker(t)
	program, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	command := ownerCommand(t, "owner", script{Target: target, Delete: true})
	command.Path = filepath.Join(t.TempDir(), "deleted.test")
	must(t, os.WriteFile(command.Path, program, 0o700))
	players := launch(t, command)
	if _, err := os.Lstat(command.Path); err == nil {
		t.Fatal("the program is still there, so this proves nothing")
	}
	kill(t, players.Owner, syscall.SIGKILL)
	within(t, "everything is gone", func() bool { return present(t, docker, target).Total() == 0 })
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	state, folder := t.TempDir(), filepath.Join(t.TempDir(), "lab")
	s := script{
		Target: watchdog.Target{DockerHost: "unix:///nonexistent/docker.sock", Label: "nomadlab.watchdog-test=none", Folders: []string{folder}},
		Limit:  1200 * time.Millisecond,
	}
	players := launch(t, ownerCommand(t, "owner", s, "XDG_STATE_HOME="+state))
	kill(t, players.Owner, syscall.SIGKILL)
	within(t, "the watchdog has given up", func() bool { return !alive(players.Watchdog) })

	if _, err := os.Lstat(folder); err == nil {
		t.Error("the folder with the keys is still there")
	}
	logs, err := filepath.Glob(filepath.Join(state, "nomadlab", "watchdog-*.log"))
	must(t, err)
	if len(logs) != 1 {
		t.Fatalf("log files: %v, want one", logs)
	}
	text, err := os.ReadFile(logs[0])
	must(t, err)
	for _, want := range []string{"/nonexistent/docker.sock", "--filter label=nomadlab.watchdog-test=none", "gave up after 1.2s"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
}
