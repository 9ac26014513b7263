package scenarios

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

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
		Claim: "Servers in tls.rpc_upgrade_mode that verify names deny a plaintext client its allocations, at the leader its heartbeats too: what it has goes on, and it gets no more, until the servers verify no names.",
		Spec:  changeSpecWith(withoutTLS()),
		Steps: func() []scenario.Step { return (&upgradeMode{names: true}).lockedOutSteps() },
	}
}

// upgradeMode is what the steps share.
type upgradeMode struct {
	change
	// names has the servers verify names from the beginning.
	names bool
	// reloads has the mode end by a reload alone, which is the other wrong twin.
	reloads bool

	upgraded bool
}

// inUpgradeMode is the stage in which the servers are in upgrade mode, and the clients have TLS.
const inUpgradeMode stage = "in upgrade mode, beside"

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
	return []scenario.Step{
		{Title: "The plaintext cluster refuses nobody, and work runs on it", Do: u.beginAt(inPlaintext)},
		{Title: "The servers are reloaded with TLS, in upgrade mode, verifying names, as the documentation has it", Do: u.upgradeWithNames},
		{Title: "The plaintext client is denied its new allocations: a new job does not start", Do: u.getsNoWork},
		{Title: "The servers restart, verify no names, and the job starts", Do: u.clientBack},
		{Title: "The client is reloaded with TLS", Do: u.toward("give the client TLS", upgradingServers(false)...)},
		{Title: "A restart ends upgrade mode", Do: u.close},
		u.end("What ran before went on all the time: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// errNoUpgrade is the error of a step that needs servers in upgrade mode.
var errNoUpgrade = errors.New("the servers are not in upgrade mode: see the step that does it")

func (u *upgradeMode) upgradeWithNames(ctx context.Context, t *scenario.T) error {
	if err := u.upgrade(ctx, t); err != nil {
		return err
	}
	u.upgraded = true
	return nil
}

// lateJob is the job that is registered while names are verified.
const lateJob = "late"

// getsNoWork registers a job, and waits until the client has logged that it is denied its allocations, which must be pending then.
func (u *upgradeMode) getsNoWork(ctx context.Context, t *scenario.T) error {
	if !u.upgraded {
		return errNoUpgrade
	}
	client := t.Lab.Clients()[0]
	mark, err := client.Log().Mark()
	if err != nil {
		return err
	}
	server, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return err
	}
	c, err := server.API()
	if err != nil {
		return err
	}
	if _, _, err := c.Jobs().Register(sleepJob(t.Lab, lateJob), writing(ctx)); err != nil {
		return fmt.Errorf("register a job: %w", err)
	}
	if err := poll.Until(ctx, client.Name()+" to log that it is denied its allocations", func(ctx context.Context) string {
		if err := jobStatus(ctx, t.Lab, lateJob, api.AllocClientStatusRunning); err == nil {
			return "" // nothing will be denied any more
		}
		for _, call := range []string{"rpc=Node.GetClientAllocs", "rpc=Alloc.GetAllocs"} {
			if line := sinceMark(client, mark, "Permission denied", call); line != "" {
				t.Say("%s", line)
				return ""
			}
		}
		return "it did not"
	}); err != nil {
		return err
	}
	return jobStatus(ctx, t.Lab, lateJob, api.AllocClientStatusPending)
}

// sleepJob returns a job of one task that does nothing, by a driver that every client of the lab has.
func sleepJob(l *lab.Lab, id string) *api.Job {
	task := api.NewTask("sleep", load.MockDriver)
	task.Config = map[string]any{"run_for": "1h"}
	if l.Contained() {
		task.Driver, task.Config = load.RawExec, map[string]any{"command": "sleep", "args": []string{"3600"}}
	}
	task.Resources = &api.Resources{CPU: new(1), MemoryMB: new(16)}
	task.LogConfig = &api.LogConfig{MaxFiles: new(1), MaxFileSizeMB: new(1)}
	group := api.NewTaskGroup("sleep", 1).AddTask(task)
	group.EphemeralDisk = &api.EphemeralDisk{SizeMB: new(16)}
	job := api.NewBatchJob(id, id, pki.DefaultRegion, 50).AddTaskGroup(group) //nolint:mnd // the usual priority
	job.Datacenters = []string{"*"}
	return job
}

// jobStatus returns an error unless the job has one allocation, with that status.
func jobStatus(ctx context.Context, l *lab.Lab, id, status string) error {
	server, err := l.Leader(ctx, "")
	if err != nil {
		return err
	}
	c, err := server.API()
	if err != nil {
		return err
	}
	all, _, err := c.Jobs().Allocations(id, true, asking(ctx))
	if err != nil {
		return fmt.Errorf("ask %s for the allocations of %s: %w", server.Name(), id, err)
	}
	if len(all) != 1 || all[0].ClientStatus != status {
		var seen []string
		for _, a := range all {
			seen = append(seen, a.ClientStatus)
		}
		return fmt.Errorf("%s has the allocations %v, want one that is %s", id, seen, status)
	}
	return nil
}

func (u *upgradeMode) clientBack(ctx context.Context, t *scenario.T) error {
	if !u.upgraded {
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
	p.Steps = append(p.Steps, rollout.Step{Title: "the client is back", Effect: rollout.Nothing, Await: []rollout.Await{
		rollout.ClientReady(t.Lab.Clients()[0].Name()),
		{What: "the new job runs", Met: func(ctx context.Context, l *lab.Lab) error {
			return jobStatus(ctx, l, lateJob, api.AllocClientStatusRunning)
		}},
	}})
	return u.through(ctx, t, p)
}
