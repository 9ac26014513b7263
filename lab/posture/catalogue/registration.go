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
	// tries is how long a client tries to get an answer from its servers: 5 s and a pause (client/rpc.go:82). One that has never
	// registered holds the question for ever (client/rpc.go:57; verified against Nomad 1.11.3).
	clientRetries = 6 * time.Second
	// held is longer than that, and on a busy machine longer still.
	regionsTimeout = clientRetries + 2*time.Second
	// inTurn is how often a client is asked whose server failed it at once. It asks that one last the next time
	// (client/servers/manager.go, NotifyFailedServer), so that each of so many servers has had its turn.
	maxFailures = 9
)

// failedAtOnce is how a client passes on that a server failed it.
const serverError = "rpc error: "

// noAnswer are what a client says of its servers where it has no answer of theirs.
func noAnswer() []string { return []string{serverError, "no servers"} }

// seeksRegions finds the regions that a server has told the client of: any of its servers, as one that is down, or a stranger
// among them, fails it at once. A client that goes without an answer is one that tells of its own health meanwhile.
func findRegions(as probe.Caller) probe.Probe {
	ask := probe.HTTPSearch(get(regionsPath, noAnswer()...), as, probe.AnswerSearch{
		For: "regions, of which a client must ask a server",
		In: fromJSON(func(regions []string) (bool, string, error) {
			return len(regions) > 0, "the regions " + orNone(regions), nil
		}),
	})
	ask.Timeout, ask.Waits = regionsTimeout, clientRetries
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
	}).Classed(ask.Effect())
	p.Timeout, p.Waits = probe.DefaultTimeout+regionsTimeout+probe.DefaultTimeout, clientRetries
	return p
}

// seeksClient finds the client among those that its servers call ready.
func (i Ingredients) findReadyClient(as probe.Caller) probe.Probe {
	return i.inNodes("this client, ready", as, readyAmong)
}

// seeksNobody looks for a client that there is not, in the same list.
func (i Ingredients) findNoClient(as probe.Caller) probe.Probe {
	return i.inNodes("a client that there is not, ready", as, func(probe.Target) func([]listedClient) (bool, string, error) {
		return readyAmong(probe.Target{Name: noName, Address: unusedAddress})
	})
}

// inNodes looks at the list of clients of each server of the region in turn, until something is found. All servers hold the
// same list: one that can tell of it is enough, and one that has lost its leader, or does not answer, is passed over.
// That none has one is told as what may be otherwise some seconds later.
func (i Ingredients) inNodes(what string, as probe.Caller, search func(probe.Target) func([]listedClient) (bool, string, error)) probe.Probe {
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
	}).Classed(of.Effect())
	p.Timeout = i.askingAll()
	return p
}

// askingAll is how long it may take to ask each of the servers in turn, where all of them hang.
func (i Ingredients) askingAll() time.Duration {
	return probe.DefaultTimeout * time.Duration(1+len(i.Servers))
}

// registered is a client as a server lists it.
type listedClient struct {
	Name, Address, Status string
	Drivers               map[string]struct{ Detected field[bool] }
}

// ready is the status of a client that is given work.
const ready = "ready"

// called are the entries of the client, by its name, or by its address: that of HTTP, without a port.
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

// readyAmong looks for the client. Of one that is known neither by its name nor by its address it cannot be told whether it is
// there.
func readyAmong(t probe.Target) func([]listedClient) (bool, string, error) {
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
