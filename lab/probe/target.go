package probe

import (
	"crypto/x509"
	"time"

	"nomadlab.internal/lab/pki"
)

// Target is an agent to probe.
type Target struct {
	// Name is the agent's name in reports.
	Name string
	// Role is the agent's role. A client agent has no RPC and no Raft plane.
	Role pki.Role
	// Region is the agent's own region; RPC calls name it, so that the agent
	// answers them itself instead of forwarding them.
	Region string
	// HTTP, RPC and Gossip are host:port of the listeners; empty when there is none, or none that is reached from here.
	HTTP, RPC, Gossip string
	// Ports has where the agent itself listens for a plane, which is another port than one that is published of it; see HTTP.
	// A plane that is not in it listens where it is reached, or at Nomad's default.
	Ports map[Plane]uint16
	// Member is the name by which the agent's peers gossip of it, for example server-1.global; empty for a client.
	Member string
	// Address is the agent's IP address on the network that it shares with its peers, whose packets a listener there sees;
	// empty when it is not known.
	Address string
	// Published is a second address of the agent on that network, to which what is sent to HTTP, RPC and Gossip goes. Empty: it goes to
	// Address.
	Published string
	// ServerName is the name for which the agent's certificate is verified, for
	// example server.global.nomad. The address need not be in the certificate.
	ServerName string
	// HTTPInClear is true for an agent whose HTTP port is known to speak no TLS, and to be the agent's all the same: whoever
	// sits in between could claim so, and be sent a token.
	HTTPInClear bool
	// RPCInClear is true for a server of a lab that takes calls without TLS, whether or not it takes others (rpc_upgrade_mode).
	RPCInClear bool
	// RPCWithoutTLS is true for one that was seen to take them, and to hang up on a TLS handshake.
	RPCWithoutTLS bool
	// Takes are how many connections of one address the agent says that it takes at once, at HTTP and RPC; 0 for no limit. A plane
	// that is not in it: that is not known.
	Takes map[Plane]int
	// Hurries are how long the agent says that it waits for a caller's handshake at HTTP and RPC. A plane that is not in it, or has
	// zero: Nomad's default is taken for it.
	Hurries map[Plane]time.Duration
	// Telemetry is what the agent says of its metrics.
	Telemetry Telemetry
	// Files is true for what is no agent, but the files that one is to read.
	Files bool
	// Leader is true for a server that led its region when the target was made.
	Leader bool
	// Log reads the agent's log; nil when it cannot be read.
	Log Log
	// Caller is how the prober looks to the agent: an IP address without a port, by
	// which the agent's log tells its connections from those of others. Empty when
	// it is not known.
	Caller string
	// Callers has how the prober looks at those planes where it is not like Caller; see CallerAt.
	Callers map[Plane]string
	// LogLevel is the level at which the agent logs, in capitals; empty when it is not known.
	LogLevel string
	// From is the IP address to connect from in order to look like that. Empty: the
	// system's choice is right.
	From string

	// Bounds are what may be sent to an agent of a cluster that this program did not start. Nil: it is an agent of a lab, to
	// which everything may be sent.
	Bounds *Bounds
	// NoToken says why no ACL token may be sent to the agent, for example that its certificate is for another name; empty where
	// one may.
	NoToken string

	// Silent has which of the agent's ports do not answer: nothing is sent there. Nil: none is known to be silent.
	Silent *Silence

	// pinned is the one certificate that callers trust, instead of what their authority signed: a Control server's. Nil at an agent.
	pinned *x509.Certificate
}

// Log reads what an agent has logged.
type Log interface {
	// Mark returns the position of the log's end.
	Mark() (int64, error)
	// Since returns the lines that came after the mark, oldest first.
	Since(mark int64) ([]string, error)
}

// At is the address at which the target's plane is tried; empty when it does not
// serve it, or when it is not known where.
func (t Target) At(p Plane) string {
	switch p {
	case PlaneHTTP, PlaneCluster:
		return t.HTTP
	case PlaneRPC, PlaneRaft:
		return t.RPC
	case PlaneGossip:
		return t.Gossip
	case PlaneNetwork:
		return t.Address
	case PlaneFiles:
		if t.Files {
			return t.Name
		}
		return ""
	default:
		return ""
	}
}

// CallerAt is how the prober looks to the agent at a plane; empty when it is not known.
func (t Target) CallerAt(p Plane) string {
	if caller, other := t.Callers[p]; other {
		return caller
	}
	return t.Caller
}

// WithoutTLS is why a caller who should be let in is refused in the handshake at a port that is known to answer in the clear alone.
// Zero: the port is not known to. An HTTP port never speaks both; an RPC port with rpc_upgrade_mode does.
func (t Target) WithoutTLS(p Plane) Nothing {
	switch {
	case p == PlaneHTTP && t.HTTPInClear:
		return Nothing{Why: "its HTTP port serves in the clear, and nothing over TLS", JudgedBy: "https-refuses-plaintext", Missed: true}
	case (p == PlaneRPC || p == PlaneRaft) && t.RPCWithoutTLS:
		return Nothing{Why: "its RPC port takes calls in the clear, and none over TLS", JudgedBy: "rpc-refuses-plaintext-nomad-rpc", Missed: true}
	}
	return Nothing{}
}

// AtOnce is how many requests may be under way at the agent without its limits of connections refusing one of them: two less than it
// takes of one address, as a connection that has just ended may still count, and so does an idle one of the API's. 0: as many as anybody
// likes.
func (t Target) AtOnce() int {
	least := 0
	for _, takes := range t.Takes {
		if takes > 0 && (least == 0 || takes < least) {
			least = takes
		}
	}
	if least == 0 {
		return 0
	}
	return max(1, least-2)
}
