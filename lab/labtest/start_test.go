package labtest_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestOneLab asks one ready lab for all that needs no lab of its own, and then takes it down.
func TestOneLab(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1))
	t.Run("answers", func(t *testing.T) { answers(t, l) })
	t.Run("evidence", func(t *testing.T) { evidenceOfARunningLab(t, l) })
	t.Run("restart", func(t *testing.T) { restarts(t, l) })
	t.Run("paused", func(t *testing.T) { pausedIsSaidAndResumed(t, l) })
	t.Run("gossip key", func(t *testing.T) { gossipKeyIsKeptAlone(t, l) })
}

// answers checks what a ready lab has: a leader, a client, a CLI, and a log.
func answers(t *testing.T, l *lab.Lab) {
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
	if before, err := l.Servers()[0].Log().Mark(); err != nil || before == 0 {
		t.Errorf("the log ends at %d, %v", before, err)
	}
}

// restarts a lab whose server was killed; the endpoints are those of the present start.
func restarts(t *testing.T, l *lab.Lab) {
	server := l.Servers()[0]
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

// pausedIsSaidAndResumed: a status calls a paused node so, with what to do, and a restart resumes it.
func pausedIsSaidAndResumed(t *testing.T, l *lab.Lab) {
	for _, n := range []*lab.Node{l.Servers()[0], l.Clients()[0]} {
		if err := n.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := l.Status(t.Context())
		if s.Ready || !slices.Contains(s.Trouble, n.Name()+" is paused") || len(s.Next) != 1 || !strings.Contains(s.Next[0], "`nomadlab start "+l.Name()+"`") {
			t.Errorf("%s is paused: ready %v, trouble %q, next %q", n.Name(), s.Ready, s.Trouble, s.Next)
		}
		if err := l.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := l.Status(t.Context()); !s.Ready || len(s.Next) > 0 {
			t.Errorf("after the restart: %q, next %q", s.Trouble, s.Next)
		}
	}
}

// gossipKeyIsKeptAlone in a file of its own, which goes with the lab, and nowhere else: not in the evidence either, which
// was kept before.
func gossipKeyIsKeptAlone(t *testing.T, l *lab.Lab) {
	key, home := l.GossipKey(), os.Getenv("XDG_STATE_HOME")
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 32 {
		t.Fatalf("the key has %d bytes, %v", len(raw), err)
	}
	if kept, err := filepath.Glob(filepath.Join(home, "nomadlab", "evidence", l.Name()+"-*")); err != nil || len(kept) == 0 {
		t.Errorf("there is no evidence to search: %v, %v", kept, err)
	}
	kept := filepath.Join(l.TLSFolder(), "gossip.key")
	info, err := os.Stat(kept)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("its file: %v, %v", info, err)
	}
	in := func() []string { return filesWith(t, home, key) }
	if got := in(); !slices.Equal(got, []string{kept}) {
		t.Errorf("the key is in %q", got)
	}
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := in(); len(got) > 0 {
		t.Errorf("the key is left in %q", got)
	}
}

// filesWith are the files below a folder in which a text stands. Those of other tests come and go meanwhile.
func filesWith(t *testing.T, folder, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			files = append(files, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestLabWithoutGossipKey: the lab has no gossip key to return.
func TestLabWithoutGossipKey(t *testing.T) {
	t.Parallel()
	l := labtest.StartOn(t, engines.Process, spec.Servers(1), spec.Clients(0), spec.Set(pki.Server, "server.encrypt", ""))
	opened, err := lab.Open(t.Context(), labtest.EngineOf(t, engines.Process), l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if l.GossipKey() != "" || opened.GossipKey() != "" {
		t.Error("there is a key")
	}
}
