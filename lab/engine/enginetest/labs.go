package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"nomadlab.internal/lab/engine"
)

// subnetTaken: a subnet that overlaps one in use is refused.
func subnetTaken(ctx context.Context, t T, l *lab) {
	occupied, err := l.Engine.Occupied(ctx)
	must(t, err)
	if !slices.Contains(occupied, l.subnet) {
		t.Errorf("%s is not among the occupied %v", l.subnet, occupied)
	}
	other := bareLab(ctx, t, l.Subject)
	for _, bits := range []int{24, 25, 20} {
		subnet := netip.PrefixFrom(l.subnet.Addr(), bits).Masked()
		if err := other.Engine.CreateNetwork(ctx, other.network(subnet)); !errors.Is(err, engine.ErrSubnetTaken) {
			t.Errorf("%s beside %s: %v, want ErrSubnetTaken", subnet, l.subnet, err)
		}
	}
	if made := other.traces(ctx, t); len(made) != 0 {
		t.Errorf("made all the same: %q", made)
	}
	other.makeNetwork(ctx, t) // the control: a free one
}

// networkExists: a second network of a lab and a second node of a name are refused.
func networkExists(ctx context.Context, t T, l *lab) {
	n := l.service("once")
	s := l.started(ctx, t, n)
	answers(ctx, t, s, n)
	before := l.traces(ctx, t)
	free := newLab(ctx, t, l.Subject)
	must(t, free.Engine.Remove(ctx, free.name))
	second := free.network(free.subnet)
	second.Lab = l.name
	if err := l.Engine.CreateNetwork(ctx, second); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second network: %v, want ErrExists", err)
	}
	again := l.service("once")
	if err := l.Engine.Create(ctx, again); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second node of that name: %v, want ErrExists", err)
	}
	if after := l.traces(ctx, t); !slices.Equal(before, after) {
		t.Errorf("before the second start there was %q, and is now %q", before, after)
	}
	answers(ctx, t, l.state(ctx, t, n), n) // the first is as it was
	if err := l.Engine.CreateNetwork(ctx, free.network(free.subnet)); err != nil {
		t.Errorf("the control, under another name: %v", err)
	}
	must(t, l.Engine.Kill(ctx, n.Ref))
}

// labsAndNodes: every lab is listed, even one that has a network only, with its nodes in the order of their names.
func labsAndNodes(ctx context.Context, t T, l *lab) {
	empty := newLab(ctx, t, l.Subject)
	for _, name := range []string{"b", "c", "a"} {
		l.create(ctx, t, l.node(name))
	}
	_, err := l.Engine.Start(ctx, l.ref("c"))
	must(t, err)
	labs, err := l.Engine.Labs(ctx)
	must(t, err)
	states, err := l.Engine.Nodes(ctx, l.name)
	must(t, err)
	want := []string{l.name + "/a false", l.name + "/b false", l.name + "/c true"}
	for method, list := range map[string][]engine.State{"Labs": labs[l.name].Nodes, "Nodes": states} {
		var seen []string
		for _, s := range list {
			seen = append(seen, fmt.Sprintf("%s %t", s.Ref, s.Running))
		}
		if !slices.Equal(seen, want) {
			t.Errorf("%s has the nodes %q, want %q", method, seen, want)
		}
	}
	for _, l := range []*lab{l, empty} {
		if got, want := labs[l.name].Labels, l.network(l.subnet).Labels; !maps.Equal(got, want) {
			t.Errorf("lab %s has the labels %v, want %v", l.name, got, want)
		}
	}
	if state, known := labs[empty.name]; !known || len(state.Nodes) != 0 {
		t.Errorf("a lab that is a network alone: known %t, nodes %v", known, state.Nodes)
	}
	if none := random("none-"); labs[none].Labels != nil {
		t.Errorf("lab %s, which is not there, is known", none)
	}
}

// removeLab: Remove removes all of one lab, whether it runs or not, and may be called again.
func removeLab(ctx context.Context, t T, l *lab) {
	other := newLab(ctx, t, l.Subject)
	n := other.service("one")
	answers(ctx, t, other.started(ctx, t, n), n)
	before := other.traces(ctx, t)
	l.started(ctx, t, l.node("one"))
	l.create(ctx, t, l.node("two"))
	if len(l.traces(ctx, t)) == 0 || len(before) == 0 {
		t.Fatalf("before the removal there are no traces of the labs, so this proves nothing")
	}
	for range 2 {
		must(t, l.Engine.Remove(ctx, l.name))
		if left := l.traces(ctx, t); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
		if states, err := l.Engine.Nodes(ctx, l.name); err != nil || len(states) != 0 {
			t.Errorf("nodes are left: %v, %v", states, err)
		}
	}
	if after := other.traces(ctx, t); !slices.Equal(before, after) {
		t.Errorf("of another lab there was %q, and is now %q", before, after)
	}
	if states, err := other.Engine.Nodes(ctx, other.name); err != nil || len(states) != 1 || !states[0].Running {
		t.Errorf("another lab's node does not run any more: %v, %v", states, err)
	}
}
