package docker_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// TestInOwnContainer runs the engine in a container that has the daemon's socket, as many CI jobs do. Ports published on
// the host's 127.0.0.1 cannot be reached there, so the engine joins the lab's network and connects to the node itself.
func TestInOwnContainer(t *testing.T) {
	t.Parallel()
	outer, program := newTestLab(t), staticProgram(t, "./testdata/inside")
	if self := outer.OwnContainer(); self != "" {
		t.Errorf("this test itself is taken to be in container %s", self)
	}
	for name, c := range map[string]struct {
		hostname string
		// loopback makes the node listen on its own loopback only, which the program reaches by a forward.
		loopback bool
	}{
		"host name by Docker": {}, "host name by the user": {hostname: "ci"}, "the node's own loopback": {loopback: true},
	} {
		t.Run(name, func(t *testing.T) {
			inner := bareTestLab(t)
			inner.subnet = freeSubnet(t, inner)
			n, want := inner.webServer("0.0.0.0"), regexp.QuoteMeta(inner.address(1).String())+":8080 I am one"
			if c.loopback {
				n, want = inner.webServer("127.0.0.1"), `127\.0\.0\.1:\d+ I am one`
				n.Inside = n.Ports
			}
			code, said := outer.runInside(t, n, inner.subnet, program, c.hostname)
			if code != 0 || !regexp.MustCompile("^"+want+"$").MatchString(said) {
				t.Errorf("code %d, said %q, want %q", code, said, want)
			}
			if n := inner.leftovers(t.Context(), t); n != 0 {
				t.Errorf("%d containers and networks of the inner lab are left", n)
			}
		})
	}
}

// freeSubnet returns a subnet that was free a moment ago.
func freeSubnet(t *testing.T, w testLab) (free netip.Prefix) {
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

// webServer returns a node that needs no files.
func (w testLab) webServer(address string) engine.Node {
	n := w.service("one", 1)
	n.Files = nil
	n.Command = []string{"/bin/sh", "-c", "mkdir /tmp/www; printf 'I am one' >/tmp/www/index.html; httpd -f -p " + address + ":8080 -h /tmp/www"}
	return n
}

// runInside runs the program in a container of the outer lab, with which it is removed.
func (w testLab) runInside(t *testing.T, n engine.Node, subnet netip.Prefix, program []byte, hostname string) (int, string) {
	t.Helper()
	node, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(w.DockerHost(), "unix://")
	created, err := w.Client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{
			Hostname: hostname, Image: w.image, Entrypoint: []string{"/inside"}, Cmd: []string{}, Labels: docker.Labels(w.lab, "", nil),
			Env: []string{"NODE=" + string(node), "SUBNET=" + subnet.String(), "DOCKER_HOST=unix:///var/run/docker.sock", "HOME=/tmp"},
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

// output returns what the container wrote.
func (w testLab) output(t *testing.T, id string) string {
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
