package matrix

import (
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Entry is one way into a server.
type Endpoint string

// The entries, in the order of the columns.
const (
	HTTPS        Endpoint = "HTTPS"
	RPCHandshake Endpoint = "RPC handshake"
	OrdinaryRPC  Endpoint = "Status.Leader"
	NodeRegister Endpoint = "Node.Register"
	ServerOnly   Endpoint = "Eval.Dequeue"
	Raft         Endpoint = "Raft"
	Gossip       Endpoint = "gossip"
)

// Entries are all entries.
func Endpoints() []Endpoint {
	return []Endpoint{HTTPS, RPCHandshake, OrdinaryRPC, NodeRegister, ServerOnly, Raft, Gossip}
}

// plane is where the entry leads to.
func (e Endpoint) plane() probe.Plane {
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
func (e Endpoint) probe(as probe.Caller) probe.Probe {
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
func (e Endpoint) want(k caller.Kind) probe.Outcome {
	switch {
	case e == Gossip:
		return gossipRefusal
	case untrusted(k):
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
func (e Endpoint) wantRPC(k caller.Kind) probe.Outcome {
	switch k {
	case caller.CLI, caller.OtherClient, caller.NoRegion, caller.Wildcard, caller.Capitals, caller.Web:
		return probe.RefusedInHandshake
	case caller.Client:
		return e.unless(map[Endpoint]probe.Outcome{ServerOnly: probe.Denied, Raft: probe.RefusedAfterHandshake})
	case caller.OtherServer, caller.OtherDomain:
		return e.unless(map[Endpoint]probe.Outcome{
			NodeRegister: probe.Denied, ServerOnly: probe.Denied, Raft: probe.RefusedAfterHandshake,
		})
	default:
		return probe.Accepted
	}
}

// unless is Accepted at all entries but those.
func (e Endpoint) unless(refusals map[Endpoint]probe.Outcome) probe.Outcome {
	if refusal, there := refusals[e]; there {
		return refusal
	}
	return probe.Accepted
}

// stranger says whether TLS itself refuses the kind: no certificate, one of another authority, one whose time is not now,
// one that is not made for callers.
func untrusted(k caller.Kind) bool {
	switch k {
	case caller.None, caller.Foreign, caller.SelfSigned, caller.IntermediateMissing, caller.Expired, caller.NotYetValid,
		caller.ServerAuthOnly, caller.CodeSigningOnly:
		return true
	default:
		return false
	}
}
