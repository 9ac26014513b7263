package lab_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab"
)

// TestHowAnAgentEnded: by itself, or by a signal, which an exit code alone tells nobody.
func TestHowAnAgentEnded(t *testing.T) {
	t.Parallel()
	for code, c := range map[int]struct{ want, not string }{
		1:   {"ended with exit code 1, its log says at the end:\nlast words", "SIG"},
		129: {"was ended by SIGHUP before it was ready (exit code 129): an agent takes a reload only once it is up", "its log says at the end:\n\n"},
		137: {"was ended by SIGKILL before it was ready (exit code 137)", "reload"},
		128: {"ended with exit code 128", "SIG"},
		255: {"ended with exit code 255", "SIG"},
		-1:  {"ended with exit code -1, and its log says nothing", "SIG"},
	} {
		e := &lab.EndedError{Node: "server-1", ExitCode: code}
		if code == 1 {
			e.LastWords = []string{"last words"}
		}
		if got := e.Error(); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%d: got %q, want %q and no %q", code, got, c.want, c.not)
		}
	}
}
