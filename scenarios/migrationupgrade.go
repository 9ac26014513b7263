package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// toTLSByUpgradeMode proves the order in which tls.rpc_upgrade_mode is safe, and shows what it costs while it is on.
func toTLSByUpgradeMode() scenario.Scenario {
	return scenario.Scenario{
		Name:  "rpc-upgrade-mode-is-safe-without-names",
		Claim: "Servers in tls.rpc_upgrade_mode that do not verify names yet serve plaintext and TLS clients side by side, to every caller that reaches their ports. A reload does not end that; a restart does.",
		Spec:  changeSpecWith(withoutTLS()),
		Steps: func() []scenario.Step { return (&upgradeMode{}).steps() },
	}
}

// lockedOut shows what becomes of clients when servers verify names in upgrade mode.
func lockedOut() scenario.Scenario {
	return scenario.Scenario{
		Name:  "rpc-upgrade-mode-with-names-locks-clients-out",
		Claim: "Servers in tls.rpc_upgrade_mode that verify names deny plaintext clients what every client needs, so that they count as failed after their grace; once the servers verify no names, the clients are back.",
		Spec:  changeSpecWith(withoutTLS()),
		Steps: func() []scenario.Step { return (&upgradeMode{}).lockedOutSteps() },
	}
}

// upgradeMode is what the steps share.
type upgradeMode struct {
	change
	// names has the servers verify names from the beginning, which is the wrong twin.
	names bool
	// reloads has the mode end by a reload alone, which is the other wrong twin.
	reloads bool

	closed bool
}

// inUpgradeMode is the stage in which the servers are in upgrade mode, and the clients have TLS.
const inUpgradeMode stage = "in upgrade mode, while"

// forServers returns an override for servers.
func forServers(path, value string) spec.Override {
	return spec.Override{Role: pki.Server, Path: path, Value: value}
}

// upgradingServers are the overrides of servers that also take plaintext RPC.
func upgradingServers(names bool) []spec.Override {
	return []spec.Override{forServers("tls.rpc_upgrade_mode", "true"), forServers("tls.verify_server_hostname", fmt.Sprint(names))}
}

// plainClients leaves clients without TLS.
func plainClients() spec.Override { return spec.Override{Role: pki.Client, Path: "tls"} }

