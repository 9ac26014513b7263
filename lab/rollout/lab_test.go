package rollout_test

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// TestRollouts carries out each kind of rollout on one lab, one after another, and takes back those that can be.
func TestRollouts(t *testing.T) {
	l := labtest.Start(t)
	ctx := t.Context()
	t.Run("renewal", func(t *testing.T) { renew(ctx, t, l) })
	t.Run("renewal at new paths", func(t *testing.T) { renewAtNewPaths(ctx, t, l) })
	t.Run("another authority", func(t *testing.T) { replaceAuthority(ctx, t, l) })
	t.Run("another gossip key", func(t *testing.T) { rotateGossip(ctx, t, l) })
	t.Run("a setting", func(t *testing.T) { changeSetting(ctx, t, l) })
}

// TestAgentEndsInAStep carries out a step that ends its agent: the rollout says so long before the step's time is over, and Undo
// brings the agent up again.
func TestAgentEndsInAStep(t *testing.T) {
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0))
	ctx := t.Context()
	n := l.Servers()[0]
	at := slices.IndexFunc(n.Plan().Files, func(f plan.File) bool { return path.Ext(f.Path) == ".hcl" && strings.Contains(f.Content, "cert_file") })
	file := n.Plan().Files[at]
	p := rollout.Plan{Title: "break it", Steps: []rollout.Step{{
		Node: n.Name(), Title: "break it", Effect: rollout.Restart,
		Files: []rollout.File{{Path: file.Path, Mode: file.Mode, What: "agent configuration", Data: []byte("no such setting = {")}},
		Await: []rollout.Await{rollout.Healthy(n.Name())},
	}}}
	began := time.Now()
	out, err := rollout.Run(ctx, l, p, rollout.Options{})
	if _, is := errors.AsType[*lab.EndedError](err); !is {
		t.Errorf("after %s: want an error that says that the agent has ended, got: %v", time.Since(began), err)
	}
	if err := out.Undo(ctx, l, rollout.Options{}); err != nil {
		t.Fatalf("take it back: %v", err)
	}
	if err := n.Healthy(ctx); err != nil {
		t.Error(err)
	}
	if s, err := n.State(ctx); err != nil || !s.Running {
		t.Errorf("it does not run again: %v", err)
	}
}

// TestRotateGossipRefusesAKeyThatIsNone holds that such a key is refused before a server is asked, in words without the key.
func TestRotateGossipRefusesAKeyThatIsNone(t *testing.T) {
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0))
	for what, key := range map[string]string{"no base64": "not-a-key-at-all", "too short": "c2hvcnQ=", "empty": "", "the old one": l.GossipKey()} {
		_, err := rollout.RotateGossip(l, key)
		if err == nil || key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("%s: want an error without the key, got: %v", what, err)
		}
	}
}

// TestClientReady: a client is ready while it runs and its servers reach it, and an extra node is looked at as any other.
func TestClientReady(t *testing.T) {
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1), spec.ExtraNodes(spec.ExtraNode{Name: "late", Role: pki.Client}))
	ctx := t.Context()
	late, err := l.Node("late")
	if err != nil {
		t.Fatal(err)
	}
	client := l.Clients()[0]
	if err := client.ClientReady(ctx); err != nil {
		t.Error(err)
	}
	if late.ClientReady(ctx) == nil {
		t.Error("an extra node that was not started is ready")
	}
	if err := late.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := poll.Until(ctx, "late to be ready", func(ctx context.Context) string {
		if err := late.ClientReady(ctx); err != nil {
			return err.Error()
		}
		return ""
	}); err != nil {
		t.Fatal(err)
	}
	if err := client.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if client.ClientReady(ctx) == nil {
		t.Error("a client that was killed is ready")
	}
	if l.Servers()[0].ClientReady(ctx) == nil {
		t.Error("a server is a ready client")
	}
}

