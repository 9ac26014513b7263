package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// The versions of the upgrade.
const (
	oldNomad = "1.10.5"
	newNomad = "1.11.3"
)

// The clients that join after the upgrade: neither has an introduction token.
const (
	earlyClient = "client-before-introduction"
	lateClient  = "client-after-introduction"
)

// upgradeSpec is a hardened lab of the old version: without the introduction of clients, which that version does not know.
func upgradeSpec() spec.Spec {
	s := changeSpec()
	s.Hardened = true
	s.Nomad = spec.Nomad{Version: oldNomad}
	for _, name := range []string{earlyClient, lateClient} {
		s.ExtraNodes = append(s.ExtraNodes, spec.ExtraNode{Name: name, Role: pki.Client, Introduction: spec.NotIntroduced})
		s.Nomad.Nodes = append(s.Nomad.Nodes, spec.NodeNomad{Node: name, Version: newNomad})
	}
	return s
}

// upgraded proves that a cluster moves to a newer Nomad without losing work.
func upgraded() scenario.Scenario {
	return scenario.Scenario{
		Name: "nomad-is-upgraded-while-work-runs",
		Claim: "Servers, and then clients, move from Nomad " + oldNomad + " to " + newNomad + " one by one under mutual TLS. Two versions serve together meanwhile, " +
			"and nothing that runs is lost. Then introduction is switched on: known clients stay, and others are refused.",
		Spec:  upgradeSpec(),
		Able:  oldNomadIsHere,
		Steps: func() []scenario.Step { return new(upgrade).steps() },
	}
}

// oldNomadIsHere returns an error if the old version would have to be built first, which takes minutes.
func oldNomadIsHere(ctx context.Context) error {
	here, err := image.Cached(ctx, "", image.Request{Version: oldNomad})
	if err == nil && !here {
		err = fmt.Errorf("Nomad %s is not on this machine: `nomadlab image --nomad-version %s` gets it", oldNomad, oldNomad) //nolint:staticcheck // a name
	}
	return err
}

// upgrade is what the steps share.
type upgrade struct {
	change
	// edit changes the plan of the upgrade before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)
}

