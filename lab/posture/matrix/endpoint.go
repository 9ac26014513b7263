package matrix

import (
	"crypto/x509"
	"slices"

	"golang.org/x/mod/semver"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Endpoint is one place of a server that can be called.
type Endpoint string

// The endpoints, in the order of the columns.
const (
	HTTPS        Endpoint = "HTTPS"
	RPCHandshake Endpoint = "RPC handshake"
	OrdinaryRPC  Endpoint = "Status.Leader"
	NodeRegister Endpoint = "Node.Register"
	ServerOnly   Endpoint = "Eval.Dequeue"
	Raft         Endpoint = "Raft"
	Gossip       Endpoint = "gossip"
)

// Endpoints returns all endpoints.
func Endpoints() []Endpoint {
	return []Endpoint{HTTPS, RPCHandshake, OrdinaryRPC, NodeRegister, ServerOnly, Raft, Gossip}
}

// plane returns the plane that the endpoint belongs to.
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

// probe returns what the caller sends to the endpoint. Gossip asks for no certificate: there, the caller has no
// gossip key.
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

// namesInRegister is the first release whose leader looks at the names in the certificate of a caller of Node.Register, as every
// server does in other calls (nomad/auth/auth.go, AuthenticateNodeIdentityGenerator; 1.10.5 was seen to take any certificate
// with which a caller gets through the handshake).
const namesInRegister = "1.11.0"

// wantOf is want at a server of that version; empty: of the newest that is known.
func (e Endpoint) wantOf(k caller.Kind, version string) probe.Outcome {
	older := semver.IsValid("v"+version) && semver.Compare("v"+version, "v"+namesInRegister) < 0
	if want := e.want(k); e != NodeRegister || want != probe.Denied || !older {
		return want
	}
	return probe.Accepted
}

// want returns what Nomad 1.11.3 does with `tls.verify_server_hostname` and `tls.verify_https_client` on (verified).
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

// wantAt is want at a server that trusts the authorities of the bundle; nil: those of the callers' authority. because is what the
// outcome rests on, a clause, if it differs with the bundle: the certificates in tls.ca_file are trust anchors, whether or not
// they are roots (crypto/x509, Certificate.Verify; verified against Nomad 1.11.3).
func (e Endpoint) wantAt(k caller.Kind, callers caller.Set, bundle []*x509.Certificate, version string) (want probe.Outcome, because string) {
	in, anchor := callers.LetIn(k, bundle)
	want = e.wantOf(k, version)
	if want != e.want(k) {
		because = "Nomad looks at the names there since " + namesInRegister
	}
	switch {
	case e == Gossip || anchor == nil:
		return want, because
	case in:
		return want, "its CA bundle holds " + pki.NameText(anchor.RawSubject)
	default:
		return probe.RefusedInHandshake, "its CA bundle lacks " + pki.NameText(anchor.RawSubject)
	}
}

// gossipRefusal is how gossip refuses a sender without a key.
const gossipRefusal = probe.Denied

// wantRPC returns what the RPC port does with a valid client certificate of its authority. The names alone decide
// (nomad/server.go:634-660, nomad/rpc.go:919, nomad/auth/auth.go).
func (e Endpoint) wantRPC(k caller.Kind) probe.Outcome {
	elsewhere := k == caller.OtherServer || k == caller.OtherDomain
	switch {
	case slices.Contains([]caller.Kind{
		caller.CLI, caller.OtherClient, caller.NoRegion, caller.Wildcard, caller.Capitals, caller.Web,
	}, k):
		return probe.RefusedInHandshake
	case k != caller.Client && !elsewhere:
		return probe.Accepted
	case e == ServerOnly, e == NodeRegister && elsewhere:
		return probe.Denied
	case e == Raft:
		return probe.RefusedAfterHandshake
	default:
		return probe.Accepted
	}
}

// untrusted reports whether TLS itself refuses the kind: no certificate, one of another authority, one whose chain does not lead to
// a trusted authority or breaks a rule of one, one that is not the key's, an expired one or one not yet valid, or one that is not
// for clients.
func untrusted(k caller.Kind) bool {
	return slices.Contains([]caller.Kind{
		caller.None, caller.Foreign, caller.SelfSigned, caller.Expired, caller.NotYetValid, caller.ServerAuthOnly, caller.CodeSigningOnly,
		caller.IntermediateMissing, caller.LeafNotFirst, caller.PathLengthExceeded, caller.OutsideConstraints, caller.CrossSignatureMissing,
	}, k)
}
