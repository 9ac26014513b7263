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

// answers fails the test unless the named service answers.
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

func (w testLab) state(t *testing.T, name string) engine.State {
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

// TestNodes uses two nodes of one lab, of an ordinary user and of root, and a task beside them.
func TestNodes(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
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
	for name, test := range map[string]func(*testing.T, testLab){
		"files arrive": filesAreCopied, "what they are made from": imageAndVersion, "confined": nodesAreConfined,
		"they find each other": nodesFindEachOther, "ports are open on loopback alone": portsOnLoopbackOnly,
		"Docker hands out the upper half": dockerAssignsUpperHalf, "a task is confined on the lab's network": taskIsConfined,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

// filesAreCopied: they have their owner and mode, before the start.
func filesAreCopied(t *testing.T, w testLab) {
	one := engine.Ref{Lab: w.lab, Node: "one"}
	w.wantExec(t, one, "700 1000 1000\n600 1000 1000\n600 0 0\n755 1001 1001\n", "stat", "-c", "%a %u %g", "/nomad/tls", "/nomad/tls/key.pem", "/etc/root-only", "/opt/run")
	w.wantExec(t, one, "mine\n", "cat", "/nomad/tls/key.pem")
	w.wantExec(t, one, "it ran\n", "/opt/run")
	if code, err := w.Exec(t.Context(), one, engine.Command{Args: []string{"cat", "/etc/root-only"}}); err != nil || code != 1 {
		t.Errorf("the node's user reads root's file: %d, %v", code, err)
	}
}

// imageAndVersion: each node and each lab has the image, and the version from the image's labels.
func imageAndVersion(t *testing.T, w testLab) {
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

// nodesAreConfined reads the capabilities from the kernel; even root has none.
func nodesAreConfined(t *testing.T, w testLab) {
	two := engine.Ref{Lab: w.lab, Node: "two"}
	const confined = "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
	w.wantExec(t, two, confined, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/1/status")
	w.wantExec(t, two, "two\n", "hostname")
}

// nodesFindEachOther by alias and by address.
func nodesFindEachOther(t *testing.T, w testLab) {
	for _, name := range []string{"one.lab", w.address(1).String()} {
		w.wantExec(t, engine.Ref{Lab: w.lab, Node: "two"}, "I am one", "wget", "-q", "-O", "-", "http://"+name+":8080/")
	}
}

// portsOnLoopbackOnly: a node cannot be reached through the host's other addresses, and sees this process as the network's
// gateway.
func portsOnLoopbackOnly(t *testing.T, w testLab) {
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

// dockerAssignsUpperHalf: a node keeps its address, of the lower half, while it is stopped.
func dockerAssignsUpperHalf(t *testing.T, w testLab) {
	if s := w.state(t, "two"); !docker.UpperHalf(w.subnet).Contains(s.Address) {
		t.Errorf("%s was handed out of %s", s.Address, w.subnet)
	}
}

// taskIsConfined too, on the lab's network, with its own files.
func taskIsConfined(t *testing.T, w testLab) {
	var out bytes.Buffer
	task := w.task(`pwd; cat file; id -u; grep CapBnd /proc/self/status; wget -q -O - http://one:8080/`, engine.Streams{Stdout: &out})
	task.Folder = "/place"
	task.Files = []engine.File{{Path: "/place/file", Mode: 0o600, Owner: 1000, Data: []byte("content\n")}}
	code, err := w.Run(t.Context(), task)
	if want := "/place\ncontent\n1000\nCapBnd:\t0000000000000000\nI am one"; err != nil || code != 0 || out.String() != want {
		t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
	}
}

// otherAddresses returns the host's addresses except loopback. Docker's own bridge is among them.
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
