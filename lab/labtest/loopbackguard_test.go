package labtest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// laxEngine gives every client a line that no plan has: raw_exec is on.
type laxEngine struct{ engine.Engine }

// Create changes the client's files on their way to the node.
func (e laxEngine) Create(ctx context.Context, n engine.Node) error {
	n.Files = slices.Clone(n.Files)
	for i, f := range n.Files {
		if _, after, found := bytes.Cut(f.Data, []byte(`plugin "raw_exec"`)); found {
			n.Files[i].Data = bytes.Replace(f.Data, after, bytes.ReplaceAll(after, []byte("false"), []byte("true")), 1)
		}
	}
	return e.Engine.Create(ctx, n)
}

// TestStartedAgentsAreAsked what they run before a lab on bare loopback is handed out: here they get other files than the plan
// has, so that no reading of those shows what the agents do. The lab is refused, and nothing of it is left.
func TestStartedAgentsAreAsked(t *testing.T) {
	t.Parallel()
	e := labtest.EngineOf(t, engines.Process)
	wanted := spec.Spec{Name: labtest.Name(t)}.With(spec.Servers(1), spec.Clients(1), spec.Set("", "tls.http", "false"))
	l, err := lab.Up(t.Context(), laxEngine{e}, wanted, lab.UpOptions{})
	if err == nil {
		_ = l.Down(t.Context())
		t.Fatal("a lab was handed out whose client runs raw_exec for every caller")
	}
	for _, want := range []string{"client-1", "raw_exec", "serves plain HTTP", "--engine docker"} {
		if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if labs, err := e.Labs(t.Context()); err != nil || len(labs[wanted.Name].Nodes) > 0 {
		t.Errorf("of it is left: %v, %v", labs[wanted.Name], err)
	}
}
