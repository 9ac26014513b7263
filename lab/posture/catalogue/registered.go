package catalogue

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"nomadlab.internal/lab/probe"
)

// held is longer than a client tries to get an answer from its servers, which is 5 s and a pause (client/rpc.go:82), and on a
// busy machine longer still, as any probe's time. One that has never registered holds the question for ever
// (client/rpc.go:57; verified against Nomad 1.11.3).
const held = 8 * time.Second

// noAnswer are what a client says of its servers where it has no answer of theirs.
func noAnswer() []string { return []string{"rpc error: ", "no servers"} }

// seeksRegions finds the regions that a server has told the client of. A client that goes without an answer is one that tells
// of its own health meanwhile.
func seeksRegions(as probe.Caller) probe.Probe {
	ask := probe.HTTPLook(get(regionsPath, noAnswer()...), as, probe.AnswerLook{
		For: "regions, of which a client must ask a server",
		In: listing(func(regions []string) (bool, string, error) {
			return len(regions) > 0, "the regions " + orNone(regions), nil
		}),
	})
	ask.Timeout = held
	p := probe.New(ask.Plane, ask.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		o := ask.Observe(ctx, t)
		if o.Outcome == probe.NotReached && opens(as).Observe(ctx, t).Outcome == probe.Accepted {
			o.Outcome, o.Received = probe.Absent, fmt.Sprintf("nothing within %.0f s, and it calls itself healthy", o.Took.Seconds())
		}
		return o
	})
	p.Timeout = held + probe.DefaultTimeout
	return p
}

// seeksClient finds the client among those that its servers call ready.
func (i Ingredients) seeksClient(as probe.Caller) probe.Probe {
	return i.inNodes("this client", as, func(t probe.Target) probe.Target { return t })
}

// seeksNobody looks for a client that there is not, in the same list.
func (i Ingredients) seeksNobody(as probe.Caller) probe.Probe {
	return i.inNodes("a client that there is not", as, func(probe.Target) probe.Target {
		return probe.Target{Name: noName, Address: nobodysAddress}
	})
}

// inNodes looks for a client in the list of each server of the region, until one has it as ready.
func (i Ingredients) inNodes(what string, as probe.Caller, whom func(probe.Target) probe.Target) probe.Probe {
	list := func(t probe.Target) probe.Probe {
		return probe.HTTPLook(get("/v1/nodes?stale"), as, probe.AnswerLook{For: what + ", ready", In: listing(readyAmong(t))})
	}
	sentence := list(probe.Target{}).Sentence + ", at its servers"
	return probe.New(probe.PlaneHTTP, sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		told := probe.Observation{Outcome: probe.NotReached, Err: "no server of the region is known that could be asked"}
		for at, server := range i.serversOf(t.Region) {
			o := list(whom(t)).Observe(ctx, server)
			if o.Outcome == probe.Found {
				return o
			}
			// One that cannot tell leaves open what another did not find.
			if at == 0 || o.Outcome != probe.Absent {
				told = o
			}
		}
		return told
	})
}

// registered is a client as a server lists it.
type registered struct{ Name, Address, Status string }

// readyAmong looks for the client by its name, or by its address: that of HTTP, without a port. Of one that is known by neither
// it cannot be told whether it is there.
func readyAmong(t probe.Target) func([]registered) (bool, string, error) {
	http, _, _ := net.SplitHostPort(t.HTTP)
	return func(nodes []registered) (bool, string, error) {
		var statuses []string
		for _, n := range nodes {
			if n.Name == t.Name || n.Address != "" && (n.Address == t.Address || n.Address == http) {
				statuses = append(statuses, n.Status)
			}
		}
		switch {
		case len(statuses) > 0:
			return slices.Contains(statuses, "ready"), fmt.Sprintf("%d clients, this one %s", len(nodes), orNone(statuses)), nil
		case t.Address == "":
			return false, "", fmt.Errorf("none of %d clients has the address %s", len(nodes), http)
		default:
			return false, fmt.Sprintf("%d clients, and not this one", len(nodes)), nil
		}
	}
}
