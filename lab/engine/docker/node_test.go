package docker_test

import (
	"bytes"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
	"nomadlab.internal/lab/image"
)

// get asks a service for its name.
func get(at netip.AddrPort) (string, error) {
	c := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Get("http://" + at.String() + "/")
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// answers demands that the service is there, and that it is the one.
func answers(t *testing.T, at netip.AddrPort, name string) {
	t.Helper()
	eventually(t, name+" answers at "+at.String(), func() string {
		body, err := get(at)
		if err != nil {
			return err.Error()
		}
		return strings.TrimPrefix(body, "I am "+name)
	})
}

func (w world) state(t *testing.T, name string) engine.State {
	t.Helper()
	states, err := w.Nodes(t.Context(), w.lab)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Node == name {
			return s
		}
	}
	t.Fatalf("no node %s among %v", name, states)
	return engine.State{}
}

// TestNodes looks at two nodes of one lab, of an ordinary user and of root, and at a task beside them.
func TestNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.service("one", 1)
	one.Files = append(one.Files,
		engine.File{Path: "/nomad/tls", Mode: fs.ModeDir | 0o700, Owner: 1000},
		engine.File{Path: "/nomad/tls/key.pem", Mode: 0o600, Owner: 1000, Data: []byte("mine\n")},
		engine.File{Path: "/etc/root-only", Mode: 0o600, Owner: 0, Data: []byte("not yours\n")},
		engine.File{Path: "/opt/run", Mode: 0o755, Owner: 1001, Data: []byte("#!/bin/sh\necho it ran\n")},
	)
	answers(t, w.started(t, one).Endpoints[8080], "one")
	two := w.service("two", 0)
	two.User, two.Address = "", netip.Addr{}
	w.started(t, two)
	for name, look := range map[string]func(*testing.T, world){
		"files arrive": filesArrive, "what they are made from": whatNodesAreMadeFrom, "confined": nodesAreConfined,
		"they find each other": nodesFindEachOther, "ports are open on loopback alone": portsAreOpenOnLoopbackAlone,
		"Docker hands out the upper half": dockerHandsOutTheUpperHalf, "a task is confined on the lab's network": taskIsConfined,
	} {
		t.Run(name, func(t *testing.T) { look(t, w) })
	}
}

// filesArrive with owner and mode, before the start.
func filesArrive(t *testing.T, w world) {
	one := engine.Ref{Lab: w.lab, Node: "one"}
	w.demandExec(t, one, "700 1000 1000\n600 1000 1000\n600 0 0\n755 1001 1001\n", "stat", "-c", "%a %u %g", "/nomad/tls", "/nomad/tls/key.pem", "/etc/root-only", "/opt/run")
	w.demandExec(t, one, "mine\n", "cat", "/nomad/tls/key.pem")
	w.demandExec(t, one, "it ran\n", "/opt/run")
	if code, err := w.Exec(t.Context(), one, engine.Command{Args: []string{"cat", "/etc/root-only"}}); err != nil || code != 1 {
		t.Errorf("the node's user reads root's file: %d, %v", code, err)
	}
}

// whatNodesAreMadeFrom is said of each node and of each lab, with the version that the image claims.
func whatNodesAreMadeFrom(t *testing.T, w world) {
	labs, err := w.Labs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if made := labs[w.lab].Created; time.Since(made) > time.Hour || time.Since(made) < 0 {
		t.Errorf("the lab was made at %s", made)
	}
	for _, s := range []engine.State{w.state(t, "one"), labs[w.lab].Nodes[0]} {
		if s.Image != w.image || s.Version != image.DefaultVersion {
			t.Errorf("made from %q with Nomad %q, want %q with %q", s.Image, s.Version, w.image, image.DefaultVersion)
		}
	}
}

// nodesAreConfined as the kernel sees it, even as root.
func nodesAreConfined(t *testing.T, w world) {
	two := engine.Ref{Lab: w.lab, Node: "two"}
	const confined = "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
	w.demandExec(t, two, confined, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/1/status")
	w.demandExec(t, two, "two\n", "hostname")
}

// nodesFindEachOther by alias and by address.
func nodesFindEachOther(t *testing.T, w world) {
	for _, name := range []string{"one.lab", w.address(1).String()} {
		w.demandExec(t, engine.Ref{Lab: w.lab, Node: "two"}, "I am one", "wget", "-q", "-O", "-", "http://"+name+":8080/")
	}
}

// portsAreOpenOnLoopbackAlone: nobody else on the host's networks reaches a node, and this process looks to it like the
// network's gateway.
func portsAreOpenOnLoopbackAlone(t *testing.T, w world) {
	s := w.state(t, "one")
	at := s.Endpoints[8080]
	if at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("it is reached at %s", at)
	}
	if want := w.subnet.Addr().Next(); !w.subnet.Contains(s.Caller) || s.Caller == s.Address {
		t.Errorf("this process looks like %s to the node, want the gateway's address such as %s", s.Caller, want)
	}
	seen, err := w.Client().ContainerInspect(t.Context(), s.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(seen.Container.NetworkSettings.Ports); n != 1 {
		t.Errorf("%d ports are published", n)
	}
	for port, bindings := range seen.Container.NetworkSettings.Ports {
		for _, b := range bindings {
			if b.HostIP != netip.MustParseAddr("127.0.0.1") || b.HostPort != strconv.Itoa(int(at.Port())) {
				t.Errorf("%s is published on %s:%s", port, b.HostIP, b.HostPort)
			}
		}
	}
	for _, other := range otherAddresses(t) {
		if body, err := get(netip.AddrPortFrom(other, at.Port())); err == nil {
			t.Errorf("reached on %s as well: %q", other, body)
		}
	}
}

// dockerHandsOutTheUpperHalf: an address of the lower half stays its node's while that is stopped.
func dockerHandsOutTheUpperHalf(t *testing.T, w world) {
	if s := w.state(t, "two"); !docker.UpperHalf(w.subnet).Contains(s.Address) {
		t.Errorf("%s was handed out of %s", s.Address, w.subnet)
	}
}

// taskIsConfined too, on the lab's network, with its own files.
func taskIsConfined(t *testing.T, w world) {
	var out bytes.Buffer
	task := w.task(`pwd; cat file; id -u; grep CapBnd /proc/self/status; wget -q -O - http://one:8080/`, engine.Streams{Stdout: &out})
	task.Folder = "/place"
	task.Files = []engine.File{{Path: "/place/file", Mode: 0o600, Owner: 1000, Data: []byte("content\n")}}
	code, err := w.Run(t.Context(), task)
	if want := "/place\ncontent\n1000\nCapBnd:\t0000000000000000\nI am one"; err != nil || code != 0 || out.String() != want {
		t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
	}
}

// otherAddresses are the host's, but for loopback. Docker's own bridge is among them.
func otherAddresses(t *testing.T) []netip.Addr {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			out = append(out, p.Addr())
		}
	}
	if len(out) == 0 {
		t.Fatal("this host has no address but loopback: nothing would be shown")
	}
	return out
}
