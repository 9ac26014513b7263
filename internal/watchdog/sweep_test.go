//go:build linux

package watchdog_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
)

func TestRefusedTargets(t *testing.T) {
	home, err := os.UserHomeDir()
	must(t, err)
	own := filepath.Join(t.TempDir(), "lab")
	for _, test := range []struct {
		name   string
		target watchdog.Target
		want   string // zero: accepted
	}{
		{"nothing", watchdog.Target{}, "names nothing"},
		{"Docker without label", watchdog.Target{DockerHost: dockerHost}, "without Label"},
		{"label without value", watchdog.Target{DockerHost: dockerHost, Label: "nomadlab"}, "too wide"},
		{"label with empty value", watchdog.Target{DockerHost: dockerHost, Label: "nomadlab="}, "too wide"},
		{"label without key", watchdog.Target{DockerHost: dockerHost, Label: "=x"}, "too wide"},
		{"control: a whole label", watchdog.Target{DockerHost: dockerHost, Label: "nomadlab.watchdog-test=nothing-bears-it"}, ""},
		{"marker without value", watchdog.Target{Marker: "NOMADLAB"}, "too wide"},
		{"control: a whole marker", watchdog.Target{Marker: "NOMADLAB_WATCHDOG_TEST=nothing-bears-it"}, ""},
		{"root", watchdog.Target{Folders: []string{"/"}}, "top-level"},
		{"root in disguise", watchdog.Target{Folders: []string{own, "/tmp/../"}}, "top-level"},
		{"top-level folder", watchdog.Target{Folders: []string{"/nonexistent"}}, "top-level"},
		{"relative folder", watchdog.Target{Folders: []string{"lab"}}, "not absolute"},
		{"empty folder", watchdog.Target{Folders: []string{""}}, "not absolute"},
		{"control: a folder of our own", watchdog.Target{Folders: []string{own}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) { expectRefusal(t, test.target, test.want) })
	}
	t.Run("home", func(t *testing.T) {
		deep := filepath.Join(t.TempDir(), "homes", "user")
		must(t, os.MkdirAll(deep, 0o700))
		t.Setenv("HOME", deep)
		expectRefusal(t, watchdog.Target{Folders: []string{deep}}, "contains")
		expectRefusal(t, watchdog.Target{Folders: []string{filepath.Dir(deep)}}, "contains")
		linked := filepath.Join(t.TempDir(), "linked")
		must(t, os.Symlink(deep, linked))
		t.Setenv("HOME", linked)
		expectRefusal(t, watchdog.Target{Folders: []string{deep}}, "contains")
		t.Setenv("HOME", home)
		expectRefusal(t, watchdog.Target{Folders: []string{deep}}, "")
	})
	t.Run("temporary folder", func(t *testing.T) {
		deep := filepath.Join(t.TempDir(), "tmp")
		must(t, os.Mkdir(deep, 0o700))
		before := os.TempDir()
		t.Setenv("TMPDIR", deep)
		expectRefusal(t, watchdog.Target{Folders: []string{deep}}, "contains")
		t.Setenv("TMPDIR", before)
		expectRefusal(t, watchdog.Target{Folders: []string{deep}}, "")
	})
}

// expectRefusal asks both Sweep and Start, and looks that a refused target's folders were not touched.
func expectRefusal(t *testing.T, target watchdog.Target, want string) {
	t.Helper()
	w, startErr := watchdog.Start(t.Context(), target)
	if w != nil {
		must(t, w.Release())
	}
	_, sweepErr := watchdog.Sweep(t.Context(), target)
	for call, err := range map[string]error{"Start": startErr, "Sweep": sweepErr} {
		if want == "" && err != nil {
			t.Errorf("%s: %v, want no error", call, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want an error with %q", call, err, want)
		}
	}
	for _, folder := range target.Folders {
		if _, err := os.Stat(folder); err == nil && want == "" {
			t.Errorf("folder %s is still there", folder)
		}
	}
}

// A paused container, one from outside on the lab's network, an anonymous volume: each made Docker 20.10 refuse
// something, or leave it behind. A lab whose label and marker only begin alike stays.
func TestSweep(t *testing.T) {
	ctx, image, docker := t.Context(), newImage(t), newDocker(t)
	target, other := newTarget(t), newTarget(t)
	other.Label, other.Marker = target.Label+"2", target.Marker+"2"
	t.Cleanup(func() { _, _ = watchdog.Sweep(context.Background(), other) })
	must(t, furnish(ctx, target, image))
	must(t, furnish(ctx, other, image))

	id, err := runContainer(ctx, docker, target, image)
	must(t, err)
	_, err = docker.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	must(t, err)
	inspected, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	must(t, err)
	network, _ := nameAndLabels(target)
	_, otherLabels := nameAndLabels(other)
	guest, err := docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Labels: otherLabels},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(network)},
	})
	must(t, err)
	_, err = docker.ContainerStart(ctx, guest.ID, client.ContainerStartOptions{})
	must(t, err)

	began := time.Now()
	swept, err := watchdog.Sweep(ctx, target)
	must(t, err)
	t.Logf("swept in %s", time.Since(began).Round(time.Millisecond))
	want := furnished()
	want.Containers = 2
	if diff := cmp.Diff(want, swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
	if left := present(t, docker, target); left.Total() != 0 {
		t.Errorf("left: %+v", left)
	}
	for _, mount := range inspected.Container.Mounts {
		if _, err := docker.VolumeInspect(ctx, mount.Name, client.VolumeInspectOptions{}); err == nil {
			t.Errorf("volume %s at %s is still there", mount.Name, mount.Destination)
		}
	}
	if diff := cmp.Diff(want, present(t, docker, other)); diff != "" {
		t.Errorf("the other lab (-want +got):\n%s", diff)
	}
	if again, err := watchdog.Sweep(ctx, target); err != nil || again.Total() != 0 {
		t.Errorf("second sweep: %+v, %v, want nothing", again, err)
	}
}

