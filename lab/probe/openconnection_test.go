package probe_test

import (
	"net"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// TestNoConnectionIsHeld to an agent that does not listen, and the observation says so.
func TestNoConnectionIsHeld(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Issue(pki.Identity{Role: pki.CLI})
	if err != nil {
		t.Fatal(err)
	}
	as := probe.As(own)
	away := probe.Target{Name: "away", HTTP: l.Addr().String(), RPC: l.Addr().String(), ServerName: "server.global.nomad"}
	if held, o := probe.HoldHTTPS(t.Context(), away, probe.Health(), as); held != nil || o.Outcome != probe.NotReached {
		t.Errorf("HTTPS: %v, %s", held, o.Outcome)
	}
	if held, o := probe.HoldRPC(t.Context(), away, as); held != nil || o.Outcome != probe.NotReached {
		t.Errorf("RPC: %v, %s", held, o.Outcome)
	}
}