func (u *upgrade) steps() []scenario.Step {
	u.load.Driver = load.MockDriver // the hardened lab has no raw_exec
	return []scenario.Step{
		u.begin(),
		{Title: "The servers are upgraded one after another, the leader last, and then the client", Do: u.upgrade},
		{Title: "While introduction is off, a client without an introduction token joins", Do: u.joinEarly},
		{Title: "Introduction is switched on; the known clients stay, also when their agents restart", Do: u.introduce},
		{Title: "A further client without an introduction token is refused", Do: u.refuseLate},
		u.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// upgrade carries out the upgrade, and demands of each step what makes it safe.
func (u *upgrade) upgrade(ctx context.Context, t *scenario.T) error {
	to, err := t.Lab.FindNomad(ctx, newNomad, nil)
	if err != nil {
		return err
	}
	if u.work == nil {
		return errNoWork
	}
	leader, err := awaitedLeader(ctx, t.Lab)
	if err != nil {
		return err
	}
	p, err := rollout.UpgradeNodes(t.Lab, rollout.Order(rollout.Members(t.Lab), leader), to)
	if err != nil {
		return err
	}
	if u.edit != nil {
		u.edit(&p)
	}
	var wrong []error
	last := len(t.Lab.Servers()) - 1
	_, err = rollout.Run(ctx, t.Lab, p, rollout.Options{
		Recorder: u.recorder,
		Before: func(ctx context.Context, i int, s rollout.Step) error {
			leader, err := awaitedLeader(ctx, t.Lab)
			if err == nil && i == 0 && s.Node == leader {
				wrong = append(wrong, fmt.Errorf("%s leads, and is restarted before %d other servers: each of them may be elected, and be restarted in turn", s.Node, last))
			}
			return err
		},
		After: func(ctx context.Context, i int, s rollout.Step) error {
			wrong = append(wrong, u.demandStep(ctx, t, s))
			if i != 0 {
				return nil
			}
			return u.posture(ctx, t, between)
		},
	})
	u.table(t)
	return errors.Join(append(wrong, err)...)
}

// demandStep demands that the node of a step runs the new version when the step is done, and that no client is newer than a server.
func (u *upgrade) demandStep(ctx context.Context, t *scenario.T, s rollout.Step) error {
	var wrong []error
	var texts []string
	if n, err := t.Lab.Node(s.Node); err == nil { // the last step has none
		if _, err := n.Certificate(ctx); err != nil {
			wrong = append(wrong, fmt.Errorf("%s is done with, and does not answer: the next node must wait for it: %w", s.Node, err))
		}
	}
	leader, err := awaitedLeader(ctx, t.Lab)
	if err != nil {
		return errors.Join(append(wrong, fmt.Errorf("after the step %q: %w", s, err))...)
	}
	runs := map[pki.Role][]string{}
	for _, n := range rollout.Members(t.Lab) {
		v, err := awaitedVersion(ctx, t.Lab, n)
		if err != nil {
			return errors.Join(append(wrong, fmt.Errorf("after the step %q: %w", s, err))...)
		}
		if n.Name() == s.Node && v != newNomad {
			wrong = append(wrong, fmt.Errorf("%s is done with, and its version is %s: the next node must wait for it", n.Name(), v))
		}
		runs[n.Role()] = append(runs[n.Role()], v)
		texts = append(texts, n.Name()+" "+v)
	}
	if slices.Contains(runs[pki.Client], newNomad) && slices.Contains(runs[pki.Server], oldNomad) {
		wrong = append(wrong, fmt.Errorf("after %q a client is newer than a server: %s", s, strings.Join(texts, ", ")))
	}
	t.Say("%s: %s leads; %s", s, leader, strings.Join(texts, ", "))
	return errors.Join(wrong...)
}

// awaitedLeader returns the name of the leader, once all servers name one: on a busy machine it may have changed just now.
func awaitedLeader(ctx context.Context, l *lab.Lab) (name string, err error) {
	err = poll.Until(ctx, "a leader", func(ctx context.Context) string {
		leader, err := l.Leader(ctx, "")
		if err != nil {
			return err.Error()
		}
		name = leader.Name()
		return ""
	})
	return name, err
}

// awaitedVersion returns the version that the leader lists for the node, once there is one that answers.
func awaitedVersion(ctx context.Context, l *lab.Lab, n *lab.Node) (version string, err error) {
	err = poll.Until(ctx, "the version of "+n.Name(), func(ctx context.Context) string {
		var err error
		if version, err = rollout.VersionOf(ctx, l, n); err != nil {
			return err.Error()
		}
		return ""
	})
	return version, err
}

// table says for each step how long it took, and what failed meanwhile.
func (u *upgrade) table(t *scenario.T) {
	all := u.recorder.Events()
	for _, s := range all {
		if s.Kind != timeline.Step {
			continue
		}
		during := slices.DeleteFunc(slices.Clone(all), func(e timeline.Event) bool {
			return e.Kind != timeline.Call || e.At.Before(s.At) || e.At.After(s.End)
		})
		t.Say("%s %s: %.1f s, %d kinds of calls had failed attempts", s.Node, s.Text, s.End.Sub(s.At).Seconds(), len(during))
	}
}

// joinEarly starts a client without an introduction token, which joins: the control of refuseLate.
func (u *upgrade) joinEarly(ctx context.Context, t *scenario.T) error {
	n, err := t.Lab.Node(earlyClient)
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	ready := readyClient(earlyClient)
	return poll.Until(ctx, ready.What, func(ctx context.Context) string {
		if err := ready.Met(ctx, t.Lab); err != nil {
			return err.Error()
		}
		return ""
	})
}

// readyClient waits until the leader lists the client as ready, also an extra node: rollout.ClientReady looks at no extra nodes.
func readyClient(name string) rollout.Await {
	return rollout.Await{What: name + " to be listed as ready", Met: func(ctx context.Context, l *lab.Lab) error {
		nodes, err := listedClients(ctx, l)
		if err == nil && nodes[name] != api.NodeStatusReady {
			err = fmt.Errorf("the clients are %v", nodes)
		}
		return err
	}}
}

// listedClients returns the status of each client that the leader lists, by the client's name.
func listedClients(ctx context.Context, l *lab.Lab) (map[string]string, error) {
	leader, err := l.Leader(ctx, "")
	if err != nil {
		return nil, err
	}
	c, err := leader.API()
	if err != nil {
		return nil, err
	}
	nodes, _, err := c.Nodes().List((&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("list the clients at %s: %w", leader.Name(), err)
	}
	statuses := map[string]string{}
	for _, n := range nodes {
		statuses[n.Name] = n.Status
	}
	return statuses, nil
}

// introduce switches introduction on at the servers, and restarts the agents of both clients afterwards.
func (u *upgrade) introduce(ctx context.Context, t *scenario.T) error {
	return u.roll(ctx, t, func(ctx context.Context, l *lab.Lab) (rollout.Plan, error) {
		p, err := rollout.Toward(ctx, l, rollout.Target{Title: "switch the introduction of clients on", Spec: introducing(l.Spec())})
		if err != nil {
			return p, err
		}
		for _, name := range []string{l.Clients()[0].Name(), earlyClient} {
			p.Steps = append(p.Steps, rollout.Step{
				Node: name, Title: "restart the agent of a known client", Effect: rollout.Restart,
				Why: "it registers again", Await: []rollout.Await{rollout.Healthy(name), registeredAgain(name)},
			})
		}
		return p, nil
	})
}

// registeredAgain waits until the restarted client's own agent says that a server has answered its heartbeat, and the leader lists
// it as ready: what the leader says alone may be from before the restart.
func registeredAgain(name string) rollout.Await {
	return rollout.Await{What: name + " to be a ready client again", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(name)
		if err != nil {
			return err
		}
		c, err := n.API()
		if err != nil {
			return err
		}
		self, err := c.Agent().Self()
		if err != nil {
			return fmt.Errorf("ask %s: %w", name, err)
		}
		if last := self.Stats["client"]["last_heartbeat"]; !heard(last) {
			return fmt.Errorf("the last heartbeat of %s was %q ago", name, last)
		}
		return readyClient(name).Met(ctx, l)
	}}
}

// heard reports whether the time since a client's last heartbeat, as its agent gives it, is one: before the first it is the
// longest that there is.
func heard(since string) bool {
	d, err := time.ParseDuration(since)
	return err == nil && d < time.Hour
}

// introducing returns the Spec with the new version everywhere, for which a hardened lab demands introduction.
func introducing(s spec.Spec) spec.Spec {
	s.Nomad = spec.Nomad{Version: newNomad}
	return s
}

// refuseLate starts a further client without an introduction token: a server says that it refuses it, and none lists it.
func (u *upgrade) refuseLate(ctx context.Context, t *scenario.T) error {
	n, err := t.Lab.Node(lateClient)
	if err != nil {
		return err
	}
	marks := map[*lab.Node]int64{}
	for _, s := range t.Lab.Servers() {
		if marks[s], err = s.Log().Mark(); err != nil {
			return err
		}
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	// nomad/node_endpoint.go of 1.11.3 logs each refusal so.
	const refusal = "node registration without introduction token: enforcement_level=strict"
	err = poll.Until(ctx, "a server to refuse "+lateClient, func(context.Context) string {
		for s, mark := range marks {
			lines, err := s.Log().Since(mark)
			if err != nil {
				return err.Error()
			}
			if slices.ContainsFunc(lines, func(line string) bool {
				return strings.Contains(line, refusal) && strings.Contains(line, "node_name="+lateClient)
			}) {
				t.Say("%s refuses it: %s", s.Name(), refusal)
				return ""
			}
		}
		return "no server has logged that"
	})
	if err != nil {
		return err
	}
	nodes, err := listedClients(ctx, t.Lab)
	if err != nil {
		return err
	}
	if status, listed := nodes[lateClient]; listed {
		return fmt.Errorf("%s was refused, and is listed as %s", lateClient, status)
	}
	return checks("server-demands-introductions")(ctx, t)
}
