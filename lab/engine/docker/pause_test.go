package docker_test

import (
	"testing"

	"nomadlab.internal/lab/engine"
)

// TestPausedNodeIsSilent: it counts as running and takes connections, and nobody answers on them until it is resumed.
func TestPausedNodeIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	at := w.started(t, n).Endpoints[8080]
	answers(t, at, "one")
	if err := w.Pause(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	if body, err := get(at); err == nil {
		t.Errorf("a paused node answers %q", body)
	}
	labs, err := w.Labs(t.Context())
	if err != nil || len(labs[w.lab].Nodes) != 1 || !labs[w.lab].Nodes[0].Running || !w.state(t, "one").Running {
		t.Errorf("a paused node does not count as running: %+v (%v)", labs[w.lab], err)
	}
	if err := w.Resume(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	answers(t, at, "one")
	if err := w.Kill(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	for verb, do := range map[string]func() error{
		"pause":  func() error { return w.Pause(t.Context(), n.Ref) },
		"resume": func() error { return w.Resume(t.Context(), n.Ref) },
		"nobody": func() error { return w.Pause(t.Context(), engine.Ref{Lab: w.lab, Node: "nobody"}) },
	} {
		if do() == nil {
			t.Errorf("%s of a node that does not run is no error", verb)
		}
	}
}
