package scenarios

import (
	"context"
	"fmt"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// ClientFirst returns the migration to TLS in the wrong order: the client before the servers, and without more patience for
// silent clients. The servers are not restarted before: after an election each client has failover_heartbeat_ttl, 5 minutes.
func ClientFirst() scenario.Scenario {
	s := toTLS()
	s.Steps = func() []scenario.Step {
		all := (&migration{edit: clientFirst}).steps()
		return []scenario.Step{all[0], all[2], all[len(all)-1]}
	}
	return s
}

// clientFirst moves the client's step before those of the servers, and has it wait until the servers take the client for failed,
// which is what comes of that order.
func clientFirst(p *rollout.Plan) {
	at := slices.IndexFunc(p.Steps, func(s rollout.Step) bool { return s.Node == "client-1" })
	s := p.Steps[at]
	s.Await = []rollout.Await{takenForFailed(s.Node)}
	p.Steps = slices.Insert(slices.Delete(p.Steps, at, at+1), 0, s)
}

// takenForFailed waits until the servers have the client as down.
func takenForFailed(client string) rollout.Await {
	return rollout.Await{What: "the servers take " + client + " for failed", Met: func(ctx context.Context, l *lab.Lab) error {
		server, err := l.Leader(ctx, "")
		if err != nil {
			return err
		}
		c, err := server.API()
		if err != nil {
			return err
		}
		nodes, _, err := c.Nodes().List(asking(ctx))
		if err != nil {
			return fmt.Errorf("ask %s for its clients: %w", server.Name(), err)
		}
		for _, n := range nodes {
			if n.Name == client && n.Status == "down" {
				return nil
			}
		}
		return fmt.Errorf("%s is not down", client)
	}}
}

// OtherToken returns the scenario in which ACLs are bootstrapped with a token that the callers do not carry.
func OtherToken() scenario.Scenario {
	s := aclsOn()
	s.Steps = func() []scenario.Step { return (&aclChange{other: true}).steps() }
	return s
}

// ClosedByReload returns the migration whose upgrade mode is to end by a reload.
func ClosedByReload() scenario.Scenario {
	s := toTLSByUpgradeMode()
	s.Steps = func() []scenario.Step { return (&upgradeMode{reloads: true}).steps() }
	return s
}

// NeverUsed returns the rotation that removes the old gossip key without having the servers use the new one.
func NeverUsed() scenario.Scenario {
	s := gossipKeys()
	s.Steps = func() []scenario.Step {
		return (&gossipRotation{edit: func(p *rollout.Plan) {
			p.Steps = slices.DeleteFunc(p.Steps, func(s rollout.Step) bool { return s.Title == "use the new gossip key on all servers" })
		}}).steps()
	}
	return s
}

// OneServerLeftOut returns the addition of gossip encryption that leaves out the first server, up to the step that must notice it.
func OneServerLeftOut() scenario.Scenario {
	s := gossipAdded()
	s.Steps = func() []scenario.Step {
		return (&gossipAddition{edit: func(p *rollout.Plan) {
			at := slices.IndexFunc(p.Steps, func(s rollout.Step) bool { return s.Node != "" })
			p.Steps = slices.Delete(p.Steps, at, at+1)
		}}).steps()[:2]
	}
	return s
}

// WithoutNames returns the scenario of the locked out client with servers that verify no names, which lock out nobody.
func WithoutNames() scenario.Scenario {
	s := lockedOut()
	s.Steps = func() []scenario.Step { return (&upgradeMode{}).lockedOutSteps() }
	return s
}
