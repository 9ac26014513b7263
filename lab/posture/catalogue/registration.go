package catalogue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/probe"
)

const (
	// clientRetries is how long a client tries to get an answer from its servers: 5 s and a pause (client/rpc.go:82).
	// A client that has never registered does not answer at all (client/rpc.go:57; verified against Nomad 1.11.3).
	clientRetries = 6 * time.Second
	// regionsTimeout is longer than clientRetries; a busy machine takes longer.
	regionsTimeout = clientRetries + 2*time.Second
	// maxFailures is how often a client is asked again after its server failed at once. The client asks that server
	// last the next time (client/servers/manager.go, NotifyFailedServer), so each of this many servers is asked.
	maxFailures = 9
)

// serverError begins a client's answer when a server has failed.
const serverError = "rpc error: "

// noAnswer returns what a client answers when it has no answer of its servers.
func noAnswer() []string { return []string{serverError, "no servers"} }

// findRegions finds the regions that a client learned from any of its servers; a failing or a foreign server among
// them fails at once. A client without an answer must answer for its own health meanwhile.
func findRegions(as probe.Caller) probe.Probe {
	ask := probe.HTTPSearch(get(regionsPath, noAnswer()...), as, probe.AnswerSearch{
		For: "regions, of which a client must ask a server",
		In: fromJSON(func(regions []string) (bool, string, error) {
			return len(regions) > 0, "the regions " + orNone(regions), nil
		}),
	})
	ask.Timeout, ask.AgentWait = regionsTimeout, clientRetries
	p := probe.New(ask.Plane, ask.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		begun := time.Now()
		o := ask.Observe(ctx, t)
		for n := 1; n < maxFailures && o.Outcome == probe.Absent && strings.Contains(o.Received, serverError) && time.Since(begun) < probe.DefaultTimeout; n++ {
			o = ask.Observe(ctx, t)
		}
		if _, over := errors.AsType[*deadline.OverError](context.Cause(ctx)); over {
			// The machine was busy, and is no more: this probe's time is over before that of the question. The client has yet to be heard.
			ctx = context.WithoutCancel(ctx)
		}
		if o.Outcome == probe.NotReached && getHealth(as).Observe(ctx, t).Outcome == probe.Accepted {
			o.Outcome, o.Received = probe.Absent, fmt.Sprintf("nothing within %.0f s, and it tells of its own health at once", o.Took.Seconds())
		}
		return o
	}).WithEffect(ask.Effect())
	p.Timeout, p.AgentWait = probe.DefaultTimeout+regionsTimeout+probe.DefaultTimeout, clientRetries
	return p
}

// findReadyClient finds the client among those that its servers list as ready.
func (i Ingredients) findReadyClient(as probe.Caller) probe.Probe {
	return i.inNodes("this client, ready", as, readyAmong)
}

// findNoClient looks in the same list for a client that does not exist.
func (i Ingredients) findNoClient(as probe.Caller) probe.Probe {
	return i.inNodes("a client that there is not, ready", as, func(probe.Target) finder[[]listedClient] {
		return readyAmong(probe.Target{Name: noName, Address: unusedAddress})
	})
}

// inNodes searches the list of clients of each server of the region in turn, until something is found. All servers
// hold the same list, so one answer is enough; a server that has lost its leader or does not answer is passed over.
// If there is no leader at all, the observation is unsettled.
func (i Ingredients) inNodes(what string, as probe.Caller, search func(probe.Target) finder[[]listedClient]) probe.Probe {
	list := func(t probe.Target, leaderless *bool) probe.Probe {
		in := fromJSON(search(t))
		return probe.HTTPSearch(get("/v1/nodes?stale"), as, probe.AnswerSearch{For: what, In: func(header http.Header, body []byte) (bool, string, error) {
			if header.Get("X-Nomad-Knownleader") == "false" {
				*leaderless = true
				return false, "", errors.New("the server has no leader, so its list may be an old one")
			}
			return in(header, body)
		}})
	}
	of := list(probe.Target{}, new(bool))
	p := probe.New(probe.PlaneHTTP, of.Sentence+", at its servers", func(ctx context.Context, t probe.Target) probe.Observation {
		leaderless := false
		told := probe.Observation{Outcome: probe.NotReached, Err: "no server of the region is known that could be asked"}
		for at, server := range i.serversOf(t.Region) {
			switch o := list(t, &leaderless).Observe(ctx, server); {
			case o.Outcome == probe.Found:
				return o
			case at == 0, o.Outcome == probe.Absent && told.Outcome != probe.Absent:
				told = o
			}
		}
		told.Unsettled = (told.Unsettled || leaderless) && told.Outcome != probe.Absent
		return told
	}).WithEffect(of.Effect())
	p.Timeout = i.askingAll()
	return p
}

// askingAll returns how long it may take to ask each server in turn if all of them hang.
func (i Ingredients) askingAll() time.Duration {
	return probe.DefaultTimeout * time.Duration(1+len(i.Servers))
}

// listedClient is a client in a server's list.
type listedClient struct {
	Name, Address, Status string
	Drivers               map[string]struct{ Detected field[bool] }
}

// ready is the status of a client that gets work.
const ready = "ready"

// entriesOf returns the entries of the client, by its name or by its address, which is that of its HTTP port.
func entriesOf(t probe.Target, nodes []listedClient) []listedClient {
	host, _, _ := net.SplitHostPort(t.HTTP)
	var all []listedClient
	for _, n := range nodes {
		if n.Name == t.Name || n.Address != "" && (n.Address == t.Address || n.Address == host) {
			all = append(all, n)
		}
	}
	return all
}

// readyAmong finds the client with the status ready. If neither its name nor its address is known, the list proves
// nothing.
func readyAmong(t probe.Target) finder[[]listedClient] {
	return func(nodes []listedClient) (bool, string, error) {
		var statuses []string
		for _, n := range entriesOf(t, nodes) {
			statuses = append(statuses, n.Status)
		}
		switch {
		case len(statuses) > 0:
			return slices.Contains(statuses, ready), fmt.Sprintf("%d clients, this one %s", len(nodes), orNone(statuses)), nil
		case t.Address == "":
			return false, "", fmt.Errorf("none of %d clients has the address of %s", len(nodes), t.HTTP)
		default:
			return false, fmt.Sprintf("%d clients, and not this one", len(nodes)), nil
		}
	}
}
