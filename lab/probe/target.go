package probe

import "nomadlab.internal/lab/pki"

// Target is an agent to probe.
type Target struct {
	// Name is the agent's name in reports.
	Name string
	// Role is the agent's role. A client agent has no RPC and no Raft plane.
	Role pki.Role
	// Region is the agent's own region; RPC calls name it, so that the agent
	// answers them itself instead of forwarding them.
	Region string
	// HTTP and RPC are host:port of the two listeners; empty when there is none.
	HTTP, RPC string
	// ServerName is the name for which the agent's certificate is verified, for
	// example server.global.nomad. The address need not be in the certificate.
	ServerName string
	// Log reads the agent's log; nil when it cannot be read.
	Log Log
	// Caller is how the prober looks to the agent: an IP address without a port, by
	// which the agent's log tells its connections from those of others. Empty when
	// it is not known.
	Caller string
	// From is the IP address to connect from in order to look like that. Empty: the
	// system's choice is right.
	From string
}

// Log reads what an agent has logged.
type Log interface {
	// Mark returns the position of the log's end.
	Mark() (int64, error)
	// Since returns the lines that came after the mark, oldest first.
	Since(mark int64) ([]string, error)
}

// Address is the host:port at which the target serves the plane; empty when it
// does not, or when the plane has no probe that needs an address.
func (t Target) Address(p Plane) string {
	switch p {
	case PlaneHTTP:
		return t.HTTP
	case PlaneRPC, PlaneRaft:
		return t.RPC
	default:
		return ""
	}
}
