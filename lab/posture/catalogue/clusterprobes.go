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

// Paths that describe an agent's cluster. They need no ACL token. With ?stale, a server answers from its own state,
// with or without a leader; a client asks a server for all three (nomad/status_endpoint.go,
// nomad/regions_endpoint.go:26; verified against Nomad 1.11.3).
const (
	leaderPath  = "/v1/status/leader?stale"
	peersPath   = "/v1/status/peers?stale"
	regionsPath = "/v1/regions"
)

// selfPath is an agent's account of itself. It needs the right to read agents.
const selfPath = "/v1/agent/self"

// unusedAddress is an address that no host has (RFC 5737).
const unusedAddress = "192.0.2.1"

func getLeader(as probe.Caller) probe.Probe { return probe.HTTP(leaderPath, as) }

func getSelf(as probe.Caller) probe.Probe { return probe.HTTP(selfPath, as) }

func getPeers(as probe.Caller) probe.Probe { return probe.HTTP(peersPath, as) }

// finder looks for something in a value. It reports whether it is there, and what was seen, in words. Its error says why the
// value proves neither.
type finder[T any] func(T) (there bool, saw string, err error)

// fromJSON returns the finder for the body of an answer that is JSON.
func fromJSON[T any](find finder[T]) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var got *T
		if err := json.Unmarshal(body, &got); err != nil || got == nil {
			return false, "", errors.New("the answer is not in the form that was asked for")
		}
		return find(*got)
	}
}

// findNoLeader finds a server without a leader.
func findNoLeader(as probe.Caller) probe.Probe {
	return probe.HTTPSearch(get(leaderPath), as, probe.AnswerSearch{For: "the lack of a leader", In: leaderName(func(leader string) bool {
		return leader == ""
	})})
}

// leaderName finds a leader's address that satisfies is; the address is empty where there is no leader.
func leaderName(is func(leader string) bool) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(func(leader string) (bool, string, error) {
		if _, _, err := net.SplitHostPort(leader); err != nil && leader != "" {
			return false, "", errors.New("the answer is no leader's address")
		}
		return is(leader), "it names " + cmp.Or(leader, "nobody"), nil
	})
}

// namedLeader returns the leader that the server names, and the observation of asking for it.
func namedLeader(ctx context.Context, t probe.Target, as probe.Caller) (leader string, o probe.Observation) {
	search := probe.AnswerSearch{For: "a leader", In: leaderName(func(named string) bool {
		leader = named
		return named != ""
	})}
	o = probe.HTTPSearch(get(leaderPath), as, search).Observe(ctx, t)
	return leader, o
}

// findOtherLeader finds a server that names a leader other than the one that most servers of its region name. The
// others are asked before and after, as leadership may move.
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
	}).WithEffect(probe.Reads())
	p.Timeout = i.askingAll()
	return p
}

// votes counts the servers that were asked for the leader, those that name one, and those that name the most common
// one.
type votes struct{ asked, names, most int }

func (v votes) String() string {
	return fmt.Sprintf("%d of %d name a leader, %d of them the same", v.names, v.asked, v.most)
}

// majorityLeader returns the leader that more than half of the region's servers name, of those that name any; or "".
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

// inconclusive turns an observation that found something, or did not, into a failed one, for the reason.
func inconclusive(o probe.Observation, reason string) probe.Observation {
	if o.Outcome == probe.Found || o.Outcome == probe.Absent {
		o.Outcome, o.Err = probe.Failed, reason
	}
	return o
}

// lackMost reports whether at most half of the wanted peers are there. It is false for a server that misses one peer
// which most others have.
func lackMost(peers, wanted []string) bool {
	there := len(both(peers, wanted))
	return there < len(wanted) && 2*there <= len(wanted)
}

// holdOthers reports whether there is a peer that is not wanted.
func holdOthers(peers, wanted []string) bool { return len(both(peers, wanted)) < len(peers) }

// both returns the peers that are wanted.
func both(peers, wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(peers), func(p string) bool { return !slices.Contains(wanted, p) })
}

// ofPeers finds the Raft peers of a server for which odd holds, given the peers that its region is meant to have.
func (i Ingredients) ofPeers(what string, odd func(peers, wanted []string) bool) func(probe.Caller) probe.Probe {
	return inRegion(func(region string, as probe.Caller) probe.Probe {
		return probe.HTTPSearch(get(peersPath), as, probe.AnswerSearch{For: what, In: fromJSON(func(peers []string) (bool, string, error) {
			wanted, known := i.Peers[region]
			if !known {
				return false, "", fmt.Errorf("it is not known which servers the region %s is meant to have", region)
			}
			return odd(peers, wanted), fmt.Sprintf("%d peers: %s; meant to be are %d: %s", len(peers), orNone(peers), len(wanted), orNone(wanted)), nil
		})})
	})
}

// findLoneBootstrap finds a server of several that would bootstrap a cluster by itself.
func (i Ingredients) findLoneBootstrap(as probe.Caller) probe.Probe {
	return inRegion(func(region string, as probe.Caller) probe.Probe {
		return probe.HTTPSearch(get(selfPath), as, probe.AnswerSearch{For: "a server of several that begins a cluster by itself", In: fromJSON(func(self struct {
			Stats struct {
				Nomad struct {
					Bootstrap string `json:"bootstrap"`
				} `json:"nomad"`
			} `json:"stats"`
		}) (bool, string, error) {
			bootstrap, servers := self.Stats.Nomad.Bootstrap, len(i.Peers[region])
			if bootstrap == "" {
				return false, "", errors.New("the agent's account does not tell bootstrap")
			}
			return bootstrap == "true" && servers > 1, fmt.Sprintf("bootstrap: %s, one of %d servers", bootstrap, servers), nil
		})})
	})(as)
}

// inRegion returns a probe that depends on the target's region.
func inRegion(of func(region string, as probe.Caller) probe.Probe) func(probe.Caller) probe.Probe {
	return func(as probe.Caller) probe.Probe {
		first := of("", as)
		return probe.New(first.Plane, first.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
			return of(t.Region, as).Observe(ctx, t)
		}).WithEffect(first.Effect()).OnlyFor(first.Inapplicable)
	}
}

// serversOf returns the answering servers of a region.
func (i Ingredients) serversOf(region string) []probe.Target {
	var all []probe.Target
	for _, s := range i.Servers {
		if s.Region == region {
			all = append(all, s)
		}
	}
	return all
}
