package process_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

func TestSubnetIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := bareWorld(t, w.root)
	occupied, err := w.Occupied(t.Context())
	must(t, err)
	if !slices.Contains(occupied, w.subnet) {
		t.Errorf("%s is not among the occupied %v", w.subnet, occupied)
	}
	for _, bits := range []int{24, 25, 20} {
		n := other.network()
		n.Subnet = netip.PrefixFrom(w.subnet.Addr(), bits)
		if err := other.CreateNetwork(t.Context(), n); !errors.Is(err, engine.ErrSubnetTaken) {
			t.Errorf("%s beside %s: %v, want ErrSubnetTaken", n.Subnet, w.subnet, err)
		}
	}
	for _, subnet := range []string{"172.30.0.0/24", "126.0.0.0/7", "::1/128", "127.1.2.3"} {
		n := other.network()
		n.Subnet, _ = netip.ParsePrefix(subnet)
		if err := other.CreateNetwork(t.Context(), n); err == nil {
			t.Errorf("%s is no part of loopback, and was taken", subnet)
		}
	}
	if _, err := os.Lstat(other.folder()); err == nil {
		t.Error("a folder was made all the same")
	}
	other.makeNetwork(t) // the control: a free one
}

// TestWhatListensKeepsItsAddress: labs of other users are in folders that we cannot see.
func TestWhatListensKeepsItsAddress(t *testing.T) {
	t.Parallel()
	w := bareWorld(t, newRoot(t))
	for _, network := range []string{"tcp4", "tcp6"} {
		w.subnet = someSubnet(24)
		at := w.address(1).String()
		if network == "tcp6" {
			at = "[::ffff:" + at + "]"
		}
		l, err := (&net.ListenConfig{}).Listen(t.Context(), network, at+":0")
		if network == "tcp6" && err != nil {
			l, err = net.Listen("tcp", w.address(1).String()+":0") // no IPv6 here
		}
		must(t, err)
		occupied, err := w.Occupied(t.Context())
		must(t, err)
		if !slices.Contains(occupied, netip.PrefixFrom(w.address(1), 32)) {
			t.Errorf("%s: %s is not among the occupied %v", network, w.address(1), occupied)
		}
		if err := w.CreateNetwork(t.Context(), w.network()); !errors.Is(err, engine.ErrSubnetTaken) {
			t.Errorf("%s: %v, want ErrSubnetTaken", network, err)
		}
		must(t, l.Close())
	}
	must(t, w.CreateNetwork(t.Context(), w.network()))
}

// TestOneOfManyGetsTheName, and one the subnet: engines of several processes have nothing in common but the folder.
func TestOneOfManyGetsTheName(t *testing.T) {
	t.Parallel()
	first := bareWorld(t, newRoot(t))
	first.subnet = someSubnet(24)
	for _, c := range []struct {
		wanted error
		differ func(n *engine.Network, i int)
	}{
		{engine.ErrExists, func(n *engine.Network, i int) { n.Subnet = netip.PrefixFrom(n.Subnet.Addr(), 30+i%3) }},
		{engine.ErrSubnetTaken, func(n *engine.Network, _ int) { n.Lab = random("proc-") }},
	} {
		var made atomic.Int32
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				e, err := process.NewIn(first.root)
				if err != nil {
					t.Error(err)
					return
				}
				n := first.network()
				n.Run = random("")
				c.differ(&n, i)
				err = e.CreateNetwork(context.Background(), n)
				if err == nil {
					made.Add(1)
					err = e.Remove(context.Background(), "not-"+n.Lab) // takes nothing
					t.Cleanup(func() { _ = e.Remove(context.Background(), n.Lab) })
				} else if errors.Is(err, c.wanted) {
					err = nil
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if made.Load() != 1 {
			t.Errorf("of eight %d went on, want one, and %v for the others", made.Load(), c.wanted)
		}
		labs, err := first.Labs(t.Context())
		must(t, err)
		for lab := range labs {
			must(t, first.Remove(t.Context(), lab))
		}
	}
}

func TestLabsAndNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := bareWorld(t, w.root)
	empty.makeNetwork(t)
	for i, name := range []string{"b", "c", "a"} {
		must(t, w.Create(t.Context(), w.script(name, i, "exec sleep 1000")))
	}
	_, err := w.Start(t.Context(), w.ref("c"))
	must(t, err)
	labs, err := w.Labs(t.Context())
	must(t, err)
	var seen []string
	for _, s := range labs[w.lab].Nodes {
		seen = append(seen, fmt.Sprint(s.Node, s.Running))
	}
	states, err := w.Nodes(t.Context(), w.lab)
	must(t, err)
	for _, s := range states {
		seen = append(seen, fmt.Sprint(s.Node, s.Running))
	}
	if want := []string{"afalse", "bfalse", "ctrue", "afalse", "bfalse", "ctrue"}; !slices.Equal(seen, want) {
		t.Errorf("nodes %v, want %v", seen, want)
	}
	if state, known := labs[empty.lab]; !known || len(state.Nodes) != 0 || len(labs) != 2 {
		t.Errorf("a lab that is a network alone: known %v, %v", known, state)
	}
	if diff := cmp.Diff(map[string]string{"expires": "never"}, labs[w.lab].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestLostFolder: a node that runs is listed, ended and removed, though all that was written about it is gone.
func TestLostFolder(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w world) error{
		"kill":   func(w world) error { return w.Kill(t.Context(), w.ref("one")) },
		"stop":   func(w world) error { return w.Stop(t.Context(), w.ref("one"), 0) },
		"remove": func(w world) error { return w.Remove(t.Context(), w.lab) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			began := w.started(t, w.script("one", 1, "sleep 1000 & wait"))
			must(t, os.RemoveAll(w.folder()))
			s := w.state(t, "one")
			if !s.Running || s.ID != began.ID || s.Started.Sub(began.Started).Abs().Seconds() > 2 {
				t.Errorf("the state of a lost node: running %v, ID %q, started %s, want %s", s.Running, s.ID, s.Started, began.Started)
			}
			labs, err := w.Labs(t.Context())
			must(t, err)
			if lab := labs[w.lab]; len(lab.Nodes) != 1 || lab.Labels["run"] != w.run {
				t.Errorf("a lost lab: %v", lab)
			}
			must(t, end(w))
			if left := w.processes(t); len(left) != 0 {
				t.Errorf("processes %v are left", left)
			}
			if labs, err := w.Labs(t.Context()); err != nil || len(labs[w.lab].Nodes) != 0 {
				t.Errorf("it is still listed: %v, %v", labs, err)
			}
		})
	}
}

