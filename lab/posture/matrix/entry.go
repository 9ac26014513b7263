package matrix

import (
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// Entry is one way into a server.
type Entry string

// The entries, in the order of the columns.
const (
	HTTPS        Entry = "HTTPS"
	RPCHandshake Entry = "RPC handshake"
	OrdinaryRPC  Entry = "Status.Leader"
	NodeRegister Entry = "Node.Register"
	ServerOnly   Entry = "Eval.Dequeue"
	Raft         Entry = "Raft"
	Gossip       Entry = "gossip"
)

// Entries are all entries.
func Entries() []Entry {
	return []Entry{HTTPS, RPCHandshake, OrdinaryRPC, NodeRegister, ServerOnly, Raft, Gossip}
}

// plane is where the entry leads to.
func (e Entry) plane() probe.Plane {
	switch e {
	case HTTPS:
		return probe.PlaneHTTP
	case Raft:
		return probe.PlaneRaft
	case Gossip:
		return probe.PlaneGossip
	default:
		return probe.PlaneRPC
	}
}

// knock is what the caller does at the entry. Gossip asks nobody for a certificate: there, whoever has no gossip key is a
// stranger.
func (e Entry) knock(as probe.Caller) probe.Probe {
	switch e {
	case HTTPS:
		return probe.HTTP("/v1/status/leader?stale", as)
	case RPCHandshake:
		return probe.RPCHandshake(as)
	case OrdinaryRPC:
		return probe.RPCCall(probe.StatusLeader(), as)
	case NodeRegister:
		return probe.RPCCall(probe.RegisterNothing(), as)
	case ServerOnly:
		return probe.RPCCall(probe.DequeueNothing(), as)
	case Raft:
		return probe.Raft(as)
	default:
		return probe.GossipPing(probe.GossipKey{})
	}
}

// want is what Nomad 1.11.3 does with `tls.verify_server_hostname` and `tls.verify_https_client` on (verified).
func (e Entry) want(k party.Kind) probe.Outcome {
	switch {
	case e == Gossip:
		return gossipRefusal
	case stranger(k):
		return probe.RefusedInHandshake
	case e == HTTPS:
		return probe.Accepted // it checks no roles
	default:
		return e.wantRPC(k)
	}
}

// gossipRefusal is how gossip refuses who has no key.
const gossipRefusal = probe.Denied

// wantRPC is what the RPC port does with a certificate of its authority that is valid and made for callers. Who may do
// what is decided by the names alone (nomad/server.go:634-660, nomad/rpc.go:919, nomad/auth/auth.go).
func (e Entry) wantRPC(k party.Kind) probe.Outcome {
	switch k {
	case party.CLI, party.OtherClient, party.NoRegion, party.Wildcard, party.Capitals, party.Web:
		return probe.RefusedInHandshake
	case party.Client:
		return e.unless(map[Entry]probe.Outcome{ServerOnly: probe.Denied, Raft: probe.RefusedAfterHandshake})
	case party.OtherServer, party.OtherDomain:
		return e.unless(map[Entry]probe.Outcome{
			NodeRegister: probe.Denied, ServerOnly: probe.Denied, Raft: probe.RefusedAfterHandshake,
		})
	default:
		return probe.Accepted
	}
}

// unless is Accepted at all entries but those.
func (e Entry) unless(refusals map[Entry]probe.Outcome) probe.Outcome {
	if refusal, there := refusals[e]; there {
		return refusal
	}
	return probe.Accepted
}

// stranger says whether TLS itself refuses the kind: no certificate, one of another authority, one whose time is not now,
// one that is not made for callers.
func stranger(k party.Kind) bool {
	switch k {
	case party.None, party.Foreign, party.SelfSigned, party.IntermediateMissing, party.Expired, party.NotYetValid,
		party.ServerAuthOnly, party.CodeSigningOnly:
		return true
	default:
		return false
	}
}
