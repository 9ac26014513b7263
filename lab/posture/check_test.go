package posture_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// answering returns a probe that gives the outcomes in turn, and then the last one.
func answering(sentence string, outcomes ...probe.Outcome) probe.Probe {
	var turn atomic.Int64 // agents are tried side by side
	return probe.New(probe.PlaneRPC, sentence, func(context.Context, probe.Target) probe.Observation {
		o := outcomes[min(int(turn.Add(1))-1, len(outcomes)-1)]
		return probe.Observation{Outcome: o, Received: "turn"}
	}).WithEffect(probe.Reads())
}

// whole returns a complete spec.
func whole() posture.Spec {
	return posture.Spec{
		ID: "rpc-refuses-cli-certificate", Title: "RPC refuses a CLI certificate",
		Kind: posture.Safe, Severity: posture.High, Why: "CVE-2020-7956",
		Settings: []string{"tls.verify_server_hostname", "tls.rpc"},
		Probe:    answering("call with a CLI certificate", probe.RefusedInHandshake),
		Want:     posture.Want{probe.RefusedInHandshake},
		Control:  answering("call with a server certificate", probe.Accepted),
	}
}

func TestNewRefusesWhatCannotProve(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*posture.Spec)
		says  string
	}{
		{"no control", func(s *posture.Spec) { s.Control = probe.Probe{} }, "it has no control"},
		{"control without a way to see", func(s *posture.Spec) { s.Control = probe.Probe{Plane: probe.PlaneRPC, Sentence: "x"} }, "it has no control"},
		{"control like the probe", func(s *posture.Spec) { s.Control = s.Probe }, "does the same as its Probe"},
		{"no probe", func(s *posture.Spec) { s.Probe = probe.Probe{} }, "its Probe is empty"},
		{"no want", func(s *posture.Spec) { s.Want = nil }, "it wants no outcome"},
		{"want that cannot fail", func(s *posture.Spec) { s.Want = append(posture.Refused(), probe.Accepted) }, "both an acceptance and a refusal"},
		{"want of a dead port", func(s *posture.Spec) { s.Want = posture.Want{probe.NotReached} }, "proves nothing"},
		{"want of a failure", func(s *posture.Spec) { s.Want = posture.Want{probe.Denied, probe.Failed} }, "proves nothing"},
		{"no ID", func(s *posture.Spec) { s.ID = "" }, "its ID is empty"},
		{"no title", func(s *posture.Spec) { s.Title = "" }, "its Title is empty"},
		{"no reason", func(s *posture.Spec) { s.Why = "" }, "its Why is empty"},
		{"no such kind", func(s *posture.Spec) { s.Kind = "harmless" }, "its Kind is"},
		{"no kind and no class", func(s *posture.Spec) { s.Kind, s.Probe = "", s.Probe.WithEffect(probe.Changes()) }, "has no Kind"},
		{"safe and no class", func(s *posture.Spec) { s.Probe = s.Probe.WithEffect(probe.Effect{}) }, `its Kind is "safe", and the class of its requests is "changes"`},
		{"safe on one version", func(s *posture.Spec) { s.Control = s.Control.WithEffect(probe.WithoutEffectOn("1.11.3")) }, `"refused without effect on Nomad 1.11.3"`},
		{"guarded and changes", func(s *posture.Spec) { s.Kind, s.Control = posture.Guarded, s.Control.WithEffect(probe.Changes()) }, `its Kind is "guarded"`},
		{"forwarded and changes", func(s *posture.Spec) {
			s.Kind, s.ForwardedTo = posture.Intrusive, func(context.Context, probe.Target) (probe.Target, bool) { return probe.Target{}, false }
		}, "drop ForwardedTo"},
		{"no severity", func(s *posture.Spec) { s.Severity = "" }, "its Severity is"},
		{"log of an acceptance", func(s *posture.Spec) { s.Want, s.LogText = posture.Accepted(), "accepted" }, "wants an acceptance"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := whole()
			if _, err := posture.New(spec); err != nil {
				t.Fatalf("the control, the whole spec, is refused: %v", err)
			}
			test.fault(&spec)
			_, err := posture.New(spec)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// TestKindFollowsFromTheClass of the requests, unless the check sets it.
func TestKindFollowsFromTheClass(t *testing.T) {
	for _, test := range []struct {
		probe, control probe.Effect
		want           posture.Kind
	}{
		{probe.Reads(), probe.Reads(), posture.Safe},
		{probe.Reads(), probe.WithoutEffectOn("1.11.3"), posture.Guarded},
		{probe.WithoutEffectOn("1.11.3", "1.10.5"), probe.WithoutEffectOn("1.11.3"), posture.Guarded},
	} {
		spec := whole()
		spec.Kind, spec.Probe, spec.Control = "", spec.Probe.WithEffect(test.probe), spec.Control.WithEffect(test.control)
		if got := posture.Must(spec).Spec().Kind; got != test.want {
			t.Errorf("%s and %s: kind %q, want %q", test.probe, test.control, got, test.want)
		}
	}
}

func TestNewTellsEveryFault(t *testing.T) {
	_, err := posture.New(posture.Spec{})
	if !errors.Is(err, posture.ErrNoControl) {
		t.Errorf("error %v does not wrap ErrNoControl", err)
	}
	for _, field := range []string{"ID", "Title", "Why", "Kind", "Severity", "Probe", "Control", "wants no outcome"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error %v says nothing of %s", err, field)
		}
	}
}

func TestMustPanicsOnlyOnAFault(t *testing.T) {
	if got := posture.Must(whole()).Spec().ID; got != whole().ID {
		t.Errorf("ID %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a spec without a control")
		}
	}()
	spec := whole()
	spec.Control = probe.Probe{}
	posture.Must(spec)
}

func TestSpecHasDefaultsAndIsACopy(t *testing.T) {
	spec := whole()
	spec.Roles = []pki.Role{pki.Server}
	c := posture.Must(spec)
	if got := c.Spec(); got.Plane != probe.PlaneRPC || got.LogWithin != 3*time.Second {
		t.Errorf("plane %q, log within %s", got.Plane, got.LogWithin)
	}
	spec.Want[0], spec.Roles[0] = probe.Accepted, pki.Client
	c.Spec().Want[0], c.Spec().Roles[0] = probe.Accepted, pki.Client
	if got := c.Spec(); got.Want[0] != probe.RefusedInHandshake || got.Roles[0] != pki.Server {
		t.Errorf("the check was changed from outside: %v %v", got.Want, got.Roles)
	}
}
