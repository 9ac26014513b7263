//go:build linux

package watchdog_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
)

const dockerHost = "unix:///var/run/docker.sock"

// furnished is what furnish makes of a target with all fields.
func furnished() watchdog.Swept {
	return watchdog.Swept{Processes: 1, Containers: 1, Networks: 1, Volumes: 1, Folders: 1}
}

// newTarget is a target of the test's own. Whatever the test does, nothing of it stays.
func newTarget(t *testing.T) watchdog.Target {
	t.Helper()
	id := fmt.Sprintf("%s-%d", strings.ToLower(filepath.Base(t.TempDir())), time.Now().UnixNano())
	target := watchdog.Target{
		DockerHost: dockerHost,
		Label:      "nomadlab.watchdog-test=" + id,
		Marker:     "NOMADLAB_WATCHDOG_TEST=" + id,
		Folders:    []string{filepath.Join(t.TempDir(), "lab")},
	}
	t.Cleanup(func() {
		if _, err := watchdog.Sweep(context.Background(), target); err != nil {
			t.Errorf("clean up after the test: %v", err)
		}
	})
	return target
}

func newDocker(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.New(client.WithHost(dockerHost))
	must(t, err)
	t.Cleanup(func() { docker.Close() })
	return docker
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newImage imports a static program that waits, as no registry is to be had.
func newImage(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pause")
	build := exec.Command("go", "build", "-o", file, "./testdata/pause")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the pause program: %v\n%s", err, out)
	}
	program, err := os.ReadFile(file)
	must(t, err)
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	must(t, archive.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program))}))
	_, err = archive.Write(program)
	must(t, err)
	must(t, archive.Close())

	docker, name := newDocker(t), fmt.Sprintf("nomadlab-watchdog-test:%d", time.Now().UnixNano())
	source := client.ImageImportSource{Source: &layer, SourceName: "-"}
	imported, err := docker.ImageImport(t.Context(), source, name, client.ImageImportOptions{Changes: []string{`CMD ["/pause"]`}})
	must(t, err)
	_, err = io.Copy(io.Discard, imported)
	must(t, err)
	must(t, imported.Close())
	t.Cleanup(func() {
		if _, err := docker.ImageRemove(context.Background(), name, client.ImageRemoveOptions{}); err != nil {
			t.Errorf("remove the test's image: %v", err)
		}
	})
	return name
}

// furnish makes one object of each kind that the target can name.
func furnish(ctx context.Context, target watchdog.Target, image string) error {
	for _, folder := range target.Folders {
		if err := os.MkdirAll(filepath.Join(folder, "keys"), 0o700); err != nil {
			return err
		}
	}
	if target.Marker != "" {
		if err := again("sleeper", target.Marker).Start(); err != nil {
			return err
		}
	}
	if image == "" {
		return nil
	}
	docker, err := client.New(client.WithHost(target.DockerHost))
	if err != nil {
		return err
	}
	defer docker.Close()
	name, labels := nameAndLabels(target)
	if _, err := docker.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels}); err != nil {
		return err
	}
	if _, err := docker.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels}); err != nil {
		return err
	}
	_, err = runContainer(ctx, docker, target, image)
	return err
}

// nameAndLabels are for the objects of a target.
func nameAndLabels(target watchdog.Target) (string, map[string]string) {
	key, value, _ := strings.Cut(target.Label, "=")
	return value, map[string]string{key: value}
}

// runContainer runs a container on the target's network with the target's volume and an anonymous one.
func runContainer(ctx context.Context, docker *client.Client, target watchdog.Target, image string) (string, error) {
	name, labels := nameAndLabels(target)
	created, err := docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Labels: labels, Volumes: map[string]struct{}{"/anonymous": {}}},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(name), Binds: []string{name + ":/data"}},
	})
	if err != nil {
		return "", err
	}
	_, err = docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return created.ID, err
}

// present counts what is there of a target, by other means than the package's.
func present(t *testing.T, docker *client.Client, target watchdog.Target) watchdog.Swept {
	t.Helper()
	ctx, filter := context.Background(), make(client.Filters).Add("label", target.Label)
	containers, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	must(t, err)
	networks, err := docker.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	must(t, err)
	volumes, err := docker.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	must(t, err)
	seen := watchdog.Swept{
		Processes:  len(processesWith(t, target.Marker)),
		Containers: len(containers.Items),
		Networks:   len(networks.Items),
		Volumes:    len(volumes.Items),
	}
	for _, folder := range target.Folders {
		if _, err := os.Lstat(folder); err == nil {
			seen.Folders++
		}
	}
	return seen
}

// processesWith lists the living processes that bear an environment entry.
func processesWith(t *testing.T, entry string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	var pids []int
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err == nil && strings.Contains("\x00"+string(environ), "\x00"+entry+"\x00") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			must(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive reports whether a process runs; one that its parent has not collected yet does not.
func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

// within polls until the condition holds and returns how long that took.
func within(t *testing.T, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		if time.Since(began) > deadline.Hang {
			t.Fatalf("not within %s: %s", deadline.Hang, what)
		}
		<-ticker.C
	}
	return time.Since(began)
}

// ownerCommand is an owner, or a runner with an owner, that has yet to be started.
func ownerCommand(t *testing.T, role string, s script, env ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(s)
	must(t, err)
	return again(role, append(env, scriptName+"="+string(text))...)
}

// launch starts an owner and returns when it has done its script.
func launch(t *testing.T, command *exec.Cmd) cast {
	t.Helper()
	_, err := command.StdinPipe() // its end ends the owner, should the test forget it
	must(t, err)
	out, err := command.StdoutPipe()
	must(t, err)
	command.Stderr = os.Stderr
	must(t, command.Start())
	var players cast
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if players.Watchdog != 0 {
			within(t, "the watchdog ends by itself", func() bool { return !alive(players.Watchdog) })
		}
	})
	if err := json.NewDecoder(out).Decode(&players); err != nil {
		t.Fatalf("the owner did not get ready: %v", err)
	}
	return players
}
