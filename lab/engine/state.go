package engine

import (
	"net/netip"
	"time"
)

// LabState is the state of a lab.
type LabState struct {
	// Labels are those of the lab's network, or of its first node if the network is gone.
	Labels map[string]string
	// Created is when the lab's network was created. Zero: unknown.
	Created time.Time
	// Nodes are the lab's nodes, in the order of their names. Their states lack Started and ExitCode, which take a request
	// for each node.
	Nodes []State
}

// State is the state of a node.
type State struct {
	Ref
	// ID is the engine's own name for the node.
	ID      string
	Running bool
	// Paused is true for a running node that is suspended, by Pause or otherwise.
	Paused bool
	// CutOff is why a running node is not on the lab's network, with the command that connects it again if it is known.
	// Empty: it is connected.
	CutOff string
	// Image is what the node was created from: a container image, or the path of a nomad binary.
	Image string
	// Version is the version of Nomad from the image's labels. Empty: unknown.
	Version string
	// ExitCode is that of a node that has ended: 137 if it was killed, -1 if unknown. It is 0 for a node that was never
	// started.
	ExitCode int
	// Started is when the node was last started. Zero: never.
	Started time.Time
	// Address is the node's address for other nodes. It is invalid while the node is not connected, unless the node keeps it.
	Address netip.Addr
	// Published is the address on the lab's network to which the engine forwards connections to published ports. Invalid: it
	// is Address.
	Published netip.Addr
	// Origin is the source address of the node's own connections: Address, unless nodes share one network. It is invalid
	// while the node is not connected.
	Origin netip.Addr
	// Caller is the source address that the node sees when this process connects to an endpoint, except for ports in
	// Callers. Invalid: unknown.
	Caller netip.Addr
	// Callers has the source addresses for ports where it is not Caller: a port that is reached inside the node sees the
	// node's loopback. See CallerAt.
	Callers map[uint16]netip.Addr
	// From is the local address from which this process must connect so that the node sees Caller. Invalid: any.
	From netip.Addr
	// Endpoints has the address at which this process reaches each published port. It is empty while the node does not run.
	Endpoints map[uint16]netip.AddrPort
	// Labels are those of Node.Labels.
	Labels map[string]string
}

// CallerAt returns the source address that the node sees when this process connects to the endpoint of a port. Invalid:
// unknown.
func (s State) CallerAt(port uint16) netip.Addr {
	if a, other := s.Callers[port]; other {
		return a
	}
	return s.Caller
}
