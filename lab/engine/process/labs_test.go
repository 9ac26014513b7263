package process_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

// TestSubnets: CreateNetwork refuses a subnet outside loopback, and one that overlaps a lab's.
func TestSubnets(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	other := bareTestLab(t, w.root)
	n := other.network()
	n.Subnet = netip.PrefixFrom(w.subnet.Addr(), 20)
	if err := other.CreateNetwork(t.Context(), n); !errors.Is(err, engine.ErrSubnetTaken) {
		t.Errorf("%s beside %s: %v, want ErrSubnetTaken", n.Subnet, w.subnet, err)
	}
	for _, subnet := range []string{"172.30.0.0/24", "126.0.0.0/7", "::1/128", "127.1.2.3"} {
		n.Subnet, _ = netip.ParsePrefix(subnet)
		if err := other.CreateNetwork(t.Context(), n); err == nil {
			t.Errorf("%s is no part of loopback, and was taken", subnet)
		}
	}
	if _, err := os.Lstat(other.folder()); err == nil {
		t.Error("a folder was made all the same")
	}
	other.makeNetwork(t) // the control: a free one
	if labs, err := w.Labs(t.Context()); err != nil || len(labs) != 2 {
		t.Errorf("in this folder there are labs %v, %v, want the two", labs, err)
	}
}

// TestListenersAreOccupied: labs of other users are in folders that cannot be read.
func TestListenersAreOccupied(t *testing.T) {
	t.Parallel()
	w := bareTestLab(t, newRoot(t))
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

// TestConcurrentReservations: one engine of many gets the name, and one the subnet. They share nothing but the folder.
func TestConcurrentReservations(t *testing.T) {
	t.Parallel()
	first := bareTestLab(t, newRoot(t))
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

func TestEngineProperties(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	if w.Name() != "process" || w.DockerHost() != "" || w.Close() != nil {
		t.Errorf("%q, %q", w.Name(), w.DockerHost())
	}
	site := w.Site()
	if site.Contained() || site.Of(w.run) != w.folder() || len(site.Pools) != 1 || site.Pools[0].String() != "127.64.0.0/10" {
		t.Errorf("%+v", site)
	}
	if w.Lacks(engine.Containment) == "" || w.Lacks(engine.SharedLoopback) != "" || w.Lacks("anything else") != "" {
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
