package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// askFacts asks all agents in parallel for the facts that decide how the checks are made: which ports answer, which speak in the
// clear, and whether there are ACLs.
func (s *subject) askFacts(ctx context.Context) {
	if err := probe.MayCapture(ctx); err != nil {
		s.ingredients.CannotCapture = err.Error()
	}
	all := make([]facts, len(s.targets))
	var agents errgroup.Group
	agents.SetLimit(agentsAtOnce)
	for i := range s.targets {
		agents.Go(func() error {
			all[i] = s.factsOf(ctx, s.targets[i])
			return nil
		})
	}
	_ = agents.Wait() // none of them returns an error
	var servers []facts
	s.ingredients.Servers = nil
	for i, l := range all {
		s.targets[i].HTTPPlaintext, s.targets[i].RPCPlaintext = l.inClear[probe.PlaneHTTP], l.inClear[probe.PlaneRPC]
		s.targets[i].RPCPlaintextOnly = l.rpcWithoutTLS
		s.targets[i].MaxConnections, s.targets[i].HandshakeTimeouts, s.targets[i].Telemetry = l.takes, l.hurries, l.telemetry
		s.targets[i].Silent = probe.NewSilentPorts(l.silent)
		s.noteSilence(s.targets[i].Name, l)
		if s.targets[i].Role == pki.Server && l.silent[probe.PlaneHTTP] == "" {
			servers = append(servers, l)
			s.ingredients.Servers = append(s.ingredients.Servers, s.targets[i])
		}
	}
	s.ingredients.NoClient = !s.near && !slices.ContainsFunc(s.targets, func(t probe.Target) bool { return t.Role == pki.Client })
	if s.ingredients.NoClient {
		s.ingredients.Clientless = s.listsNoClient(ctx)
	}
	s.ingredients.NoACL = ofEach(servers, func(l facts) bool { return l.noACL })
	s.ingredients.GossipInClear = ofEach(servers, func(l facts) bool { return l.inClear[probe.PlaneGossip] })
}

// listsNoClient reports whether at least one server lists its clients, and all that do list none.
func (s *subject) listsNoClient(ctx context.Context) bool {
	told := false
	for _, t := range s.ingredients.Servers {
		var clients []json.RawMessage
		why := s.read(ctx, t, "/v1/nodes", func(body []byte) error { return json.Unmarshal(body, &clients) })
		if why == "" && len(clients) > 0 {
			return false
		}
		told = told || why == "" && clients != nil
	}
	return told
}

// ofEach reports whether the condition is true of every server, and there is one. What is true of one server only is a fault of
// that server, and does not decide how the cluster is asked.
func ofEach(servers []facts, condition func(facts) bool) bool {
	return len(servers) > 0 && !slices.ContainsFunc(servers, func(f facts) bool { return !condition(f) })
}

// agentsAtOnce is the number of agents that are asked at the same time.
const agentsAtOnce = 8

// facts are what is known about one agent.
type facts struct {
	// ports are the ports that the agent has; silent are those that do not answer, each with the reason.
	ports  []probe.Plane
	silent map[probe.Plane]string
	// inClear are the ports that answer without TLS or a gossip key. HTTP and RPC of a cluster that is not a lab are left out,
	// because something between it and us may have answered.
	inClear map[probe.Plane]bool
	// rpcWithoutTLS is true if the RPC port speaks in the clear and closes the connection on a TLS handshake.
	rpcWithoutTLS bool
	account
	noACL bool
}

// factsOf asks one agent, each port separately and first in the clear, which an agent answers whether it speaks TLS or not.
func (s *subject) factsOf(ctx context.Context, t probe.Target) facts {
	l := facts{ports: s.portsOf(t), silent: map[probe.Plane]string{}, inClear: map[probe.Plane]bool{}}
	answers := make([]probe.Observation, len(l.ports))
	var calls sync.WaitGroup
	for i, port := range l.ports {
		calls.Go(func() { answers[i] = probe.Liveness(ctx, t, port) })
	}
	calls.Wait()
	for i, port := range l.ports {
		o := answers[i]
		switch {
		case t.At(port) == "":
			l.silent[port] = t.Name + " does not run"
		case o.Outcome == probe.NotReached && ctx.Err() == nil && probe.MayTestLiveness(t, port):
			l.silent[port] = fmt.Sprintf("%s did not answer at its %s port when the run began: %s", t.Name, port, probe.DialReason(o, t.At(port)))
		}
		l.inClear[port] = o.Outcome == probe.Accepted && (s.near || port == probe.PlaneGossip)
	}
	if as, lacks := s.ingredients.Callers.ForHTTPS(); l.inClear[probe.PlaneRPC] && lacks == "" {
		l.rpcWithoutTLS = probe.ClosesOnTLS(probe.RPCHandshake(as).Observe(ctx, t))
	}
	if l.silent[probe.PlaneHTTP] != "" {
		return l
	}
	t.HTTPPlaintext = l.inClear[probe.PlaneHTTP]
	if t.Role == pki.Server {
		l.noACL = s.withoutACL(ctx, t)
	}
	if s.near { // only agents of labs are tried with a flood
		l.account = s.account(ctx, t)
	}
	return l
}