func TestSweepsSideBySide(t *testing.T) {
	ctx, image, docker := t.Context(), newImage(t), newDocker(t)
	target := newTarget(t)
	must(t, furnish(ctx, target, image))
	for range 2 {
		_, err := runContainer(ctx, docker, target, image)
		must(t, err)
	}
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if _, err := watchdog.Sweep(ctx, target); err != nil {
				t.Error(err)
			}
			if left := present(t, docker, target); left.Total() != 0 {
				t.Errorf("a sweep returned and left %+v", left)
			}
		})
	}
	wait.Wait()
}

func TestFoldersStayWhileAnythingIsLeft(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "lab")
	must(t, os.Mkdir(folder, 0o700))
	target := watchdog.Target{DockerHost: "unix:///nonexistent/docker.sock", Label: "nomadlab.watchdog-test=none", Folders: []string{folder}}
	if _, err := watchdog.Sweep(t.Context(), target); err == nil {
		t.Error("a sweep without its Docker daemon succeeded")
	}
	if _, err := os.Lstat(folder); err != nil {
		t.Errorf("the folder is gone: %v", err)
	}
	target.DockerHost, target.Label = "", ""
	if swept, err := watchdog.Sweep(t.Context(), target); err != nil || swept.Folders != 1 {
		t.Errorf("control, without Docker: %+v, %v, want one folder", swept, err)
	}
}

// The sweeper and its parent (a sleeper's place, played by sh) bear the marker and live on; their sibling does not.
func TestSweepSparesItselfAndItsParent(t *testing.T) {
	target := watchdog.Target{Marker: newTarget(t).Marker}
	must(t, again("sleeper", target.Marker).Start())
	text, err := json.Marshal(target)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	parent := exec.Command("sh", "-c", `"$0"; echo "parent lives"`, self)
	parent.Env = append(os.Environ(), roleName+"=sweeper", scriptName+"="+string(text), target.Marker)
	parent.Stderr = os.Stderr
	out, err := parent.Output()
	must(t, err)
	want := `{"Processes":1,"Containers":0,"Networks":0,"Volumes":0,"Folders":0}` + "\nparent lives\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if left := processesWith(t, target.Marker); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Each process of a chain starts the next one. Which of them a single look at all processes misses is a matter of luck,
// so there are several rounds.
func TestSweepOfForkingProcesses(t *testing.T) {
	target := watchdog.Target{Marker: newTarget(t).Marker}
	for range 8 {
		must(t, again("forker", scriptName+"=0", target.Marker).Start())
		within(t, "they multiply", func() bool { return len(processesWith(t, target.Marker)) > 3 })
		swept, err := watchdog.Sweep(t.Context(), target)
		must(t, err)
		if left := processesWith(t, target.Marker); len(left) != 0 {
			t.Errorf("left after %d were killed: %v", swept.Processes, left)
		}
	}
}

func TestKillNeedsTheStartTime(t *testing.T) {
	sleeper := again("sleeper", newTarget(t).Marker)
	must(t, sleeper.Start())
	pid := sleeper.Process.Pid
	started, ok := watchdog.StartTime(pid)
	if !ok {
		t.Fatal("the process has no start time")
	}
	ended := make(chan error, 1)
	go func() { ended <- sleeper.Wait() }()

	must(t, watchdog.KillStarted(pid, started-1))
	select {
	case <-ended:
		t.Fatal("a process with another start time was killed")
	case <-time.After(100 * time.Millisecond):
	}
	must(t, watchdog.KillStarted(pid, started))
	select {
	case <-ended:
	case <-time.After(deadline.Hang):
		t.Error("control: the process with the right start time lives on")
	}
}
