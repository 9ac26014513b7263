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

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// learn asks the agents, side by side, for what decides how everything else is to be asked: which of their ports answer, whether
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
	var servers []lesson
	s.ingredients.Servers = nil
	for i, l := range lessons {
		s.targets[i].HTTPInClear, s.targets[i].RPCInClear = l.inClear[probe.PlaneHTTP], l.inClear[probe.PlaneRPC]
		s.targets[i].RPCWithoutTLS = l.rpcWithoutTLS
		s.targets[i].Takes, s.targets[i].Hurries, s.targets[i].Telemetry = l.takes, l.hurries, l.telemetry
		s.targets[i].Silent = probe.NewSilence(l.silent)
		s.tellSilence(s.targets[i].Name, l)
		if s.targets[i].Role == pki.Server && l.silent[probe.PlaneHTTP] == "" {
			servers = append(servers, l)
			s.ingredients.Servers = append(s.ingredients.Servers, s.targets[i])
		}
	}
	s.ingredients.NoClient = !s.near && !slices.ContainsFunc(s.targets, func(t probe.Target) bool { return t.Role == pki.Client })
	if s.ingredients.NoClient {
		s.ingredients.Clientless = s.listsNoClient(ctx)
	}
	s.ingredients.NoACL = all(servers, func(l lesson) bool { return l.noACL })
	s.ingredients.GossipInClear = all(servers, func(l lesson) bool { return l.inClear[probe.PlaneGossip] })
}

// listsNoClient reports whether each of the servers that tell of their clients lists none, and one tells.
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

// all says whether it is so of every server, and there is one. What is so of one server alone is a weakness of that server,
// and not how the cluster is to be asked.
func all(servers []lesson, so func(lesson) bool) bool {
	return len(servers) > 0 && !slices.ContainsFunc(servers, func(l lesson) bool { return !so(l) })
}

// agentsAtOnce bounds how many agents are asked at the same time.
const agentsAtOnce = 8

// lesson is what one agent taught.
type lesson struct {
	// ports are those that the agent is known to have, silent those of them that do not answer, with the reasons.
	ports  []probe.Plane
	silent map[probe.Plane]string
	// inClear are the ports that answer what is sent without TLS or key. At somebody else's agent another may have answered
	// at HTTP or RPC: these are left out.
	inClear map[probe.Plane]bool
	// rpcWithoutTLS is true where the RPC port is in the clear and hangs up on a TLS handshake.
	rpcWithoutTLS bool
	account
	noACL bool
}

// lesson asks one agent, each of its ports by itself. A request in the clear is answered whether the agent speaks TLS or not.
func (s *subject) lesson(ctx context.Context, t probe.Target) lesson {
	l := lesson{ports: s.portsOf(t), silent: map[probe.Plane]string{}, inClear: map[probe.Plane]bool{}}
	answers := make([]probe.Observation, len(l.ports))
	var knocks sync.WaitGroup
	for i, port := range l.ports {
		knocks.Go(func() { answers[i] = probe.SignOfLife(ctx, t, port) })
	}
	knocks.Wait()
	for i, port := range l.ports {
		o := answers[i]
		switch {
		case t.At(port) == "":
			l.silent[port] = t.Name + " does not run"
		case o.Outcome == probe.NotReached && ctx.Err() == nil && probe.MaySeekLife(t, port):
			l.silent[port] = fmt.Sprintf("%s did not answer at its %s port when the run began: %s", t.Name, port, probe.DialReason(o, t.At(port)))
		}
		l.inClear[port] = o.Outcome == probe.Accepted && (s.near || port == probe.PlaneGossip)
	}
	if as, lacks := s.ingredients.Callers.Holder(); l.inClear[probe.PlaneRPC] && lacks == "" {
		l.rpcWithoutTLS = probe.HangsUpOnTLS(probe.RPCHandshake(as).Observe(ctx, t))
	}
	if l.silent[probe.PlaneHTTP] != "" {
		return l
	}
	t.HTTPInClear = l.inClear[probe.PlaneHTTP]
	if t.Role == pki.Server {
		l.noACL = s.withoutACL(ctx, t)
	}
	if s.near { // nobody else's agent is tried with a flood
		l.account = s.account(ctx, t)
	}
	return l
}

// account is what an agent says of itself: how many connections of one address it takes at once, how long it waits for a handshake, and
// what it tells in its metrics. Zero where it was not asked, or did not say.
type account struct {
	takes     map[probe.Plane]int
	hurries   map[probe.Plane]time.Duration
	telemetry probe.Telemetry
}

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
		d, _ := time.ParseDuration(text) // what cannot be read is not known
		return d
	}
	return account{
		takes:   map[probe.Plane]int{probe.PlaneHTTP: l.HTTPMaxConnsPerClient, probe.PlaneRPC: l.RPCMaxConnsPerClient},
		hurries: map[probe.Plane]time.Duration{probe.PlaneHTTP: span(l.HTTPSHandshakeTimeout), probe.PlaneRPC: span(l.RPCHandshakeTimeout)},
		telemetry: probe.Telemetry{
			Every: span(told.CollectionInterval), Interval: span(told.InMemoryCollectionInterval),
			PrefixFilter: told.PrefixFilter, Drops: told.FilterDefault != nil && !*told.FilterDefault,
		},
	}
}

// portsOf are the ports that the agent has, as far as that is known: of one of a lab's all, of another one those with an address.
func (s *subject) portsOf(t probe.Target) []probe.Plane {
	return slices.DeleteFunc(probe.Ports(), func(port probe.Plane) bool {
		return t.At(port) == "" && (!s.near || t.Role != pki.Server && port != probe.PlaneHTTP)
	})
}

// aclDisabled is what an agent without an ACL system says of tokens (nomad/acl_endpoint.go:38; verified against Nomad 1.11.3).
const aclDisabled = "ACL support disabled"

// withoutACL says whether the server says of itself that it has no ACL system. Stale, it answers itself, and not its leader.
func (s *subject) withoutACL(ctx context.Context, t probe.Target) bool {
	as, lacks := s.ingredients.Callers.Holder()
	if lacks != "" {
		return false
	}
	ask := probe.HTTPAsk(probe.Ask{Path: "/v1/acl/tokens?stale", Behind: []string{aclDisabled}}, as.OrInClear())
	return strings.Contains(ask.Observe(ctx, t).Received, aclDisabled)
}
