package inspect

import (
	"context"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// aclDisabled is what an agent without an ACL system says of tokens (nomad/acl_endpoint.go:38; verified against
// Nomad 1.11.3).
const aclDisabled = "ACL support disabled"

// withoutACL says whether a server says of itself that it has no ACL system.
func (s subject) withoutACL(ctx context.Context) bool {
	caller, lacks := s.ingredients.Parties.Caller(party.CLI)
	if lacks != "" {
		return false
	}
	ask := probe.HTTPAsk(probe.Ask{Path: "/v1/acl/tokens", Behind: []string{aclDisabled}}, caller)
	return slices.ContainsFunc(s.targets, func(t probe.Target) bool {
		return t.Role == pki.Server && strings.Contains(ask.Observe(ctx, t).Received, aclDisabled)
	})
}
