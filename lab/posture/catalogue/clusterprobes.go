package catalogue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"nomadlab.internal/lab/probe"
)

// What an agent tells of its cluster to everybody whom TLS lets in, without an ACL token. Stale, a server tells what it knows
// itself, with or without a leader; a client asks a server for all three (nomad/status_endpoint.go, nomad/regions_endpoint.go:26;
// verified against Nomad 1.11.3).
const (
	leaderPath  = "/v1/status/leader?stale"
	peersPath   = "/v1/status/peers?stale"
	regionsPath = "/v1/regions"
)

// selfPath is an agent's account of itself, which it gives for the right to read agents.
const selfPath = "/v1/agent/self"

// nobodysAddress is one that is nobody's (RFC 5737).
const unusedAddress = "192.0.2.1"

func getLeader(as probe.Caller) probe.Probe { return probe.HTTP(leaderPath, as) }

func getPeers(as probe.Caller) probe.Probe { return probe.HTTP(peersPath, as) }

// seeksLeader finds the lack of a leader.
func findNoLeader(as probe.Caller) probe.Probe {
	return probe.HTTPSearch(get(leaderPath), as, probe.AnswerSearch{For: "the lack of a leader", In: leaderName(func(leader string) bool {
		return leader == ""
	})})
}

// naming looks at the leader's address that an answer is, empty for none.
func leaderName(search func(leader string) bool) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(func(leader string) (bool, string, error) {
		if _, _, err := net.SplitHostPort(leader); err != nil && leader != "" {
			return false, "", errors.New("the answer is no leader's address")
		}
		return search(leader), "it names " + cmp.Or(leader, "nobody"), nil
	})
}

// listing reads an answer's body, and looks at what it holds.
func fromJSON[T any](search func(T) (bool, string, error)) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var got *T
		if err := json.Unmarshal(body, &got); err != nil || got == nil {
			return false, "", errors.New("the answer is not in the form that was asked for")
		}
		return search(*got)
	}
}

// namedLeader is whom the server calls the leader, and what was seen as it was asked.
func namedLeader(ctx context.Context, t probe.Target, as probe.Caller) (leader string, o probe.Observation) {
	search := probe.AnswerSearch{For: "a leader", In: leaderName(func(named string) bool {
		leader = named
		return named != ""
	})}
	o = probe.HTTPSearch(get(leaderPath), as, search).Observe(ctx, t)
	return leader, o
}

// seeksOtherLeader finds a leader other than the one that most servers of the region name, which are asked before and after:
// leaders change. A server that leads a cluster of its own is found, and none of the others for it.
func (i Ingredients) findOtherLeader(as probe.Caller) probe.Probe {
	sentence := fmt.Sprintf("look for a leader whom most servers of the region do not name: GET %s at the HTTP port with %s", leaderPath, as)
	p := probe.New(probe.PlaneHTTP, sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		before, votes := i.majorityLeader(ctx, t.Region, as)
		own, o := namedLeader(ctx, t, as)
		if o.Outcome != probe.Found {
			o.Unsettled = o.Unsettled || o.Outcome == probe.Absent
			return inconclusive(o, t.Name+" names no leader to compare")
		}
		o.Received = fmt.Sprintf("it names %s; of the servers of the region %s", own, votes)
		switch {
		case own == before && votes.names < 2:
			return inconclusive(o, "no other server of the region names a leader to compare with")
		case own == before:
			o.Outcome = probe.Absent
			return o
		}
		switch after, votes := i.majorityLeader(ctx, t.Region, as); {
		case own == after:
			o.Outcome = probe.Absent
		case votes.names == 0:
			o.Unsettled = true
			return inconclusive(o, "no server of the region names a leader to compare with")
		case before != after:
			o.Unsettled = true
			return inconclusive(o, "the leader changed in between")
		}
		return o
	}).Classed(probe.Reads())
	p.Timeout = i.askingAll()
	return p
}

// votes are how many servers were asked for the leader, name one, and name the same as most.
type votes struct{ asked, names, most int }

