package rollout_test

import (
	"errors"
	"slices"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
)

// older and newer are the versions of an upgrade.
const older, newer = "1.10.5", "1.11.3"

// TestUpgrade brings a newer Nomad to a running lab of three servers and a client, first to the servers.
func TestUpgrade(t *testing.T) {
	labtest.NeedsNomad(t, older)
	ctx := t.Context()
	l := labtest.Start(t, spec.Clients(1), func(s *spec.Spec) { s.Nomad = spec.Nomad{Version: older} })
	to, err := l.FindNomad(ctx, newer, nil)
	if err != nil {
		t.Fatal(err)
	}
	nodes := ordered(ctx, t, l)
	if _, err := rollout.UpgradeNodes(l, nodes[3:], to); !errors.Is(err, rollout.ErrClientFirst) {
		t.Errorf("the client first: %v", err)
	}
	if _, err := rollout.UpgradeNodes(l, nodes, lab.Nomad{Version: "1.9.7"}); !errors.Is(err, rollout.ErrOlder) {
		t.Errorf("an older version: %v", err)
	}
	if err := rollout.Runs("server-1", newer).Met(ctx, l); err == nil {
		t.Error("a server of the old version counts as one of the new one")
	}
	for _, some := range [][]*lab.Node{nodes[:1], nodes} {
		p, err := rollout.UpgradeNodes(l, some, to)
		if err != nil {
			t.Fatal(err)
		}
		out, err := rollout.Run(ctx, l, p, rollout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			want := older
			if slices.Contains(some, n) {
				want = newer
			}
			if got, err := rollout.VersionOf(ctx, l, n); got != want || n.NomadVersion() != want || err != nil {
				t.Errorf("%s runs %s (%v), and the lab takes it for one of %s, want %s", n.Name(), got, err, n.NomadVersion(), want)
			}
		}
		if err := out.Undo(ctx, l, rollout.Options{}); !errors.Is(err, rollout.ErrIrreversible) {
			t.Errorf("an upgrade was taken back: %v", err)
		}
	}
	if l.NomadVersion() != newer || l.Spec().Nomad.Version != newer {
		t.Errorf("the lab is one of %s, its Spec one of %s", l.NomadVersion(), l.Spec().Nomad.Version)
	}
	if _, err := rollout.UpgradeNodes(l, nodes, to); !errors.Is(err, rollout.ErrThatVersion) {
		t.Errorf("a lab of the version: %v", err)
	}
	restartStopped(t, l, nodes)
}

// restartStopped stops a server and the client, as a machine that is turned off: they run the new version afterwards.
func restartStopped(t *testing.T, l *lab.Lab, nodes []*lab.Node) {
	t.Helper()
	ctx := t.Context()
	for _, n := range []*lab.Node{nodes[0], nodes[3]} {
		if err := errors.Join(n.Stop(ctx), n.Start(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if got, err := rollout.VersionOf(ctx, l, n); got != newer || err != nil {
			t.Errorf("%s, a %s, runs %s after its start (%v)", n.Name(), n.Role(), got, err)
		}
	}
}
