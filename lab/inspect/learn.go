package inspect

import (
	"context"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// learn asks the agents for what decides how everything else is to be asked: whether there are tokens, and who speaks in
// the clear.
func (s *subject) learn(ctx context.Context) {
	if err := probe.MayListen(ctx); err != nil {
		s.ingredients.Deaf = err.Error()
	}
	for i, t := range s.targets {
		if s.near && probe.PlainHTTP(healthPath).Observe(ctx, t).Outcome == probe.Accepted {
			s.targets[i].HTTPInClear = true
		}
		if t.Role != pki.Server {
			continue
		}
		if s.withoutACL(ctx, s.targets[i]) {
			s.ingredients.NoACL = true
		}
		if t.Gossip != "" && probe.GossipPing(probe.GossipKey{}).Observe(ctx, t).Outcome == probe.Accepted {
			s.ingredients.GossipInClear = true
		}
	}
}

const (
	// healthPath is answered without a token (command/agent/agent_endpoint.go:740).
	healthPath = "/v1/agent/health"
	// aclDisabled is what an agent without an ACL system says of tokens (nomad/acl_endpoint.go:38; verified against Nomad
	// 1.11.3).
	aclDisabled = "ACL support disabled"
)

// withoutACL says whether the server says of itself that it has no ACL system.
func (s *subject) withoutACL(ctx context.Context, t probe.Target) bool {
	caller, lacks := s.ingredients.Parties.Caller(party.CLI)
	if lacks != "" {
		return false
	}
	ask := probe.HTTPAsk(probe.Ask{Path: "/v1/acl/tokens", Behind: []string{aclDisabled}}, caller.OrInClear())
	return strings.Contains(ask.Observe(ctx, t).Received, aclDisabled)
}
