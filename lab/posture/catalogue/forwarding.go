package catalogue

import (
	"context"
	"net"
	"strings"

	"nomadlab.internal/lab/probe"
)

// stale is the parameter with which a server answers a read itself. Without it the leader answers, by its own acl
// block (nomad/rpc.go:586, forward; verified against Nomad 1.11.3).
const stale = "stale"

// unforwarded returns the request with ?stale, where Nomad accepts that.
func unforwarded(a probe.Request) probe.Request {
	if !forwarded(a) || a.Method != "" && !strings.HasPrefix(a.Path, "/v1/search") {
		return a
	}
	separator := "?"
	if strings.Contains(a.Path, separator) {
		separator = "&"
	}
	a.Path += separator + stale
	return a
}

// forwarded reports whether a server forwards the request to the leader before it checks rights.
func forwarded(a probe.Request) bool {
	for _, own := range []string{"/v1/agent/", "/v1/client/", "/v1/jobs/parse"} {
		if strings.HasPrefix(a.Path, own) {
			return false
		}
	}
	return !strings.HasSuffix(a.Path, "?"+stale) && !strings.HasSuffix(a.Path, "&"+stale)
}

// leaderOf returns the server that leads, as the target sees it, for posture.Spec.ForwardedTo. ok is false if that is
// the target itself, or none of the servers that answer.
func (i Ingredients) leaderOf(ctx context.Context, t probe.Target) (leader probe.Target, ok bool) {
	named, o := namedLeader(ctx, t, i.unverifyingCaller().caller)
	host, _, err := net.SplitHostPort(named)
	if err != nil || o.Outcome != probe.Found {
		return probe.Target{}, false
	}
	for _, s := range i.serversOf(t.Region) {
		at, _, _ := net.SplitHostPort(s.HTTP)
		if s.Name != t.Name && (s.Address == host || s.Address == "" && at == host) {
			return s, true
		}
	}
	return probe.Target{}, false
}

// runsElsewhere returns why the client does not run the sample job; empty for the client that does. Another client
// forwards requests about the allocation to a server, whose acl block then decides (command/agent/helpers.go:9,
// rpcHandlerForAlloc).
func (i Ingredients) runsElsewhere(t probe.Target) string {
	if i.SampleJob == nil || i.SampleJob.On == "" || i.SampleJob.On == t.Name {
		return ""
	}
	return RunsElsewhere + i.SampleJob.On + ": of this client's own rights it tells nothing"
}
