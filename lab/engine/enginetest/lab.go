package enginetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
)

// lab is one lab on the engine under test.
type lab struct {
	Subject
	name, run string
	subnet    netip.Prefix
	// numbered counts the nodes, for their addresses.
	numbered atomic.Int32
}

// newLab returns a lab with a network. It is removed at the end of t, which fails if anything is left.
func newLab(ctx context.Context, t T, s Subject) *lab {
	t.Helper()
	l := bareLab(ctx, t, s)
	l.makeNetwork(ctx, t)
	return l
}

// bareLab returns a lab without a network.
func bareLab(ctx context.Context, t T, s Subject) *lab {
	t.Helper()
	l := &lab{Subject: s, name: random("conform-"), run: random("run-")}
	f := s.Engine.Footprint("lab", l.name)
	guard, err := watchdog.Start(ctx, watchdog.Target{DockerHost: f.DockerHost, Label: f.Label, Marker: f.Marker, Folders: f.Folders})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Hang)
		defer cancel()
		if err := s.Engine.Remove(ctx, l.name); err != nil {
			t.Errorf("remove lab %s: %v", l.name, err)
		}
		if left := l.traces(ctx, t); len(left) != 0 {
			t.Errorf("left of lab %s after its removal: %q", l.name, left)
		}
		if err := guard.Release(); err != nil {
			t.Errorf("release the watchdog of lab %s: %v", l.name, err)
		}
	})
	return l
}

// makeNetwork tries subnets until one is free.
func (l *lab) makeNetwork(ctx context.Context, t T) {
	t.Helper()
	for {
		l.subnet = someSubnet(l.Subnets)
		err := l.Engine.CreateNetwork(ctx, l.network(l.subnet))
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrSubnetTaken) {
			t.Fatalf("create a network in %s: %v", l.subnet, err)
		}
	}
}

func (l *lab) network(subnet netip.Prefix) engine.Network {
	return engine.Network{Lab: l.name, Run: l.run, Subnet: subnet, Labels: map[string]string{"expires": "never"}}
}

// someSubnet returns a random /24 of the range.
func someSubnet(within netip.Prefix) netip.Prefix {
	a, free := within.Masked().Addr().As4(), 24-within.Bits()
	var n [4]byte
	_, _ = rand.Read(n[:])
	number := binary.BigEndian.Uint32(n[:]) % (1 << free)
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])|number<<8)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

func random(prefix string) string { return prefix + strings.ToLower(rand.Text()[:8]) }

func (l *lab) ref(node string) engine.Ref { return engine.Ref{Lab: l.name, Node: node} }

// node returns a node that sleeps. It has a folder that it may write to.
func (l *lab) node(name string) engine.Node {
	address := l.subnet.Addr().As4()
	address[3] = byte(9 + l.numbered.Add(1)) // within the lower half
	n := engine.Node{Ref: l.ref(name), Run: l.run, Address: netip.AddrFrom4(address), Labels: map[string]string{"role": "conform"}}
	l.Prepare(&n)
	n.Command = []string{"sh", "-c", "exec sleep 100000"}
	if l.Engine.Site().Contained() {
		n.Files = append(n.Files, engine.File{Path: l.home(n), Mode: fs.ModeDir | 0o755, Owner: owner(n)})
	}
	return n
}

// script returns a node that runs a script.
func (l *lab) script(name, text string) engine.Node {
	n := l.node(name)
	n.Command = []string{"sh", "-c", text}
	return n
}

// service returns a node that runs the subject's service.
func (l *lab) service(name string) engine.Node {
	n := l.node(name)
	l.Serve(&n)
	return n
}

// home returns a folder that the node may write to.
func (l *lab) home(n engine.Node) string {
	if site := l.Engine.Site(); !site.Contained() {
		return filepath.Join(site.Of(n.Run), n.Node)
	}
	return path.Join("/conform", n.Node)
}

// owner returns the user that the node's files must belong to, from Node.User.
func owner(n engine.Node) int {
	user, _, _ := strings.Cut(n.User, ":")
	number, _ := strconv.Atoi(user)
	return number
}

// create creates a node.
func (l *lab) create(ctx context.Context, t T, n engine.Node) {
	t.Helper()
	if err := l.Engine.Create(ctx, n); err != nil {
		t.Fatalf("create %s: %v", n.Ref, err)
	}
}

// start starts a node that was created.
func (l *lab) start(ctx context.Context, t T, n engine.Node) engine.State {
	t.Helper()
	s, err := l.Engine.Start(ctx, n.Ref)
	if err != nil {
		t.Fatalf("start %s: %v", n.Ref, err)
	}
	return s
}

// started creates and starts a node.
func (l *lab) started(ctx context.Context, t T, n engine.Node) engine.State {
	t.Helper()
	l.create(ctx, t, n)
	return l.start(ctx, t, n)
}

// state returns a node's state from Nodes.
func (l *lab) state(ctx context.Context, t T, n engine.Node) engine.State {
	t.Helper()
	states, err := l.Engine.Nodes(ctx, l.name)
	must(t, err)
	i := slices.IndexFunc(states, func(s engine.State) bool { return s.Ref == n.Ref })
	if i < 0 {
		t.Fatalf("no node %s among %v", n.Ref, states)
	}
	return states[i]
}

// wantExec runs a command in a node, which must succeed, and returns its output.
func (l *lab) wantExec(ctx context.Context, t T, n engine.Node, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code, err := l.Engine.Exec(ctx, n.Ref, engine.Command{Args: args, Streams: engine.Streams{Stdout: &out, Stderr: &errs}})
	if err != nil || code != 0 {
		t.Fatalf("%q in %s: code %d, %v, said %q and %q", args, n.Ref, code, err, out.String(), errs.String())
	}
	return out.String()
}

// traces returns those of the lab, sorted.
func (l *lab) traces(ctx context.Context, t T) []string {
	t.Helper()
	all, err := l.Traces(ctx, l.name, l.run)
	must(t, err)
	return slices.Sorted(slices.Values(all))
}

func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// eventually polls until the condition returns "". Any other value describes what was seen.
func eventually(ctx context.Context, t T, what string, condition func() string) {
	t.Helper()
	var seen string
	if err := poll.Every(ctx, 10*time.Millisecond, func() bool { seen = condition(); return seen == "" }); err != nil {
		t.Fatalf("not %s (%v), last seen: %s", what, context.Cause(ctx), seen)
	}
}
