package docker_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
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

// demandRunning is what a node's state says while it runs.
func (w world) demandRunning(t *testing.T, s engine.State, number int) {
	t.Helper()
	at := s.Endpoints[8080]
	if !s.Running || s.Address != w.address(number) || len(s.Endpoints) != 1 || !at.IsValid() || at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("a running node's state: %+v", s)
	}
	if want := w.subnet.Addr().Next(); !w.subnet.Contains(s.Caller) || s.Caller == s.Address {
		t.Errorf("this process looks like %s to the node, want the gateway's address such as %s", s.Caller, want)
	}
	if time.Since(s.Started) > time.Minute || s.ID == "" || !cmp.Equal(s.Labels, map[string]string{"role": "service"}) {
		t.Errorf("started %s, ID %q, labels %v", s.Started, s.ID, s.Labels)
	}
	answers(t, at, s.Node)
}

func demandDown(t *testing.T, s engine.State, code int) {
	t.Helper()
	if s.Running || s.ExitCode != code || len(s.Endpoints) != 0 || s.Address.IsValid() {
		t.Errorf("the state of a node that ended with %d: %+v", code, s)
	}
}

// TestLifeOfANode goes through all that can happen to one. After every start it is reached where its state says.
func TestLifeOfANode(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	n := w.service("one", 1)
	if err := w.Create(ctx, n); err != nil {
		t.Fatal(err)
	}
	created := w.state(t, "one")
	demandDown(t, created, 0)
	if !created.Started.IsZero() {
		t.Errorf("never started, and yet at %s", created.Started)
	}
	for name, end := range map[string]struct {
		how  func() error
		code int
	}{
		"stop": {func() error { return w.Stop(ctx, n.Ref, 10*time.Second) }, 7},
		"kill": {func() error { return w.Kill(ctx, n.Ref) }, 137},
	} {
		s, err := w.Start(ctx, n.Ref)
		if err != nil {
			t.Fatal(err)
		}
		w.demandRunning(t, s, 1)
		w.demandRunning(t, w.state(t, "one"), 1)
		if err := end.how(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		demandDown(t, w.state(t, "one"), end.code)
		if body, err := get(s.Endpoints[8080]); err == nil && strings.Contains(body, "one") {
			t.Errorf("after the %s it still answers", name)
		}
		if err := end.how(); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
	}
}

// TestStopKillsAfterItsGrace: a program that does not listen ends too.
func TestStopKillsAfterItsGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("deaf", 1)
	n.Command = []string{"/bin/sh", "-c", `trap "" TERM; sleep 600`}
	w.started(t, n)
	began := time.Now()
	if err := w.Stop(t.Context(), n.Ref, time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 900*time.Millisecond || took > 8*time.Second {
		t.Errorf("it took %s, want about a second", took)
	}
	demandDown(t, w.state(t, "deaf"), 137)
}

func TestStrangersAreNotFound(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	none := engine.Ref{Lab: w.lab, Node: "none"}
	_, started := w.Start(ctx, none)
	_, ran := w.Exec(ctx, none, engine.Command{Args: []string{"true"}})
	_, read := w.Logs(ctx, none, false)
	for what, err := range map[string]error{
		"start": started, "exec": ran, "logs": read, "stop": w.Stop(ctx, none, 0), "kill": w.Kill(ctx, none),
	} {
		if !errors.Is(err, engine.ErrNotFound) || !strings.Contains(err.Error(), none.String()) {
			t.Errorf("%s: %v, want an error that wraps ErrNotFound and names %s", what, err, none)
		}
	}
	if states, err := w.Nodes(ctx, labName()); err != nil || len(states) != 0 {
		t.Errorf("an unknown lab: %v, %v", states, err)
	}
	n := w.service("one", 1)
	n.Image = "nomadlab/no-such-image:0"
	if err := w.Create(ctx, n); err == nil {
		t.Error("an image that is not there")
	}
	w.started(t, w.service("one", 1)) // the control: with its own image it starts
}

// TestFilesArrive with owner and mode, before the start.
func TestFilesArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	n.Files = append(n.Files,
		engine.File{Path: "/nomad/tls", Mode: fs.ModeDir | 0o700, Owner: 1000},
		engine.File{Path: "/nomad/tls/key.pem", Mode: 0o600, Owner: 1000, Data: []byte("mine\n")},
		engine.File{Path: "/etc/root-only", Mode: 0o600, Owner: 0, Data: []byte("not yours\n")},
		engine.File{Path: "/opt/run", Mode: 0o755, Owner: 1001, Data: []byte("#!/bin/sh\necho it ran\n")},
	)
	w.started(t, n)
	w.demandExec(t, n.Ref, "700 1000 1000\n600 1000 1000\n600 0 0\n755 1001 1001\n", "stat", "-c", "%a %u %g", "/nomad/tls", "/nomad/tls/key.pem", "/etc/root-only", "/opt/run")
	w.demandExec(t, n.Ref, "mine\n", "cat", "/nomad/tls/key.pem")
	w.demandExec(t, n.Ref, "it ran\n", "/opt/run")
	if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"cat", "/etc/root-only"}}); err != nil || code != 1 {
		t.Errorf("the node's user reads root's file: %d, %v", code, err)
	}
}

