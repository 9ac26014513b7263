package process_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

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
