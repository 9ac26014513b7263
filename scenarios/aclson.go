package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// withACL switches ACLs on or off at every agent. A lab that says so, either way, counts as one that may lack a protection.
func withACL(on bool) spec.Override {
	return spec.Override{Path: "acl.enabled", Value: fmt.Sprint(on)}
}

// aclsOn proves that ACLs can be switched on in a running cluster, and measures the time in which a valid token is refused.
func aclsOn() scenario.Scenario {
	return scenario.Scenario{
		Name:  "acls-are-switched-on-while-work-runs",
		Claim: "Callers carry a token that was agreed on beforehand; the servers restart with ACLs, the leader last, and the ACL system is bootstrapped with that token at once. Every refusal lies in the gap before, and nothing that runs is lost.",
		Spec:  changeSpecWith(withACL(false)),
		Steps: func() []scenario.Step { return (&aclChange{}).steps() },
	}
}

// aclChange is what the steps share.
type aclChange struct {
	change
	// other has the ACL system bootstrapped with a token that the callers do not carry, which is the scenario's wrong twin.
	other bool

	// token is what the callers carry from the beginning.
	token string
	// opened is when the first server restarted with ACLs, and closed when the ACL system was bootstrapped.
	opened, closed time.Time
}

// errNoACLChange is the error of a step that needs what the step before did not do.
var errNoACLChange = errors.New("ACLs were not switched on: see the step that does it")

func (a *aclChange) steps() []scenario.Step {
	return []scenario.Step{
		{Title: "Work runs on a cluster without ACLs, and carries a token that means nothing yet", Do: a.agree},
		{Title: "The ACL system cannot be bootstrapped yet: no server has ACLs on", Do: a.bootstrapRefused},
		{Title: "The servers restart with ACLs, the leader last; it is bootstrapped at once; then the client restarts", Do: a.switchOn},
		{Title: "Each agent denies a caller without a token, and answers one who has it", Do: a.denies},
		a.end("Every refusal lies in the gap; nothing else failed, and nothing was lost"),
	}
}

// agree chooses the token and starts the work with it.
func (a *aclChange) agree(ctx context.Context, t *scenario.T) error {
	secret, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("choose a token: %w", err)
	}
	a.token, a.load.Token = secret.String(), secret.String()
	return a.begin().Do(ctx, t)
}

// bootstrapRefused demands that each server refuses the bootstrap for the reason that it has no ACLs.
func (a *aclChange) bootstrapRefused(ctx context.Context, t *scenario.T) error {
	if a.work == nil {
		return errNoWork
	}
	for _, n := range t.Lab.Servers() {
		if err := refusesBootstrap(ctx, n); err != nil {
			return err
		}
	}
	t.Say("each of %d servers answers: ACL support disabled", len(t.Lab.Servers()))
	return nil
}

// refusesBootstrap demands that the server refuses to be bootstrapped because ACLs are off.
func refusesBootstrap(ctx context.Context, n *lab.Node) error {
	c, err := n.APIWith("")
	if err != nil {
		return err
	}
	secret, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("choose a token: %w", err)
	}
	_, _, err = c.ACLTokens().BootstrapOpts(secret.String(), writing(ctx))
	if err == nil || !strings.Contains(err.Error(), "ACL support disabled") {
		return fmt.Errorf("bootstrap at %s: want \"ACL support disabled\", got: %v", n.Name(), err) //nolint:errorlint // it may be nil
	}
	return nil
}

// switchOn carries out the rollout. Before the leader's turn the bootstrap must still be refused, also by servers that have ACLs.
func (a *aclChange) switchOn(ctx context.Context, t *scenario.T) error {
	if a.work == nil {
		return errNoWork
	}
	secret := a.token
	if a.other {
		random, err := uuid.NewRandom()
		if err != nil {
			return fmt.Errorf("choose a token: %w", err)
		}
		secret = random.String()
	}
	p, err := rollout.EnableACL(ctx, t.Lab, rollout.Target{Title: "enable ACLs", Spec: changeSpecWith(withACL(true))}, secret)
	if err != nil {
		return err
	}
	leaders := time.Time{}
	_, err = rollout.Run(ctx, t.Lab, p, rollout.Options{
		Recorder: a.recorder,
		Before: func(ctx context.Context, i int, _ rollout.Step) error {
			switch i {
			case 0:
				a.opened = time.Now()
			case len(t.Lab.Servers()) - 1:
				for _, n := range t.Lab.Servers() {
					if err := refusesBootstrap(ctx, n); err != nil {
						return err
					}
				}
				t.Say("with ACLs on at all servers but the leader, the bootstrap is still refused by each")
				leaders = time.Now()
			}
			return nil
		},
		After: func(_ context.Context, i int, _ rollout.Step) error {
			if i == len(t.Lab.Servers()) {
				a.closed = time.Now()
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	t.Say("the gap: %.1f s from the first server with ACLs to the bootstrap, %.1f s of it from the restart of the leader", a.closed.Sub(a.opened).Seconds(), a.closed.Sub(leaders).Seconds())
	a.limits.Excused = []load.Excuse{{
		From: a.opened, To: a.closed, Outcomes: []load.Outcome{load.Denied},
		Why: "an agent with ACLs knows no token before the bootstrap, and the leader cannot be bootstrapped before it has ACLs",
	}}
	return nil
}

// denies checks each agent with and without the token.
func (a *aclChange) denies(ctx context.Context, t *scenario.T) error {
	if a.closed.IsZero() {
		return errNoACLChange
	}
	caller, err := as(t.Lab, pki.CLI, pki.DefaultRegion)
	if err != nil {
		return err
	}
	for _, n := range rollout.Members(t.Lab) {
		if err := check(ctx, t, n, posture.Spec{
			ID: string(n.Role()) + "-denies-a-caller-without-a-token", Title: "a caller with a certificate and no token may not list the cluster's nodes", Severity: posture.Critical,
			Why:   "acl.enabled is read at the start of each agent, and each decides by its own (verified against Nomad 1.11.3)",
			Probe: probe.HTTP("/v1/nodes", caller), Want: posture.Want{probe.Denied}, Control: probe.HTTP("/v1/nodes", caller.WithToken(a.token, "the agreed token")),
			Settings: []string{"acl.enabled"},
		}); err != nil {
			return err
		}
	}
	return nil
}