func ordered(ctx context.Context, t *testing.T, l *lab.Lab) []*lab.Node {
	t.Helper()
	leader, err := l.Leader(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	nodes := rollout.Order(rollout.Members(l), leader.Name())
	if last := nodes[len(l.Servers())-1]; last != leader {
		t.Errorf("%s is the last server, and %s leads", last.Name(), leader.Name())
	}
	return nodes
}

func renew(ctx context.Context, t *testing.T, l *lab.Lab) {
	nodes := ordered(ctx, t, l)
	fresh, err := rollout.Issue(l.Authority(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rollout.Renew(nodes, fresh)
	if err != nil {
		t.Fatal(err)
	}
	before := served(ctx, t, l)
	var r timeline.Recorder
	out, err := rollout.Run(ctx, l, p, rollout.Options{Recorder: &r})
	if err != nil {
		t.Fatal(err)
	}
	if steps := count(r.Events(), timeline.Step); steps != len(nodes) {
		t.Errorf("%d steps were recorded, want %d", steps, len(nodes))
	}
	after := served(ctx, t, l)
	for name := range before {
		if before[name] == after[name] {
			t.Errorf("%s serves the certificate that it served before", name)
		}
	}
	if err := out.Undo(ctx, l, rollout.Options{}); err != nil {
		t.Fatal(err)
	}
	for name, serial := range served(ctx, t, l) {
		if serial != before[name] {
			t.Errorf("%s does not serve its old certificate again", name)
		}
	}
}

func renewAtNewPaths(ctx context.Context, t *testing.T, l *lab.Lab) {
	for range 2 { // the second finds the files of the first
		nodes := ordered(ctx, t, l)
		fresh, err := rollout.Issue(l.Authority(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		p, err := rollout.RenewAtNewPaths(ctx, nodes, fresh)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rollout.Run(ctx, l, p, rollout.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

func replaceAuthority(ctx context.Context, t *testing.T, l *lab.Lab) {
	next, err := pki.NewAuthority(pki.Options{CommonName: "the next authority"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := rollout.Succeed(l, next)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rollout.ReplaceAuthority(ordered(ctx, t, l), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rollout.Run(ctx, l, p, rollout.Options{}); err != nil {
		t.Fatal(err)
	}
	if l.Authority() != next {
		t.Error("the lab still issues with the old authority")
	}
	if err := rollout.Refuses("server-1", s.CLI).Met(ctx, l); err != nil {
		t.Error(err)
	}
	if err := rollout.Refuses("server-1", s.NewCLI).Met(ctx, l); err == nil {
		t.Error("a certificate of the new authority counts as refused")
	}
}

func rotateGossip(ctx context.Context, t *testing.T, l *lab.Lab) {
	const next = "cg8StVXbQJ0gPvMd9o7yrg=="
	const stray = "hSHDVg6NGFIrrc6jSmiDBw==" // as a rotation that was killed leaves one
	old := l.GossipKey()
	c, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Agent().InstallKey(stray); err != nil {
		t.Fatal(err)
	}
	p, err := rollout.RotateGossip(l, next)
	if err != nil {
		t.Fatal(err)
	}
	out, err := rollout.Run(ctx, l, p, rollout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if l.GossipKey() != next {
		t.Error("the lab does not know its new gossip key")
	}
	if err := errors.Join(rollout.HasGossipKey(old, false).Met(ctx, l), rollout.HasGossipKey(stray, false).Met(ctx, l)); err != nil {
		t.Error(err)
	}
	if err := out.Undo(ctx, l, rollout.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rollout.HasGossipKey(old, true).Met(ctx, l), rollout.HasGossipKey(next, false).Met(ctx, l)); err != nil {
		t.Error(err)
	}
	if l.GossipKey() != old {
		t.Error("the lab does not know its old gossip key again")
	}
}

func changeSetting(ctx context.Context, t *testing.T, l *lab.Lab) {
	target := l.Spec()
	target.Overrides = append(target.Overrides, spec.Override{Role: pki.Server, Path: "server.heartbeat_grace", Value: `"1m"`})
	// The clients would change too: a lab with overrides runs no raw_exec on this machine's loopback.
	toward := rollout.Target{Title: "wait longer for heartbeats", Spec: target, Nodes: ordered(ctx, t, l)[:len(l.Servers())]}
	p, err := rollout.Toward(ctx, l, toward)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps[:len(p.Steps)-1] {
		if s.Effect != rollout.Restart || len(s.Files) != 1 {
			t.Errorf("%s: %q with %d files, want a restart with one", s, s.Effect, len(s.Files))
		}
	}
	if want := len(l.Servers()) + 1; len(p.Steps) != want {
		var text strings.Builder
		_ = p.Write(&text)
		t.Errorf("%d steps, want %d:\n%s", len(p.Steps), want, text.String())
	}
	if _, err := rollout.Run(ctx, l, p, rollout.Options{}); err != nil {
		t.Fatal(err)
	}
	again, err := rollout.Toward(ctx, l, toward)
	if err != nil || len(again.Steps) != 1 {
		t.Errorf("a lab that is what the target says has %d steps to go (%v)", len(again.Steps), err)
	}
}

// served returns the serial number of the certificate at each agent's HTTP port.
func served(ctx context.Context, t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, n := range rollout.Members(l) {
		c, err := n.Certificate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		out[n.Name()] = c.SerialNumber.String()
	}
	return out
}

func count(all []timeline.Event, k timeline.Kind) int {
	n := 0
	for _, e := range all {
		if e.Kind == k {
			n++
		}
	}
	return n
}
