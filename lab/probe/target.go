package probe

import (
	"crypto/x509"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// Target is an agent to probe.
type Target struct {
	// Name is the agent's name in reports.
	Name string
	// Role is the agent's role. A client agent has no RPC and no Raft plane.
	Role pki.Role
	// Region is the agent's own region. RPC calls name it, so that the agent answers them itself instead of forwarding them.
	Region string
	// Nomad is the version of Nomad that the agent runs, such as 1.11.3; empty if it is not known.
	Nomad string
	// HTTP, RPC and Gossip are host:port of the listeners; empty if there is none, or none that can be reached from here.
	HTTP, RPC, Gossip string
	// Ports has the port on which the agent itself listens for a plane, if a published port differs from it. A plane that is
	// not in it listens on the port in HTTP, RPC or Gossip, or on Nomad's default.
	Ports map[Plane]uint16
	// Member is the agent's name in gossip, for example server-1.global; empty for a client.
	Member string
	// Address is the agent's IP address on the network that it shares with its peers, where packets are captured; empty if it
	// is not known.
	Address string
	// Published is a second address of the agent on that network, to which packets for HTTP, RPC and Gossip go. Empty: they go
	// to Address.
	Published string
	// ServerName is the name for which the agent's certificate is verified, for example server.global.nomad. The address need
	// not be in the certificate.
	ServerName string
	// HTTPPlaintext is true for an agent whose HTTP port is known to serve without TLS, and is known to be the agent's: a
	// proxy in between could claim the first, and be sent a token.
	HTTPPlaintext bool
	// RPCPlaintext is true for a server of a lab that accepts calls without TLS, whether or not it accepts others
	// (rpc_upgrade_mode).
	RPCPlaintext bool
	// RPCPlaintextOnly is true for a server that was seen to accept calls without TLS, and to end TLS handshakes.
	RPCPlaintextOnly bool
	// MaxConnections is how many connections of one address the agent says that it accepts at once, for HTTP and RPC; 0 for no
	// limit. For a plane that is not in it, the limit is not known.
	MaxConnections map[Plane]int
	// HandshakeTimeouts is how long the agent says that it waits for a caller's handshake, for HTTP and RPC. A plane that is
	// not in it, or is zero, has Nomad's default.
	HandshakeTimeouts map[Plane]time.Duration
	// Telemetry is what the agent says of its metrics.
	Telemetry Telemetry
	// Files is true for a target that is not an agent, but the files that one is to read.
	Files bool
	// Leader is true for a server that led its region when the target was made.
	Leader bool
	// Log reads the agent's log; nil if it cannot be read.
	Log Log
	// Caller is the IP address, without a port, as which the agent sees this program: the agent's log names it. Empty if it is
	// not known.
	Caller string
	// Callers has that address for the planes on which it is not Caller; see CallerAt.
	Callers map[Plane]string
	// LogLevel is the level at which the agent logs, in capitals; empty if it is not known.
	LogLevel string
	// From is the IP address to connect from, so that the agent sees Caller. Empty: the system's choice is right.
	From string

	// Bounds limit what may be sent to an agent of a cluster that this program did not start. Nil: the agent is of a lab, and
	// may be sent everything.
	Bounds *Bounds
	// NoToken says why the agent may not be sent an ACL token, for example that its certificate is for another name; empty if
	// it may.
	NoToken string

	// Silent has the agent's ports that do not answer: nothing is sent there. Nil: none is known to be silent.
	Silent *SilentPorts

	// pinned is the only certificate that callers trust, instead of those that their authority signed: that of a
	// ControlServer. Nil for an agent.
	pinned *x509.Certificate
}

// Log reads what an agent has logged.
type Log interface {
	// Mark returns the position of the log's end.
	Mark() (int64, error)
	// Since returns the lines after the mark, oldest first.
	Since(mark int64) ([]string, error)
}

// At returns the address of the target's plane; empty if the target does not serve it, or the address is not known.
func (t Target) At(p Plane) string {
	switch {
	case p.port() != "":
		return map[Plane]string{PlaneHTTP: t.HTTP, PlaneRPC: t.RPC, PlaneGossip: t.Gossip}[p.port()]
	case p == PlaneNetwork:
		return t.Address
	case p == PlaneFiles && t.Files:
		return t.Name
	default:
		return ""
	}
}

// Ports returns the planes that have a port of their own. Raft shares that of RPC, and the cluster plane that of HTTP.
func Ports() []Plane { return []Plane{PlaneHTTP, PlaneRPC, PlaneGossip} }

// port returns the plane whose port serves p; empty for a plane without a port.
func (p Plane) port() Plane {
	switch p {
	case PlaneHTTP, PlaneCluster:
		return PlaneHTTP
	case PlaneRPC, PlaneRaft:
		return PlaneRPC
	case PlaneGossip:
		return PlaneGossip
	default:
		return ""
	}
}

// CallerAt returns the address as which the agent sees this program on a plane; empty if it is not known.
func (t Target) CallerAt(p Plane) string {
	if caller, ok := t.Callers[p]; ok {
		return caller
	}
	return t.Caller
}

// PlaintextOnly returns why a caller who should be accepted is refused in the handshake, at a port that is known to serve only
// plaintext. Zero for any other port. An HTTP port never serves both; an RPC port does with rpc_upgrade_mode.
func (t Target) PlaintextOnly(p Plane) Nothing {
	switch {
	case p == PlaneHTTP && t.HTTPPlaintext:
		return Nothing{Why: "its HTTP port serves in the clear, and nothing over TLS", JudgedBy: "https-refuses-plaintext", Missed: true}
	case (p == PlaneRPC || p == PlaneRaft) && t.RPCPlaintextOnly:
		return Nothing{Why: "its RPC port takes calls in the clear, and none over TLS", JudgedBy: "rpc-refuses-plaintext-nomad-rpc", Missed: true}
	}
	return Nothing{}
}

// MaxParallel returns how many requests may run at once without meeting the agent's limits of connections: two fewer than the
// limit, as a connection that has just ended may still count, and so does an idle one of the API client. 0: no limit.
func (t Target) MaxParallel() int {
	least := 0
	for _, limit := range t.MaxConnections {
		if limit > 0 && (least == 0 || limit < least) {
			least = limit
		}
	}
	if least == 0 {
		return 0
	}
	return max(1, least-2)
}

// defaultHandshakeTimeout is how long an agent waits for a caller's handshake and the first byte after it, unless its
// configuration says otherwise (limits.https_handshake_timeout and rpc_handshake_timeout, command/agent/http.go:272; verified
// against Nomad 1.11.3).
const defaultHandshakeTimeout = 5 * time.Second

// handshakeTimeout returns how long the target waits for a caller's handshake on the plane.
func (t Target) handshakeTimeout(p Plane) time.Duration {
	if timeout := t.HandshakeTimeouts[p.port()]; timeout > 0 {
		return timeout
	}
	return defaultHandshakeTimeout
}

// Telemetry is how an agent says that it collects and filters its metrics. The zero value stands for Nomad's defaults.
type Telemetry struct {
	// CollectionInterval is how often the agent measures itself, and Interval is the length of one interval of its metrics.
	// Zero: 1 s, and 10 s.
	CollectionInterval, Interval time.Duration
	// PrefixFilter are rules such as "-nomad.client". The longest rule that matches a metric's name decides whether it is
	// kept.
	PrefixFilter []string
	// DropUnmatched is true if a metric that no rule matches is dropped.
	DropUnmatched bool
}

// Keeps reports whether the agent's filter keeps the metrics with this prefix (go-metrics, allowMetric).
func (t Telemetry) Keeps(prefix string) bool {
	keeps, longest := !t.DropUnmatched, -1
	for _, rule := range t.PrefixFilter {
		if rule == "" || !strings.HasPrefix(prefix, rule[1:]) || len(rule) < longest {
			continue
		}
		if of := len(rule); of > longest || rule[0] == '-' { // of two rules with one prefix, the blocking one wins
			keeps, longest = rule[0] == '+', of
		}
	}
	return keeps
}

// MaxDelay returns how long it may take until the agent's metrics show an interval in which it has measured itself. They are
// those of the last whole interval, and the first interval may have ended before the first measurement
// (command/agent/command.go:1265; go-metrics, InmemSink.DisplayMetrics; verified against Nomad 1.11.3).
func (t Telemetry) MaxDelay() time.Duration {
	every, interval := t.CollectionInterval, t.Interval
	if every <= 0 {
		every = time.Second
	}
	if interval <= 0 {
		interval = 10 * time.Second
	}
	return every + 2*interval
}