// TestRemoveTakesOneLab, and may be called again.
func TestRemoveTakesOneLab(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := bareWorld(t, w.root)
	other.makeNetwork(t)
	w.started(t, w.script("one", 1, "sleep 1000 & wait"))
	must(t, w.Create(t.Context(), w.script("two", 2, "")))
	other.started(t, other.script("one", 1, "exec sleep 1000"))
	for range 2 {
		must(t, w.Remove(t.Context(), w.lab))
		if left := w.processes(t); len(left) != 0 {
			t.Errorf("processes %v are left", left)
		}
		if _, err := os.Lstat(w.folder()); err == nil {
			t.Error("the folder is left")
		}
	}
	if s := other.state(t, "one"); !s.Running {
		t.Error("a node of another lab is gone")
	}
	for _, name := range []string{"", ".", "..", "a/b"} {
		if err := w.Remove(t.Context(), name); err == nil {
			t.Errorf("lab %q was removed", name)
		}
	}
}

// TestLabsOfOtherFolders, another user's say, are not listed nor removed, though root could, and though they have the same name.
func TestLabsOfOtherFolders(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), bareWorld(t, newRoot(t))
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	must(t, os.RemoveAll(w.folder())) // lost, and all the same none of the other's
	labs, err := other.Labs(t.Context())
	states, err2 := other.Nodes(t.Context(), w.lab)
	if err != nil || err2 != nil || len(labs) != 0 || len(states) != 0 {
		t.Errorf("listed: %v, %v, %v", labs, states, errors.Join(err, err2))
	}
	must(t, other.Remove(t.Context(), w.lab))
	if s := w.state(t, "one"); !s.Running {
		t.Error("a lab of another folder was removed")
	}
}

// TestBrokenRecord: what a power cut left keeps nobody from using the rest.
func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, os.MkdirAll(filepath.Join(w.root, "broken", ".engine"), 0o700))
	must(t, os.WriteFile(filepath.Join(w.root, "broken", ".engine", "lab.json"), nil, 0o600))
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	if labs, err := w.Labs(t.Context()); err != nil || len(labs) != 1 {
		t.Errorf("%v, %v", labs, err)
	}
}

func TestWhatItSaysOfItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.Name() != "process" || w.DockerHost() != "" || w.Close() != nil {
		t.Errorf("%q, %q", w.Name(), w.DockerHost())
	}
	site := w.Site()
	if site.Contained() || site.Of(w.run) != w.folder() || len(site.Pools) != 1 || site.Pools[0].String() != "127.64.0.0/10" {
		t.Errorf("%+v", site)
	}
	if w.Lacks(engine.Containment) == "" || w.Lacks("anything else") != "" {
		t.Error("containment is what it lacks, and nothing else")
	}
	for _, c := range []struct {
		label, value string
		want         engine.Footprint
	}{
		{"run", w.run, engine.Footprint{Marker: "NOMADLAB_RUN=" + w.run, Folders: []string{w.folder()}}},
		{"lab", w.lab, engine.Footprint{Marker: "NOMADLAB_AT=" + w.root + "/" + w.lab, Folders: []string{w.folder()}}},
		{"lab", "none", engine.Footprint{Marker: "NOMADLAB_AT=" + w.root + "/none"}},
		{"run", "", engine.Footprint{}},
		{"run", "..", engine.Footprint{}},
		{"role", "server", engine.Footprint{}},
	} {
		if diff := cmp.Diff(c.want, w.Footprint(c.label, c.value)); diff != "" {
			t.Errorf("%s=%s (-want +got):\n%s", c.label, c.value, diff)
		}
	}
}
