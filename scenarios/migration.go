package scenarios

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// withoutTLS removes the tls block of every agent.
func withoutTLS() spec.Override { return spec.Override{Path: "tls"} }

// silentClients sets how long the servers take a client that they do not hear for alive, beyond its heartbeat.
func silentClients(grace string) spec.Override {
	return spec.Override{Path: "server.heartbeat_grace", Value: fmt.Sprintf("%q", grace)}
}

// usualGrace is Nomad's default of server.heartbeat_grace (nomad/config.go).
const usualGrace = "10s"

// changeSpecWith is changeSpec with these overrides.
func changeSpecWith(overrides ...spec.Override) spec.Spec {
	s := changeSpec()
	s.Overrides = overrides
	return s
}

// toTLS proves that a plaintext cluster becomes one with mutual TLS, and back, without losing work.
func toTLS() scenario.Scenario {
	return scenario.Scenario{
		Name:  "plaintext-becomes-tls-while-work-runs",
		Claim: "With server.heartbeat_grace raised first, the agents of a plaintext cluster restart with TLS one after another, go back and go again by reload; nothing that runs is lost.",
		Spec:  changeSpecWith(withoutTLS()),
		Steps: func() []scenario.Step { return (&migration{}).steps() },
	}
}

// migration is what the steps share.
type migration struct {
	change
	// edit changes the plan of the switch to TLS before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)
}

// The stages of a migration.
const (
	inPlaintext stage = "in plaintext, beside"
	inTLS       stage = "with TLS, beside"
)

func (m *migration) steps() []scenario.Step {
	m.open = openInPlaintext
	grace := silentClients("1h")
	return []scenario.Step{
		{Title: "The plaintext cluster refuses nobody, and work runs on it", Do: m.beginAt(inPlaintext)},
		{Title: "The servers restart one after another, and take silent clients for alive from now on", Do: m.toward("raise server.heartbeat_grace", withoutTLS(), grace)},
		{Title: "One agent after another restarts with TLS: the servers, the leader last of them, then the client", Do: m.switched(rollout.Restart, inTLS, grace)},
		{Title: "The way back: one agent after another is reloaded without TLS", Do: m.switched(rollout.Reload, inPlaintext, withoutTLS(), grace)},
		{Title: "And there again, by reload", Do: m.switched(rollout.Reload, inTLS, grace)},
		{Title: "The servers restart once more, and take silent clients for failed as before", Do: m.toward("lower server.heartbeat_grace", silentClients(usualGrace))},
		m.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// openInPlaintext returns the checks that fail on a cluster without TLS.
func openInPlaintext(at stage) []string {
	if at != inPlaintext {
		return nil
	}
	return []string{
		"server-https-refuses-plaintext", "client-https-refuses-plaintext", "server-https-refuses-no-certificate", "client-https-refuses-no-certificate",
		"rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-cli-certificate", "raft-refuses-plaintext", "raft-refuses-client-certificate",
	}
}

// through carries out a rollout beside the work. The posture is taken by others: halfway no two agents need have the same.
func (c *change) through(ctx context.Context, t *scenario.T, p rollout.Plan) error {
	began := time.Now()
	_, err := rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: c.recorder})
	if err == nil {
		t.Say("to %s took %.1f s in %d steps", p.Title, time.Since(began).Seconds(), len(p.Steps))
	}
	return err
}

// toward returns the action that changes the cluster to one with these overrides, by the gentlest way.
func (c *change) toward(title string, overrides ...spec.Override) action {
	return func(ctx context.Context, t *scenario.T) error {
		if c.work == nil {
			return errNoWork
		}
		p, err := rollout.Toward(ctx, t.Lab, rollout.Target{Title: title, Spec: changeSpecWith(overrides...)})
		if err != nil {
			return err
		}
		return c.through(ctx, t, p)
	}
}

// switched returns the action that takes the cluster to TLS, or back, by that effect, and then takes the posture.
func (m *migration) switched(effect rollout.Effect, then stage, overrides ...spec.Override) action {
	title := "speak TLS"
	if then == inPlaintext {
		title = "speak plaintext"
	}
	return func(ctx context.Context, t *scenario.T) error {
		if m.work == nil {
			return errNoWork
		}
		p, err := rollout.SwitchTLS(ctx, t.Lab, rollout.Target{
			Title: title, Spec: changeSpecWith(overrides...),
			Choose: func(_ *lab.Node, lines []rollout.Line, material bool) (rollout.Effect, string) {
				gentlest, why := rollout.Choose(lines, material)
				if effect == rollout.Restart && gentlest != rollout.Nothing {
					return rollout.Restart, "as the documentation of Nomad has it, though a reload would do"
				}
				return gentlest, why
			},
		})
		if err != nil {
			return err
		}
		if m.edit != nil {
			m.edit(&p)
		}
		if err := m.through(ctx, t, p); err != nil {
			return err
		}
		return m.posture(ctx, t, then)
	}
}