func (u *upgradeMode) steps() []scenario.Step {
	u.open = func(at stage) []string {
		if at == inUpgradeMode {
			return []string{"rpc-refuses-plaintext-nomad-rpc", "raft-refuses-plaintext", "rpc-refuses-cli-certificate", "raft-refuses-client-certificate"}
		}
		return openInPlaintext(at)
	}
	return []scenario.Step{
		{Title: "The plaintext cluster refuses nobody, and work runs on it", Do: u.beginAt(inPlaintext)},
		{Title: "The servers are reloaded with TLS, in upgrade mode, without verifying names; the client stays in plaintext, and ready", Do: u.upgrade},
		{Title: "The client is reloaded with TLS", Do: u.toward("give the client TLS", upgradingServers(u.names)...)},
		{Title: "What is left: plaintext RPC and Raft are accepted, and any certificate of the authority", Do: u.at(inUpgradeMode)},
		{Title: "A reload without upgrade mode changes nothing, whatever the servers say of themselves", Do: u.reloadOnly},
		{Title: "A restart ends it", Do: u.close},
		u.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// at returns the action that takes the posture at a stage.
func (c *change) at(s stage) action {
	return func(ctx context.Context, t *scenario.T) error {
		if c.work == nil {
			return errNoWork
		}
		return c.posture(ctx, t, s)
	}
}

// upgrade has the servers take TLS, and plaintext RPC as well.
func (u *upgradeMode) upgrade(ctx context.Context, t *scenario.T) error {
	if u.work == nil {
		return errNoWork
	}
	p, err := u.upgradePlan(ctx, t.Lab, u.names)
	if err != nil {
		return err
	}
	return u.through(ctx, t, p)
}

// upgradePlan returns the rollout to servers in upgrade mode with a plaintext client. A follower with TLS cannot forward to a leader
// without, and the leader goes last, so that it is a leader that reaches every server all the time.
func (u *upgradeMode) upgradePlan(ctx context.Context, l *lab.Lab, names bool) (rollout.Plan, error) {
	leader, err := l.Leader(ctx, "")
	if err != nil {
		return rollout.Plan{}, err
	}
	nodes := rollout.Order(l.Servers(), leader.Name())
	return rollout.Toward(ctx, l, rollout.Target{
		Title: "speak TLS in upgrade mode", Spec: changeSpecWith(append(upgradingServers(names), plainClients())...), Nodes: nodes,
		Await: func(n *lab.Node) []rollout.Await {
			if n != leader {
				return []rollout.Await{rollout.Answers(n.Name()), rollout.Follows(n.Name()), rollout.LeaderAmong([]*lab.Node{leader})}
			}
			var all []rollout.Await
			for _, s := range nodes {
				all = append(all, rollout.Settled(s)...)
			}
			if !names {
				all = append(all, rollout.ClientReady(l.Clients()[0].Name()))
			}
			return all
		},
	})
}

// reloadOnly has the servers read a configuration without upgrade mode, and demands that they go on as before.
func (u *upgradeMode) reloadOnly(ctx context.Context, t *scenario.T) error {
	if err := u.leave(ctx, t, rollout.Reload); err != nil {
		return err
	}
	for _, n := range t.Lab.Servers() {
		says, err := tlsOf(ctx, n)
		if err != nil {
			return err
		}
		if says.RPCUpgradeMode || !says.VerifyServerHostname {
			return fmt.Errorf("%s says that it is in upgrade mode or verifies no names: %+v; it should say what its file says", n.Name(), says)
		}
	}
	return u.posture(ctx, t, inUpgradeMode)
}

// close restarts the servers.
func (u *upgradeMode) close(ctx context.Context, t *scenario.T) error {
	if u.reloads {
		return u.leave(ctx, t, rollout.Reload)
	}
	return u.leave(ctx, t, rollout.Restart)
}

// leave has the servers leave upgrade mode and verify names, by that effect.
func (u *upgradeMode) leave(ctx context.Context, t *scenario.T, effect rollout.Effect) error {
	if u.work == nil {
		return errNoWork
	}
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	p, err := rollout.Toward(ctx, t.Lab, rollout.Target{
		Title: "leave upgrade mode by " + string(effect), Spec: changeSpecWith(silentClients(usualGrace)), Nodes: rollout.Order(t.Lab.Servers(), leader.Name()),
		Choose: func(*lab.Node, []rollout.Line, bool) (rollout.Effect, string) {
			return effect, "to see whether it does"
		},
	})
	if err != nil {
		return err
	}
	return u.through(ctx, t, p)
}

func (u *upgradeMode) lockedOutSteps() []scenario.Step {
	u.open = openInPlaintext
	u.limits = load.Limits{Moved: len(jobsOfLoad), Restarted: len(jobsOfLoad)}
	return []scenario.Step{
		{Title: "The plaintext cluster refuses nobody, and work runs on it", Do: u.beginAt(inPlaintext)},
		{Title: "The servers are reloaded with TLS, in upgrade mode, verifying names, as the documentation has it", Do: u.upgradeWithNames},
		{Title: "The plaintext client is denied what it needs, and counts as failed after its grace", Do: u.clientFails},
		{Title: "The servers restart, verify no names, and the client is ready again", Do: u.clientBack},
		{Title: "The client is reloaded with TLS", Do: u.toward("give the client TLS", upgradingServers(false)...)},
		{Title: "A restart ends upgrade mode", Do: u.close},
		u.end("No acknowledged write was lost and no call failed after retry; the client's allocations were replaced or restarted"),
	}
}

// jobsOfLoad are the allocations of a load on one client.
var jobsOfLoad = [2]string{"service", "batch"}

// errNoUpgrade is the error of a step that needs servers in upgrade mode.
var errNoUpgrade = errors.New("the servers are not in upgrade mode: see the step that does it")

func (u *upgradeMode) upgradeWithNames(ctx context.Context, t *scenario.T) error {
	u.names = true
	if err := u.upgrade(ctx, t); err != nil {
		return err
	}
	u.closed = true
	return nil
}

// clientFails waits until the client has logged why it is denied, and until the servers take it for failed.
func (u *upgradeMode) clientFails(ctx context.Context, t *scenario.T) error {
	if !u.closed {
		return errNoUpgrade
	}
	client, began := t.Lab.Clients()[0], time.Now()
	if err := poll.Until(ctx, client.Name()+" to log that it is denied", func(context.Context) string {
		line := sinceMark(client, 0, "Permission denied", "")
		if line == "" {
			return "it did not"
		}
		t.Say("%s", line)
		return ""
	}); err != nil {
		return err
	}
	failed := takenForFailed(client.Name())
	err := poll.Until(ctx, failed.What, func(ctx context.Context) string {
		if err := failed.Met(ctx, t.Lab); err != nil {
			return err.Error()
		}
		return ""
	})
	if err == nil {
		t.Say("%s counts as failed %.0f s after the last server took TLS", client.Name(), time.Since(began).Seconds())
	}
	return err
}

func (u *upgradeMode) clientBack(ctx context.Context, t *scenario.T) error {
	if !u.closed {
		return errNoUpgrade
	}
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	p, err := rollout.Toward(ctx, t.Lab, rollout.Target{
		Title: "verify no names", Spec: changeSpecWith(append(upgradingServers(false), plainClients())...), Nodes: rollout.Order(t.Lab.Servers(), leader.Name()),
	})
	if err != nil {
		return err
	}
	p.Steps = append(p.Steps, rollout.Step{Title: "the client is back", Effect: rollout.Nothing, Await: []rollout.Await{rollout.ClientReady(t.Lab.Clients()[0].Name())}})
	return u.through(ctx, t, p)
}
