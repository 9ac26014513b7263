package probe

import (
	"crypto/x509"
	"time"
)

// Plane is one of an agent's front doors. Each has its own guards.
type Plane string

// The planes of a Nomad agent.
const (
	PlaneHTTP   Plane = "HTTP"
	PlaneRPC    Plane = "RPC"
	PlaneRaft   Plane = "Raft"
	PlaneGossip Plane = "gossip"
	// PlaneCluster is no door but what agents are to each other: whether they have formed a cluster, as each tells over HTTP.
	PlaneCluster Plane = "cluster"
	// PlaneFiles are the files that an agent's user keeps, and who else may read them.
	PlaneFiles Plane = "files"
	// PlaneWire is the network between agents, as a listener on it sees it.
	PlaneNetwork Plane = "network"
)

// Outcome is the class of what a probe saw. The zero value is no outcome.
type Outcome string

// The outcomes.
const (
	// Accepted: the agent served the request (HTTP below 300, an RPC or Raft answer).
	Accepted Outcome = "accepted"
	// RefusedInHandshake: the agent ended the connection before it had accepted the
	// caller's TLS handshake, or, if the caller spoke plaintext, without an answer.
	RefusedInHandshake Outcome = "refused in the handshake"
	// RefusedAfterHandshake: the agent accepted the handshake, then ended the
	// connection instead of answering. Nomad's Raft plane refuses so, without a
	// word to the caller or in its log (nomad/rpc.go:324-331).
	RefusedAfterHandshake Outcome = "refused after the handshake"
	// Denied: the agent answered with a refusal of its own: HTTP 4xx but for 429, or an RPC
	// error that is about the caller's rights, such as "Permission denied".
	Denied Outcome = "denied"
	// Found: what the probe looked for is there, in what the agent showed.
	Found Outcome = "found"
	// Absent: the agent showed what it was asked for, and what the probe looked for is not in it.
	Absent Outcome = "absent"
	// Failed: the agent answered, but its answer says nothing about the caller:
	// HTTP 5xx, a redirection, HTTP 429 (the caller asked too often, whoever it is), an RPC error such as "No cluster leader", or bytes that are not
	// in the protocol's form.
	Failed Outcome = "failed"
	// NotReached: nothing is known about what the agent would have done. There was
	// no connection, no answer within the time, no usable credential, or the
	// caller hung up because it did not trust the agent's certificate.
	NotReached Outcome = "not reached"
)

// Refused says whether the outcome is a refusal of any kind, Denied included.
// NotReached and Failed are none: a dead port refuses nobody.
func (o Outcome) Refused() bool {
	return o == RefusedInHandshake || o == RefusedAfterHandshake || o == Denied
}

// Observation is what one run of a probe saw.
type Observation struct {
	// Plane is the plane that was probed.
	Plane Plane
	// Outcome is the class, the same each time for the same cause.
	Outcome Outcome
	// Sent and Received say in words what went over the wire. Received may differ
	// between runs where Outcome does not: an alert once, a reset another time.
	Sent, Received string
	// TLSVersion and CipherSuite are what was negotiated, ServerCertificate is in
	// words what the agent presented. Empty without TLS, or when the handshake did
	// not come so far.
	TLSVersion, CipherSuite, ServerCertificate string
	// Served is the chain that the agent presented, its own certificate first, and AcceptableCAs are the subjects (DER) of the
	// authorities that it said it accepts callers of, one for each certificate of an authority that it has: two of one name are
	// there twice. Nil without TLS, or when the handshake did not come so far.
	Served        []*x509.Certificate
	AcceptableCAs [][]byte
	// Protocol is the application protocol that was agreed on by ALPN; empty for none.
	Protocol string
	// Retry reports that the outcome says nothing for a reason that may be this machine's alone, such as packets that a
	// listener has missed: the same probe may see more when it is run again.
	Retry bool
	// Unsettled reports that the outcome says nothing for a reason that takes its time to pass: the servers had no leader, or no
	// answer came within the time, as a server holds a request for 5 s while there is no leader (nomad/rpc.go:646). The
	// same probe may see more some seconds later.
	Unsettled bool
	// Nothing says why the agent has nothing of the kind that the probe looks at, such as no gossip key of which to look at the
	// length. Zero: it has something.
	Nothing Nothing
	// Err is the error that the caller's side saw; empty when there was none.
	Err string
	// Took is the time from the first dial to the outcome.
	Took time.Duration

	// hungUpAfter is the age of the connection that the agent ended without a word; zero where it did not.
	hungUpAfter time.Duration
}
