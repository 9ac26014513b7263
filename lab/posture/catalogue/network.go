package catalogue

import (
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// network returns the checks of what a listener on the network can read. Each control sends a text in the clear,
// which must be captured: a capture without it proves nothing.
func (i Ingredients) network() []posture.Spec {
	hears := func(s posture.Spec, p probe.Plane, said maybeProbe) posture.Spec {
		s.Want = posture.Want{probe.Absent}
		if said.missing == "" {
			said.missing = i.CannotCapture
		}
		return withProbes(s, said, always(probe.TrafficSearch(searchOf(p), probe.PlaintextTraffic(p))))
	}
	http := forBoth(func(pki.Role) []posture.Spec {
		return []posture.Spec{hears(posture.Spec{
			ID: "network-carries-no-http-in-clear", Title: "HTTP traffic cannot be read by a listener on the network",
			Kind: posture.Safe, Severity: posture.Critical,
			Settings: []string{tlsHTTP},
			Why:      "tls.http: the names of jobs, variables and tokens are in requests (verified against Nomad 1.11.3)",
		}, probe.PlaneHTTP, i.certificateCaller().sends(func(as probe.Caller) probe.Probe {
			return probe.TrafficSearch(searchOf(probe.PlaneHTTP), probe.ReadJobTraffic(as))
		}))}
	})
	return append(http, atServers(
		hears(posture.Spec{
			ID: "network-carries-no-rpc-in-clear", Title: "what servers replicate cannot be read by a listener on the network",
			Kind: posture.Intrusive, Severity: posture.Critical,
			Settings: []string{tlsRPC},
			Why:      "tls.rpc: servers forward and replicate over RPC, variables and tokens too (nomad/raft_rpc.go, RaftLayer.Dial; verified against Nomad 1.11.3)",
		}, probe.PlaneRPC, i.unlessSingleServer("replicates to nobody", i.privilegedCaller().sends(func(as probe.Caller) probe.Probe {
			return probe.TrafficSearch(searchOf(probe.PlaneRPC), probe.RegisterJobTraffic(as))
		}))),
		hears(posture.Spec{
			ID: "network-carries-no-gossip-in-clear", Title: "what servers gossip cannot be read by a listener on the network",
			Severity: posture.High, Lane: posture.Waiting,
			Settings: []string{serverEncrypt},
			Why:      "server.encrypt: gossip tells names, addresses and states of all servers, and a listener that can read it can write it (memberlist security.go; verified against Nomad 1.11.3)",
		}, probe.PlaneGossip, i.unlessSingleServer("gossips with nobody", always(probe.TrafficSearch(searchOf(probe.PlaneGossip), probe.GossipTraffic())))),
	)...)
}

// unlessSingleServer returns the probe; for a cluster of one server it is unavailable, as that server has no peer to
// talk to.
func (i Ingredients) unlessSingleServer(why string, s maybeProbe) maybeProbe {
	for _, peers := range i.Peers {
		if len(peers) == 1 && len(i.Peers) == 1 {
			return unavailable("there is one server, which "+why, s.probe)
		}
	}
	return s
}

// searchOf returns what to search for in the packets of a port.
func searchOf(p probe.Plane) probe.PacketSearch {
	if p == probe.PlaneGossip {
		return probe.MemberName()
	}
	return probe.MarkerOn(p)
}
