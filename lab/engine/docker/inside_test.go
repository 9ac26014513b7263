package docker_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// TestInsideAContainer runs the engine in a container that has the daemon's socket, as many CI jobs do. What is
// published on the host's 127.0.0.1 is out of reach there, so it must join the lab's network and go to the node itself.
func TestInsideAContainer(t *testing.T) {
	t.Parallel()
	outer, program := newWorld(t), insideProgram(t)
	if self := outer.Self(); self != "" {
		t.Errorf("this test itself is taken to be in container %s", self)
	}
	for name, hostname := range map[string]string{"host name by Docker": "", "host name by the user": "ci"} {
		t.Run(name, func(t *testing.T) {
			inner := bareWorld(t)
			inner.subnet = freeSubnet(t, inner)
			code, said := outer.runInside(t, inner, program, hostname)
			if want := inner.address(1).String() + ":8080 I am one"; code != 0 || said != want {
				t.Errorf("code %d, said %q, want %q", code, said, want)
			}
			if n := inner.leftovers(t.Context(), t); n != 0 {
				t.Errorf("%d containers and networks of the inner lab are left", n)
			}
		})
	}
}

// freeSubnet is one that could be had a moment ago.
func freeSubnet(t *testing.T, w world) (free netip.Prefix) {
	t.Helper()
	for {
		free = someSubnet(24)
		if err := w.CreateNetwork(t.Context(), engine.Network{Lab: w.lab, Subnet: free}); err != nil {
			continue
		}
		if err := w.Remove(t.Context(), w.lab); err != nil {
			t.Fatal(err)
		}
		return free
	}
}

// insideProgram is a static one, as the image has no C library.
func insideProgram(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inside")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./testdata/inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program for the container: %v\n%s", err, text)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// runInside runs the program in a container of the outer lab, which goes with that.
func (w world) runInside(t *testing.T, inner world, program []byte, hostname string) (int, string) {
	t.Helper()
	n := inner.service("one", 1)
	n.Files = nil
	n.Command = []string{"/bin/sh", "-c", "mkdir /tmp/www; printf 'I am one' >/tmp/www/index.html; httpd -f -p 8080 -h /tmp/www"}
	node, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(w.DockerHost(), "unix://")
	created, err := w.Client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{
			Hostname: hostname, Image: w.image, Entrypoint: []string{"/inside"}, Cmd: []string{}, Labels: docker.Labels(w.lab, "", nil),
			Env: []string{"NODE=" + string(node), "SUBNET=" + inner.subnet.String(), "DOCKER_HOST=unix:///var/run/docker.sock", "HOME=/tmp"},
		},
		HostConfig: &container.HostConfig{Binds: []string{socket + ":/var/run/docker.sock"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := docker.Pack([]engine.File{{Path: "/inside", Mode: fs.FileMode(0o755), Data: program}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client().CopyToContainer(t.Context(), created.ID, client.CopyToContainerOptions{DestinationPath: "/", Content: archive}); err != nil {
		t.Fatal(err)
	}
	ended := w.Client().ContainerWait(t.Context(), created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := w.Client().ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-ended.Result:
		return int(r.StatusCode), w.output(t, created.ID)
	case err := <-ended.Error:
		t.Fatal(err)
	}
	return 0, ""
}

// output is what the container wrote.
func (w world) output(t *testing.T, id string) string {
	t.Helper()
	logs, err := w.Client().ContainerLogs(t.Context(), id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
