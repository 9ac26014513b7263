package labtest_test

import (
	"bytes"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/labtest"
)

// TestAnswers what a ready lab promises: a leader, a client, a CLI, and endpoints that are those of the present start.
func TestAnswers(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	l := labtest.Start(t, lab.Servers(1), lab.Clients(1))
	if leader := labtest.Leader(t, l); leader.Name() != "server-1" {
		t.Errorf("the leader is %s", leader.Name())
	}
	if s := l.Status(t.Context()); !s.Ready || len(s.Trouble) > 0 {
		t.Errorf("ready %v, trouble %v", s.Ready, s.Trouble)
	}
	var out bytes.Buffer
	code, err := l.RunCLI(t.Context(), lab.Call{Args: []string{"server", "members"}, Streams: engine.Streams{Stdout: &out, Stderr: &out}})
	if err != nil || code != 0 || !strings.Contains(out.String(), "server-1.global") {
		t.Errorf("code %d, %v: %s", code, err, out.String())
	}
	server := l.Servers()[0]
	before, err := server.Log().Mark()
	if err != nil || before == 0 {
		t.Errorf("the log ends at %d, %v", before, err)
	}
	if err := server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if server.HTTP().IsValid() || l.Status(t.Context()).Ready {
		t.Errorf("killed, and still at %s", server.HTTP())
	}
	if err := l.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(t.Context()); !s.Ready {
		t.Errorf("after the restart: %v", s.Trouble)
	}
}