func (v votes) String() string {
	return fmt.Sprintf("%d of %d name a leader, %d of them the same", v.names, v.asked, v.most)
}

// elected is the leader that more than half of the region's servers name, of those that name any; empty for none.
func (i Ingredients) majorityLeader(ctx context.Context, region string, as probe.Caller) (leader string, v votes) {
	named := map[string]int{}
	for _, s := range i.serversOf(region) {
		v.asked++
		if name, o := namedLeader(ctx, s, as); o.Outcome == probe.Found {
			v.names++
			named[name]++
			v.most = max(v.most, named[name])
		}
	}
	for name, n := range named {
		if 2*n > v.names {
			return name, v
		}
	}
	return "", v
}

// blind is an observation of which nothing can be told, for the reason: that of a look that saw an answer.
func inconclusive(o probe.Observation, reason string) probe.Observation {
	if o.Outcome == probe.Found || o.Outcome == probe.Absent {
		o.Outcome, o.Err = probe.Failed, reason
	}
	return o
}

// lackMost reports whether half of the wanted peers, or more, are none. One that most others have is not to blame them.
func lackMost(peers, wanted []string) bool {
	there := len(both(peers, wanted))
	return there < len(wanted) && 2*there <= len(wanted)
}

// holdOthers reports whether one of the peers is none of those that are wanted.
func holdOthers(peers, wanted []string) bool { return len(both(peers, wanted)) < len(peers) }

// both are the peers that are wanted.
func both(peers, wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(peers), func(p string) bool { return !slices.Contains(wanted, p) })
}

// ofPeers finds what is odd about the peers that a server's Raft has, where its region is to have these servers.
func (i Ingredients) ofPeers(what string, odd func(peers, wanted []string) bool) func(probe.Caller) probe.Probe {
	return func(as probe.Caller) probe.Probe {
		search := func(region string) probe.Probe {
			return probe.HTTPSearch(get(peersPath), as, probe.AnswerSearch{For: what, In: fromJSON(func(peers []string) (bool, string, error) {
				wanted, known := i.Peers[region]
				if !known {
					return false, "", fmt.Errorf("it is not known which servers the region %s is meant to have", region)
				}
				return odd(peers, wanted), fmt.Sprintf("%d peers: %s; meant to be are %d: %s", len(peers), orNone(peers), len(wanted), orNone(wanted)), nil
			})})
		}
		return probe.New(probe.PlaneHTTP, search("").Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
			return search(t.Region).Observe(ctx, t)
		}).Classed(search("").Effect()).Only(search("").Inapplicable)
	}
}

// serversOf are the servers of a region that answer.
func (i Ingredients) serversOf(region string) []probe.Target {
	var all []probe.Target
	for _, s := range i.Servers {
		if s.Region == region {
			all = append(all, s)
		}
	}
	return all
}

func getSelf(as probe.Caller) probe.Probe { return probe.HTTP(selfPath, as) }

// seeksLoner finds a server of several that would begin a cluster by itself.
func (i Ingredients) findLoneBootstrap(as probe.Caller) probe.Probe {
	search := func(region string) probe.Probe {
		return probe.HTTPSearch(get(selfPath), as, probe.AnswerSearch{For: "a server of several that begins a cluster by itself", In: fromJSON(func(self struct {
			Stats struct {
				Nomad struct {
					Bootstrap string `json:"bootstrap"`
				} `json:"nomad"`
			} `json:"stats"`
		}) (bool, string, error) {
			bootstrap := self.Stats.Nomad.Bootstrap
			if bootstrap == "" {
				return false, "", errors.New("the agent's account does not tell bootstrap")
			}
			return bootstrap == "true" && len(i.Peers[region]) > 1, fmt.Sprintf("bootstrap: %s, one of %d servers", bootstrap, len(i.Peers[region])), nil
		})})
	}
	return probe.New(probe.PlaneHTTP, search("").Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		return search(t.Region).Observe(ctx, t)
	}).Classed(search("").Effect()).Only(search("").Inapplicable)
}
