package catalogue

import (
	"cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// joins are the settings by which servers find each other and let each other in.
func joinSettings() []string {
	return []string{tlsCertificate, tlsAuthorities, serverEncrypt, serverExpect, "server.server_join.retry_join", tlsRPC}
}

// enrols are the settings by which a client finds servers and is let in by them.
func registrationSettings() []string {
	return []string{
		tlsCertificate, tlsAuthorities, "client.servers", "client.server_join.retry_join", tlsRPC, "client.node_pool",
		"server.client_introduction.enforcement",
	}
}

// formation is whether servers have become one cluster. What keeps them from it shows itself here alone: each of them runs,
// and answers.
func (i Ingredients) formation() []posture.Spec {
	const addsPeers = "nomad/leader.go:1531, addRaftPeer; verified against Nomad 1.11.3"
	one, h := i.unverifyingCaller(), i.unverifyingCaller().orMissing(cmp.Or(i.noServer(), i.singleServer("which agrees with itself"), i.noSecondServer()))
	of := i.unverifyingCaller().orMissing(i.noPeers())
	// Where one server lacks, most others still have each other: it alone is to blame.
	few := i.ofPeers("the lack of most servers among Raft's peers", lackMost)
	others := i.ofPeers("a peer of Raft's beside the region's servers", holdOthers)
	all := []posture.Spec{
		withProbes(posture.Spec{
			ID: "server-names-a-leader", Title: "a server knows of a leader", Severity: posture.Critical,
			Settings: joinSettings(),
			Why: "without a leader nothing is scheduled, written or renewed; servers that refuse each other's certificates elect none, nor do those " +
				"that gossip with different keys (nomad/serf.go:101, maybeBootstrap; verified against Nomad 1.11.3)",
		}, one.sends(findNoLeader), one.atControlServer(answeringBody("that knows of no leader", `""`), getLeader, findNoLeader)),
		withProbes(posture.Spec{
			ID: "servers-agree-on-one-leader", Title: "a server names the same leader as most servers of its region", Severity: posture.Critical,
			Settings: []string{serverExpect, serverEncrypt, "server.server_join.retry_join", tlsCertificate, tlsAuthorities},
			Why:      "servers of which each bootstraps a cluster of its own hold different jobs, tokens and keys, and each of them looks well (" + addsPeers + ")",
		}, h.sends(i.findOtherLeader), h.atControlServer(answeringBody("that names another leader", `"`+unusedAddress+`:4647"`), getLeader, i.findOtherLeader)),
		withProbes(posture.Spec{
			ID: "server-has-its-peers", Title: "a server's Raft has most servers of its region, and one that is missing is to blame itself", Severity: posture.High,
			Settings: joinSettings(),
			Why:      "a server that Raft has not counts for no majority: fewer failures are survived than were meant, and nothing tells so (" + addsPeers + ")",
		}, of.sends(few), of.atControlServer(answeringBody("whose Raft has no peer", `[]`), getPeers, few)),
		withProbes(posture.Spec{
			ID: "server-has-no-other-peers", Title: "a server's Raft has no peer beside the servers of its region", Severity: posture.High,
			Settings: []string{serverEncrypt},
			Why: "the leader adds to Raft whom gossip shows it, before anybody has looked at a certificate, and each such peer raises the majority " +
				"that is needed (nomad#9406; " + addsPeers + ")",
		}, of.sends(others), of.atControlServer(answeringBody("whose Raft has another peer", `["`+unusedAddress+`:4647"]`), getPeers, others)),
	}
	all = append(all, i.beginsAlone())
	for at := range all {
		all[at].Want = posture.Want{probe.Absent}
	}
	return ofCluster(pki.Server, all...)
}

// beginsAlone is whether a server would begin a cluster of its own, as after the loss of its data. While it has them, it is a
// server like all others.
func (i Ingredients) beginsAlone() posture.Spec {
	h := i.privilegedCaller().orMissing(cmp.Or(i.noPeers(), i.singleServer("which begins its cluster alone, as it must")))
	return withProbes(posture.Spec{
		ID: "server-begins-no-cluster-alone", Title: "a server of several waits for others before it begins a cluster", Severity: posture.High,
		Settings: []string{serverExpect},
		Why: "a server that starts with bootstrap_expect = 1 and without data elects itself, and others may follow it instead of the cluster " +
			"that they had (nomad/serf.go:101, maybeBootstrap; nomad/server.go:2028)",
	}, h.sends(i.findLoneBootstrap), h.atControlServer(answeringBody("that begins a cluster alone", `{"stats": {"nomad": {"bootstrap": "true"}}}`), getSelf, i.findLoneBootstrap))
}

// registration is whether clients belong to the cluster. A client says that it is well as long as it knows of any server,
// be it one that refuses it (command/agent/agent_endpoint.go:699; verified against Nomad 1.11.3).
func (i Ingredients) registration() []posture.Spec {
	h, reader := i.unverifyingCaller(), i.privilegedCaller().orMissing(i.noServer())
	all := []posture.Spec{
		withProbes(posture.Spec{
			ID: "client-reaches-its-servers", Title: "a client gets answers from its servers", Severity: posture.High,
			Settings: registrationSettings(),
			Why: "a client whose certificate its servers refuse, or that refuses theirs, or that they do not let register, runs on and calls itself " +
				"healthy (command/agent/agent_endpoint.go:699, client/rpc.go:57; verified against Nomad 1.11.3)",
		}, h.sends(findRegions), h.atControlServer(answeringBody("that knows of no region", `[]`), getHealth, findRegions)),
		withProbes(posture.Spec{
			ID: "client-is-registered-and-ready", Title: "a client is registered with its servers, and ready", Severity: posture.High,
			Settings: registrationSettings(),
			Why: "a client that its servers do not have, or whose heartbeats do not arrive, is given no work, and calls itself healthy " +
				"(nomad/node_endpoint.go, newRegistrationAllowed; verified against Nomad 1.11.3)",
		}, reader.sends(i.findReadyClient), reader.sends(i.findNoClient)),
	}
	for at := range all {
		all[at].Want = posture.Want{probe.Found}
	}
	return ofCluster(pki.Client, all...)
}

// ofCluster are the specs for agents of the role, on the plane of the cluster.
func ofCluster(role pki.Role, specs ...posture.Spec) []posture.Spec {
	for at := range specs {
		specs[at].Plane, specs[at].Kind, specs[at].Roles = probe.PlaneCluster, posture.Safe, []pki.Role{role}
	}
	return specs
}

// lacksServers says that no server is there to be asked, lacksPeers that nobody knows which there are to be.
func (i Ingredients) noServer() string {
	if len(i.Servers) == 0 {
		return "no server is known that could be asked"
	}
	return ""
}

// lacksOthers says that no region is meant to have more than one server, and what that one does; empty where one is, or where
// it is not known.
func (i Ingredients) singleServer(so string) string {
	for _, peers := range i.Peers {
		if len(peers) > 1 {
			return ""
		}
	}
	if len(i.Peers) == 0 {
		return ""
	}
	return "there is one server, " + so
}

// lacksWitnesses says that there is nobody to compare a server with: of a cluster that is known by one address there may be more.
func (i Ingredients) noSecondServer() string {
	regions := map[string]int{}
	for _, s := range i.Servers {
		if regions[s.Region]++; regions[s.Region] > 1 {
			return ""
		}
	}
	if len(i.Peers) > 0 {
		return ""
	}
	return "no second server of a region is known that names a leader: give more addresses"
}

func (i Ingredients) noPeers() string {
	if len(i.Peers) == 0 {
		return "it is not known which servers the cluster is meant to have"
	}
	return ""
}
