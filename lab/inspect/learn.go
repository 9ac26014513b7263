package inspect

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// learn asks the agents, side by side, for what decides how everything else is to be asked: who answers at all, whether
// there are tokens, and who speaks in the clear.
func (s *subject) learn(ctx context.Context) {
	if err := probe.MayListen(ctx); err != nil {
		s.ingredients.Deaf = err.Error()
	}
	lessons := make([]lesson, len(s.targets))
	var agents errgroup.Group
	agents.SetLimit(agentsAtOnce)
	for i := range s.targets {
		agents.Go(func() error {
			lessons[i] = s.lesson(ctx, s.targets[i])
			return nil
		})
	}
	_ = agents.Wait() // none of them returns an error
	silent := map[string]string{}
	var servers []lesson
	s.ingredients.Servers = nil
	for i, l := range lessons {
		s.targets[i].HTTPInClear = l.httpInClear
		switch {
		case l.silent != "":
			silent[s.targets[i].Name] = l.silent
		case s.targets[i].Role == pki.Server:
			servers = append(servers, l)
			s.ingredients.Servers = append(s.ingredients.Servers, s.targets[i])
		}
	}
	s.ingredients.NoClient = !s.near && !slices.ContainsFunc(s.targets, func(t probe.Target) bool { return t.Role == pki.Client })
	s.ingredients.NoACL = all(servers, func(l lesson) bool { return l.noACL })
	s.ingredients.GossipInClear = all(servers, func(l lesson) bool { return l.gossipInClear })
	s.giveUp(silent)
}

// all says whether it is so of every server, and there is one. What is so of one server alone is a weakness of that server,
// and not how the cluster is to be asked.
func all(servers []lesson, so func(lesson) bool) bool {
	return len(servers) > 0 && !slices.ContainsFunc(servers, func(l lesson) bool { return !so(l) })
}

// agentsAtOnce bounds how many agents are asked at the same time.
const agentsAtOnce = 8

// lesson is what one agent taught. silent says why it did not answer; empty for one that did.
type lesson struct {
	silent                            string
	httpInClear, noACL, gossipInClear bool
}

// lesson asks one agent. A request in the clear is answered whether the agent speaks TLS or not.
func (s *subject) lesson(ctx context.Context, t probe.Target) lesson {
	if t.HTTP == "" {
		return lesson{silent: t.Name + " does not run"}
	}
	health := probe.PlainHTTP(healthPath).Observe(ctx, t)
	if health.Outcome == probe.NotReached && ctx.Err() == nil {
		return lesson{silent: t.Name + " did not answer when the run began: " + strings.TrimPrefix(health.Err, "dial tcp "+t.HTTP+": ")}
	}
	l := lesson{httpInClear: s.near && health.Outcome == probe.Accepted}
	if t.Role != pki.Server {
		return l
	}
	t.HTTPInClear = l.httpInClear
	l.noACL = s.withoutACL(ctx, t)
	l.gossipInClear = t.Gossip != "" && probe.GossipPing(probe.GossipKey{}).Observe(ctx, t).Outcome == probe.Accepted
	return l
}

const (
	// healthPath is answered without a token (command/agent/agent_endpoint.go:740).
	healthPath = "/v1/agent/health"
	// aclDisabled is what an agent without an ACL system says of tokens (nomad/acl_endpoint.go:38; verified against Nomad
	// 1.11.3).
	aclDisabled = "ACL support disabled"
)

// withoutACL says whether the server says of itself that it has no ACL system. Stale, it answers itself, and not its leader.
func (s *subject) withoutACL(ctx context.Context, t probe.Target) bool {
	caller, lacks := s.ingredients.Parties.Caller(party.CLI)
	if lacks != "" {
		return false
	}
	ask := probe.HTTPAsk(probe.Ask{Path: "/v1/acl/tokens?stale", Behind: []string{aclDisabled}}, caller.OrInClear())
	return strings.Contains(ask.Observe(ctx, t).Received, aclDisabled)
}
