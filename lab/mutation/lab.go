package mutation

import (
	"context"
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// ForLab returns the lab of the Spec with one mutation, as a pack, and the Spec that makes its agents carry it: the
// last agent of the mutation's role, or all that its scope says. The lab is hardened, as the failing checks were seen
// on hardened labs. An agent that the mutation cuts off is an extra node. When the lab is up, call Pack.Apply.
//
// The error wraps spec.ErrInvalid, for a mutation that no lab can carry or a Spec of several regions.
func ForLab(s spec.Spec, m Mutation) (Pack, spec.Spec, error) {
	if reason := m.WhyNotInLab(); reason != "" {
		return Pack{}, s, fmt.Errorf("%w: no lab can carry the mutation %s: %s", spec.ErrInvalid, m.ID, reason)
	}
	if len(s.Regions) > 1 {
		return Pack{}, s, fmt.Errorf("%w: a lab of %d regions carries no mutation: leave all but one out", spec.ErrInvalid, len(s.Regions))
	}
	s = s.With(spec.Hardened())
	servers, clients := s.Counts()
	agents := map[pki.Role]int{pki.Server: servers, pki.Client: clients}
	m.Everywhere = false
	p := Unpacked([]Mutation{m}, Size{Servers: servers, SharedServers: servers, SharedClients: clients})[0]
	p.Servers, p.Clients, p.InTurn = servers, clients, false
	if m.NoClients {
		p.Clients = 0
	}
	if m.Scope == Agent && p.Extra == "" {
		if agents[m.Role] == 0 {
			return Pack{}, s, fmt.Errorf("%w: the mutation %s is carried by a %s, and the lab has none", spec.ErrInvalid, m.ID, m.Role)
		}
		p.Placed[0].Node = nodeName(m.Role, agents[m.Role])
		if p.Placed[0].Node == p.Lead {
			p.Lead = "" // there is no other server
		}
	}
	if p.Extra != "" {
		p.Extra = nodeName(m.Role, agents[m.Role]+1)
		p.Placed[0].Node = p.Extra
	}
	return p, Clusters{Spec: s}.spec(p), nil
}

// Wait returns what a start of the pack's cluster can wait for: lab.Ready, or lab.Started if its servers find no
// leader.
func (p Pack) Wait() lab.Wait {
	if p.noLeader() {
		return lab.Started
	}
	return lab.Ready
}

// Apply completes the pack's mutation in a lab that is up: it starts the extra node, or changes what the running
// cluster holds. It returns when every agent concerned has the change.
func (p Pack) Apply(ctx context.Context, l *lab.Lab) error {
	if err := p.settle(ctx, l); err != nil {
		return err
	}
	for _, placed := range p.Placed {
		if placed.Mutation.Live == nil {
			continue
		}
		if err := doLive(ctx, l, placed.Mutation.Live.Do); err != nil {
			return fmt.Errorf("%s: %w", placed.Mutation.ID, err)
		}
	}
	return nil
}
