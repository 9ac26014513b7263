package process_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
)

// TestPausedNodeIsSilent: it counts as running and takes connections, and nobody answers on them until it is resumed.
func TestPausedNodeIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	at := w.started(t, n).Endpoints[port]
	answers(t, netip.Addr{}, at, "/")
	must(t, w.Pause(t.Context(), n.Ref))
	if body, err := get(netip.Addr{}, at, "/"); err == nil {
		t.Errorf("a paused node answers %q", body)
	}
	labs, err := w.Labs(t.Context())
	if err != nil || len(labs[w.lab].Nodes) != 1 || !labs[w.lab].Nodes[0].Running || !w.state(t, "one").Running {
		t.Errorf("a paused node does not count as running: %+v (%v)", labs[w.lab], err)
	}
	must(t, w.Resume(t.Context(), n.Ref))
	answers(t, netip.Addr{}, at, "/")
	must(t, w.Pause(t.Context(), n.Ref))
	must(t, w.Kill(t.Context(), n.Ref)) // a paused one can be killed
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

// TestPausedNodeHasStopped by the time that the caller hears of it: a signal is only sent by then, and on a busy machine the
// node would still answer for a while.
func TestPausedNodeHasStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.started(t, w.service("one", 1)).Endpoints[port]
	answers(t, netip.Addr{}, at, "/")
	for range 50 {
		must(t, w.Pause(t.Context(), w.ref("one")))
		for _, pid := range w.processes(t) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil || !strings.Contains(string(stat), ") T ") {
				t.Fatalf("process %d has not stopped: %.40s, %v", pid, stat, err)
			}
		}
		must(t, w.Resume(t.Context(), w.ref("one")))
	}
}