// TestNodesAreConfined as the kernel sees it.
// TestFilesComeOut of a node that was never started, that runs and that has ended.
func TestFilesComeOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	n.Files = append(n.Files,
		engine.File{Path: "/www/key.pem", Mode: 0o600, Owner: 1000, Data: []byte("secret")},
		engine.File{Path: "/www/sub", Mode: fs.ModeDir | 0o755, Owner: 1000},
		engine.File{Path: "/www/sub/deep", Mode: 0o644, Data: []byte("deeper")},
	)
	want := map[string]string{"/www/index.html": "-rw-r--r-- 1000 I am one", "/www/key.pem": "-rw------- 1000 secret"}
	demand := func(when string) {
		t.Helper()
		files, err := w.CopyOut(t.Context(), n.Ref, "/www")
		got := map[string]string{}
		for _, f := range files {
			got[f.Path] = fmt.Sprintf("%s %d %s", f.Mode, f.Owner, f.Data)
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
	}
	if err := w.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	demand("created")
	if _, err := w.Start(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	demand("running")
	if err := w.Kill(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	demand("ended")
	for _, c := range []struct {
		r      engine.Ref
		folder string
	}{{n.Ref, "/gone"}, {engine.Ref{Lab: w.lab, Node: "nobody"}, "/www"}} {
		if files, err := w.CopyOut(t.Context(), c.r, c.folder); !errors.Is(err, engine.ErrNotFound) || len(files) > 0 {
			t.Errorf("%s of %s: %v, %v, want ErrNotFound", c.folder, c.r, files, err)
		}
	}
}

// TestWhatANodeIsMadeFrom is said of each node and of each lab, with the version that the image claims.
func TestWhatANodeIsMadeFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.started(t, w.service("one", 1))
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

func TestNodesAreConfined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	n.User = "" // even as root
	w.started(t, n)
	const confined = "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
	w.demandExec(t, n.Ref, confined, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/1/status")
	w.demandExec(t, n.Ref, "one\n", "hostname")
}

// TestNodesFindEachOther by name and by alias.
func TestNodesFindEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers(t, w.started(t, w.service("one", 1)).Endpoints[8080], "one")
	w.started(t, w.service("two", 2))
	for _, name := range []string{"one.lab", w.address(1).String()} {
		w.demandExec(t, engine.Ref{Lab: w.lab, Node: "two"}, "I am one", "wget", "-q", "-O", "-", "http://"+name+":8080/")
	}
}

// TestPortsAreOpenOnLoopbackAlone: nobody else on the host's networks reaches a node.
func TestPortsAreOpenOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.started(t, w.service("one", 1))
	at := s.Endpoints[8080]
	answers(t, at, "one")
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
