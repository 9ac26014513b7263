package inspect_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// TestOneServerWithoutTLS: a server that was reloaded without its tls block fails the checks for ports in the clear, although its
// cluster has lost it. No other server fails.
func TestOneServerWithoutTLS(t *testing.T) {
	t.Parallel()
	const open = "server-3"
	l := labtest.Start(t, spec.Servers(3), spec.Clients(0), spec.Hardened())
	if labtest.Leader(t, l).Name() == open {
		to, err := l.Node("server-1")
		if err != nil {
			t.Fatal(err)
		}
		handOver(t, l, labtest.Leader(t, l), to)
	}
	inClear := []string{"server-https-refuses-plaintext", "rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-plaintext-streaming", "raft-refuses-plaintext"}
	options := inspect.Options{Only: append(inClear, inspect.MatrixName)}
	for _, f := range inspected(t, l, options).Findings { // the control: with its tls block it refuses all that
		if f.Result != finding.Pass {
			t.Errorf("%s at %s before: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	node, err := l.Node(open)
	if err != nil {
		t.Fatal(err)
	}
	dropTLS(t, node)
	r := inspected(t, l, options)
	for _, f := range r.Findings {
		want := finding.Pass
		if f.Node == open {
			want = finding.Fail
		}
		if f.Result != want {
			t.Errorf("%s at %s: %s because %s, want %s", f.ID, f.Node, f.Result, f.Reason, want)
		}
	}
	if len(r.Findings) != 3*len(inClear) {
		t.Errorf("%d findings", len(r.Findings))
	}
	failed := 0
	each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
		if c.Result == finding.Pass || c.Result == finding.Skipped {
			return
		}
		failed++
		if !slices.Equal(c.At, []string{open}) || c.Elsewhere != finding.Pass {
			t.Errorf("%s at %s: %s at %v, and %s elsewhere: %s", row.Certificate, c.Endpoint, c.Result, c.At, c.Elsewhere, c.Reason)
		}
	})
	if failed == 0 {
		t.Error("every cell of the matrix passes, or is inconclusive")
	}
}

func inspected(t *testing.T, l *lab.Lab, o inspect.Options) finding.Report {
	t.Helper()
	r, err := inspect.Lab(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dropTLS removes the tls block from the agent's configuration, reloads the agent, and returns when its ports speak in the clear.
func dropTLS(t *testing.T, n *lab.Node) {
	t.Helper()
	c, err := n.API()
	if err != nil {
		t.Fatal(err)
	}
	self, err := c.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := self.Config["Files"].([]any)
	file := ""
	for _, f := range files {
		if name, _ := f.(string); strings.HasSuffix(name, "agent.hcl") {
			file = name
		}
	}
	if file == "" {
		t.Fatalf("%s has read the files %v", n.Name(), files)
	}
	const script = `grep -q '^tls {' "$1" || exit 3
sed -i '/^tls {/,/^}/d' "$1"
for p in /proc/[0-9]*; do
	if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q -- "agent -config ${1%/*} "; then kill -HUP ${p#/proc/}; fi
done`
	var said bytes.Buffer
	code, err := n.Exec(t.Context(), engine.Command{
		Args: []string{"sh", "-c", script, "sh", file}, Streams: engine.Streams{Stdout: &said, Stderr: &said},
	})
	if err != nil || code != 0 {
		t.Fatalf("drop the tls block: %d: %s: %v", code, said.String(), err)
	}
	err = poll.Until(t.Context(), n.Name()+" to speak in the clear", func(ctx context.Context) string {
		for _, p := range []probe.Probe{probe.PlainHTTP("/v1/status/leader?stale"), probe.PlainRPC(probe.FramingRaft)} {
			if o := p.Observe(ctx, inspect.Target(n)); o.Outcome != probe.Accepted {
				return p.Sentence + ": " + string(o.Outcome) + ": " + o.Received + o.Err
			}
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
}
