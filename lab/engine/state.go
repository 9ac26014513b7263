package engine

import (
	"net/netip"
	"time"
)

// LabState is what the engine says about a lab.
type LabState struct {
	// Labels are those that the lab's network was created with, or its first node where the network is gone.
	Labels map[string]string
	// Created is when the lab's network was made. Zero where that is not known.
	Created time.Time
	// Nodes are those that are left, in the order of their names. Of their states Started and ExitCode are left out,
	// which cost a question for each.
	Nodes []State
}

// State is what the engine says about a node.
type State struct {
	Ref
	// ID is the engine's own name for the node.
	ID      string
	Running bool
	// Paused is true for a running node that was stopped where it stands, by Pause or by hand: it answers nothing.
	Paused bool
	// CutOff is why a running node is not on the lab's network, with what puts it back where that is known. Empty: it is there.
	CutOff string
	// Image is what the node was created from: a container image, or the path of a nomad binary.
	Image string
	// Version is the version of Nomad that the image says it has. Empty where it says nothing.
	Version string
	// ExitCode is meaningful for a node that has ended: 137 is one that was killed. -1 where that is not known, 0 for a node
	// that never was started.
	ExitCode int
	// Started is when the node was last started. Zero for one that never was.
	Started time.Time
	// Address is the node's address on the lab's network, as other nodes know it. Invalid while it is not connected, unless
	// it is one that the node keeps.
	Address netip.Addr
	// Published is a second address of the node on the lab's network, to which the engine passes what is sent to its published
	// ports. Invalid: it passes that to Address.
	Published netip.Addr
	// Origin is where the node's own connections come from, as others see it: Address, unless nodes share one network.
	// Invalid while the node is not connected.
	Origin netip.Addr
	// Caller is how this process looks to the node when it connects to an endpoint, but for those in Callers. Invalid where
	// that is not known.
	Caller netip.Addr
	// Callers has how this process looks at those ports where it is not like Caller: at a port that is reached inside the
	// node, as the node's own loopback. See CallerAt.
	Callers map[uint16]netip.Addr
	// From is the address that this process must connect from to look like Caller. Invalid: it need not choose.
	From netip.Addr
	// Endpoints has, for each published port, where it is reached from this process. Empty while the node is down.
	Endpoints map[uint16]netip.AddrPort
	// Labels are what Create was given, the engine's own left out.
	Labels map[string]string
}

// CallerAt is how this process looks to the node when it connects to the endpoint of that port. Invalid where that is not
// known.
func (s State) CallerAt(port uint16) netip.Addr {
	if a, other := s.Callers[port]; other {
		return a
	}
	return s.Caller
}
