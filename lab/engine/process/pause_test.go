package process_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestPauseAwaitsStop: when Pause returns, the node has stopped. On a busy machine that is some time after the signal.
func TestPauseAwaitsStop(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
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
