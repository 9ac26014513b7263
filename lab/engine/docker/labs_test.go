package docker_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

func TestSubnetIsTakenOnce(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), bareWorld(t)
	occupied, err := w.Occupied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(occupied, w.subnet) {
		t.Errorf("%s is not among the occupied %v", w.subnet, occupied)
	}
	for _, subnet := range []netip.Prefix{w.subnet, netip.PrefixFrom(w.subnet.Addr(), 25), netip.PrefixFrom(w.subnet.Addr(), 20).Masked()} {
		err := other.CreateNetwork(t.Context(), engine.Network{Lab: other.lab, Subnet: subnet})
		if !errors.Is(err, engine.ErrSubnetTaken) {
			t.Errorf("%s beside %s: %v, want ErrSubnetTaken", subnet, w.subnet, err)
		}
	}
	if n := other.leftovers(t.Context(), t); n != 0 {
		t.Errorf("%d networks were made all the same", n)
	}
	newWorld(t) // the control: a free one
}

// TestALabHasOneNetwork: of two starts under one name, the second must not get a network, or a node, of its own.
func TestALabHasOneNetwork(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	if err := other.Remove(t.Context(), other.lab); err != nil {
		t.Fatal(err)
	}
	second := engine.Network{Lab: w.lab, Subnet: other.subnet}
	if err := w.CreateNetwork(t.Context(), second); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second network: %v, want ErrExists", err)
	}
	if n := w.leftovers(t.Context(), t); n != 1 {
		t.Errorf("the lab has %d networks", n)
	}
	answers(t, w.started(t, w.service("one", 1)).Endpoints[8080], "one") // the first is as it was
	if err := w.Create(t.Context(), w.service("one", 2)); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second node of that name: %v, want ErrExists", err)
	}
	second.Lab = other.lab
	if err := w.CreateNetwork(t.Context(), second); err != nil {
		t.Errorf("the control, under another name: %v", err)
	}
}

// TestDockerHandsOutTheUpperHalf: an address of the lower half stays its node's while that is stopped.
func TestDockerHandsOutTheUpperHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("any", 0)
	n.Address = netip.Addr{}
	if s := w.started(t, n); !docker.UpperHalf(w.subnet).Contains(s.Address) {
		t.Errorf("%s was handed out of %s", s.Address, w.subnet)
	}
}

func TestLabsAndNodes(t *testing.T) {
	t.Parallel()
	w, empty := newWorld(t), newWorld(t)
	for i, name := range []string{"b", "c", "a"} {
		if err := w.Create(t.Context(), w.service(name, i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Start(t.Context(), engine.Ref{Lab: w.lab, Node: "c"}); err != nil {
		t.Fatal(err)
	}
	labs, err := w.Labs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, s := range labs[w.lab].Nodes {
		seen = append(seen, s.String())
	}
	if want := []string{w.lab + "/a", w.lab + "/b", w.lab + "/c"}; !slices.Equal(seen, want) {
		t.Errorf("nodes %v, want %v", seen, want)
	}
	if state, known := labs[empty.lab]; !known || len(state.Nodes) != 0 || state.Labels == nil {
		t.Errorf("a lab that is a network alone: known %v, %v", known, state)
	}
	if _, known := labs[labName()]; known {
		t.Error("a lab that is not there is known")
	}
}

// TestRemoveTakesOneLab, and may be called again.
func TestRemoveTakesOneLab(t *testing.T) {
	t.Parallel()
	w, other, ctx := newWorld(t), newWorld(t), t.Context()
	w.started(t, w.service("one", 1))
	if err := w.Create(ctx, w.service("two", 2)); err != nil {
		t.Fatal(err)
	}
	other.started(t, other.service("one", 1))
	if n := w.leftovers(ctx, t); n != 3 {
		t.Fatalf("before the removal there are %d containers and networks, want 3", n)
	}
	for range 2 {
		if err := w.Remove(ctx, w.lab); err != nil {
			t.Fatal(err)
		}
		if n := w.leftovers(ctx, t); n != 0 {
			t.Errorf("%d are left", n)
		}
	}
	if n := other.leftovers(ctx, t); n != 2 {
		t.Errorf("of another lab %d are left, want both", n)
	}
}
