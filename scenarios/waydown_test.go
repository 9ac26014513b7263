package scenarios_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// TestWayDown shows what happens when Nomad 1.10.5 gets the state of 1.11.3, each time on a copy or on a lab of its own. Nomad
// promises nothing of it: what is seen here of a small state need not hold for another one.
func TestWayDown(t *testing.T) {
	const older = "1.10.5"
	labtest.NeedsNomad(t, older)
	t.Parallel()
	alone := []spec.Option{spec.Servers(1), spec.Clients(0)}
	hardened := append([]spec.Option{spec.Hardened()}, alone...)
	t.Run("a snapshot is restored", func(t *testing.T) {
		t.Parallel()
		newer := labtest.Start(t, hardened...)
		write(t, newer)
		down := labtest.Start(t, append(hardened, func(s *spec.Spec) { s.Nomad.Version = older })...)
		if found, err := found(t.Context(), down, down.ManagementToken()); found != "" || err == nil {
			t.Fatalf("before: %q (%v)", found, err)
		}
		if _, err := apiOf(t, down).Operator().SnapshotRestore(bytes.NewReader(snapshot(t, newer)), nil); err != nil {
			t.Fatal(err)
		}
		awaitWritten(t, down, newer.ManagementToken()) // the tokens are those of the snapshot too
	})
	t.Run("a data_dir is read", func(t *testing.T) {
		t.Parallel()
		l := labtest.Start(t, alone...)
		write(t, l)
		runInstead(t, l, older)
		awaitWritten(t, l, "")
	})
	t.Run("a configuration with what the older one does not know is refused", func(t *testing.T) {
		t.Parallel()
		l := labtest.Start(t, hardened...)
		runInstead(t, l, older)
		n := l.Servers()[0]
		ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
		defer cancel()
		if err := poll.Until(ctx, "the agent to end", func(ctx context.Context) string {
			if s, err := n.State(ctx); err != nil || s.Running {
				return fmt.Sprintf("running: %v (%v)", s.Running, err)
			}
			return ""
		}); err != nil {
			t.Fatal(err)
		}
		lines, err := n.Log().Since(0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "unexpected keys client_introduction") }) {
			t.Errorf("the last lines of its log are %v", lines[max(0, len(lines)-5):])
		}
	})
}

// runInstead restarts the lab's first server with another version, whatever Nomad thinks of it.
func runInstead(t *testing.T, l *lab.Lab, version string) {
	t.Helper()
	to, err := l.FindNomad(t.Context(), version, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Servers()[0].RestartAgent(t.Context(), to.Binary); err != nil {
		t.Logf("it has ended already: %v", err)
	}
}

// wayDown is the variable that the newer version has written.
const wayDown = "way/down"

func write(t *testing.T, l *lab.Lab) {
	t.Helper()
	v := &api.Variable{Path: wayDown, Items: api.VariableItems{"by": "the newer one"}}
	if _, _, err := apiOf(t, l).Variables().Create(v, new(api.WriteOptions).WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// awaitWritten waits until the server of the lab returns the variable to a caller with the token.
func awaitWritten(t *testing.T, l *lab.Lab, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	err := poll.Until(ctx, "the variable to be read", func(ctx context.Context) string {
		got, err := found(ctx, l, token)
		if err != nil {
			return err.Error()
		}
		if got != "the newer one" {
			return fmt.Sprintf("it is %q", got)
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
}

// found returns what the variable has.
func found(ctx context.Context, l *lab.Lab, token string) (string, error) {
	c, err := l.Servers()[0].APIWith(token)
	if err != nil {
		return "", err
	}
	v, _, err := c.Variables().Read(wayDown, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return "", err
	}
	return v.Items["by"], nil
}

func snapshot(t *testing.T, l *lab.Lab) []byte {
	t.Helper()
	r, err := apiOf(t, l).Operator().Snapshot((&api.QueryOptions{}).WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func apiOf(t *testing.T, l *lab.Lab) *api.Client {
	t.Helper()
	c, err := labtest.Leader(t, l).API()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