// account is what an agent reports about its own configuration: how many connections of one address it accepts at once, how long
// it waits for a handshake, and what its metrics hold. It is zero if the agent was not asked or did not say.
type account struct {
	takes     map[probe.Plane]int
	hurries   map[probe.Plane]time.Duration
	telemetry probe.Telemetry
}

// account asks an agent for its account.
func (s *subject) account(ctx context.Context, t probe.Target) account {
	var self struct {
		Config struct {
			Limits struct {
				HTTPMaxConnsPerClient, RPCMaxConnsPerClient int
				HTTPSHandshakeTimeout, RPCHandshakeTimeout  string
			}
			Telemetry struct {
				CollectionInterval, InMemoryCollectionInterval string
				PrefixFilter                                   []string
				FilterDefault                                  *bool
			}
		} `json:"config"`
	}
	if why := s.read(ctx, t, accountPath, func(body []byte) error { return json.Unmarshal(body, &self) }); why != "" {
		return account{}
	}
	l, told := self.Config.Limits, self.Config.Telemetry
	span := func(text string) time.Duration {
		d, _ := time.ParseDuration(text) // zero, "not known", for what cannot be read
		return d
	}
	return account{
		takes:   map[probe.Plane]int{probe.PlaneHTTP: l.HTTPMaxConnsPerClient, probe.PlaneRPC: l.RPCMaxConnsPerClient},
		hurries: map[probe.Plane]time.Duration{probe.PlaneHTTP: span(l.HTTPSHandshakeTimeout), probe.PlaneRPC: span(l.RPCHandshakeTimeout)},
		telemetry: probe.Telemetry{
			CollectionInterval: span(told.CollectionInterval), Interval: span(told.InMemoryCollectionInterval),
			PrefixFilter: told.PrefixFilter, DropUnmatched: told.FilterDefault != nil && !*told.FilterDefault,
		},
	}
}

// portsOf returns the ports that the agent is known to have: all for an agent of a lab, else those that have an address.
func (s *subject) portsOf(t probe.Target) []probe.Plane {
	return slices.DeleteFunc(probe.Ports(), func(port probe.Plane) bool {
		return t.At(port) == "" && (!s.near || t.Role != pki.Server && port != probe.PlaneHTTP)
	})
}

// aclDisabled is the answer of an agent without ACLs to a request for tokens (nomad/acl_endpoint.go:38; verified against Nomad 1.11.3).
const aclDisabled = "ACL support disabled"

// withoutACL reports whether the server says that it has no ACLs. With "stale" it answers itself, and does not ask its leader.
func (s *subject) withoutACL(ctx context.Context, t probe.Target) bool {
	as, lacks := s.ingredients.Callers.ForHTTPS()
	if lacks != "" {
		return false
	}
	ask := probe.HTTPRequest(probe.Request{Path: "/v1/acl/tokens?stale", AcceptedErrors: []string{aclDisabled}}, as.OrPlaintext())
	return strings.Contains(ask.Observe(ctx, t).Received, aclDisabled)
}

// stateNotReached is the state of an agent none of whose ports answered when the run began. If only some did not, their names
// precede it.
const stateNotReached = "not reached"

// noteSilence notes in the report which of the agent's ports did not answer when the run began.
func (s *subject) noteSilence(name string, l facts) {
	var silent []string
	for _, port := range l.ports {
		if l.silent[port] != "" {
			silent = append(silent, string(port))
		}
	}
	at := slices.IndexFunc(s.cluster.Nodes, func(n finding.Node) bool { return n.Name == name })
	switch {
	case at < 0 || len(silent) == 0:
	case len(silent) == len(l.ports):
		s.cluster.Nodes[at].State = stateNotReached
	default:
		s.cluster.Nodes[at].State = strings.Join(silent, ", ") + " " + stateNotReached
	}
}
