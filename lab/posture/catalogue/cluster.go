package catalogue

import (
	"cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// joins are the settings by which servers find each other and let each other in.
func joins() []string {
	return []string{tlsCertificate, tlsAuthorities, serverEncrypt, serverExpect, "server.server_join.retry_join", tlsRPC}
}

// enrols are the settings by which a client finds servers and is let in by them.
func enrols() []string {
	return []string{
		tlsCertificate, tlsAuthorities, "client.servers", "client.server_join.retry_join", tlsRPC, "client.node_pool",
		"server.client_introduction.enforcement",
	}
}

// bystander is the hand of whoever asks how the cluster is. A certificate that is wrong is told by the cluster that does not
// form: the bystander takes any, so as to be told.
func (i Ingredients) bystander() hand { return i.asker().limited(probe.Caller.Credulous) }

// formation is whether servers have become one cluster. What keeps them from it shows itself here alone: each of them runs,
// and answers.
func (i Ingredients) formation() []posture.Spec {
	const addsPeers = "nomad/leader.go:1531, addRaftPeer; verified against Nomad 1.11.3"
	one, h := i.bystander(), i.bystander().lacking(cmp.Or(i.lacksServers(), i.lacksOthers("which agrees with itself"), i.lacksSampleJobs()))
	of := i.bystander().lacking(i.lacksPeers())
	// Where one server lacks, most others still have each other: it alone is to blame.
	few := i.ofPeers("the lack of most servers among Raft's peers", lackMost)
	strange := i.ofPeers("a peer of Raft's beside the region's servers", holdOthers)
	all := []posture.Spec{
		tried(posture.Spec{
			ID: "server-names-a-leader", Title: "a server knows of a leader", Severity: posture.Critical,
			Settings: joins(),
			Why: "without a leader nothing is scheduled, written or renewed; servers that refuse each other's certificates elect none, nor do those " +
				"that gossip with different keys (nomad/serf.go:101, maybeBootstrap; verified against Nomad 1.11.3)",
		}, one.does(seeksLeader), one.at(telling("that knows of no leader", `""`), asksLeader, seeksLeader)),
		tried(posture.Spec{
			ID: "servers-agree-on-one-leader", Title: "a server names the same leader as most servers of its region", Severity: posture.Critical,
			Settings: []string{serverExpect, serverEncrypt, "server.server_join.retry_join", tlsCertificate, tlsAuthorities},
			Why:      "servers of which each bootstraps a cluster of its own hold different jobs, tokens and keys, and each of them looks well (" + addsPeers + ")",
		}, h.does(i.seeksOtherLeader), h.at(telling("that names another leader", `"`+nobodysAddress+`:4647"`), asksLeader, i.seeksOtherLeader)),
		tried(posture.Spec{
			ID: "server-has-its-peers", Title: "a server's Raft has most servers of its region, and one that is missing is to blame itself", Severity: posture.High,
			Settings: joins(),
			Why:      "a server that Raft has not counts for no majority: fewer failures are survived than were meant, and nothing tells so (" + addsPeers + ")",
		}, of.does(few), of.at(telling("whose Raft has no peer", `[]`), asksPeers, few)),
		tried(posture.Spec{
			ID: "server-has-no-other-peers", Title: "a server's Raft has no peer beside the servers of its region", Severity: posture.High,
			Settings: []string{serverEncrypt},
			Why: "the leader adds to Raft whom gossip shows it, before anybody has looked at a certificate, and each such peer raises the majority " +
				"that is needed (nomad#9406; " + addsPeers + ")",
		}, of.does(strange), of.at(telling("whose Raft has another peer", `["`+nobodysAddress+`:4647"]`), asksPeers, strange)),
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
	h := i.reader().lacking(cmp.Or(i.lacksPeers(), i.lacksOthers("which begins its cluster alone, as it must")))
	return tried(posture.Spec{
		ID: "server-begins-no-cluster-alone", Title: "a server of several waits for others before it begins a cluster", Severity: posture.High,
		Settings: []string{serverExpect},
		Why: "a server that starts with bootstrap_expect = 1 and without data elects itself, and others may follow it instead of the cluster " +
			"that they had (nomad/serf.go:101, maybeBootstrap; nomad/server.go:2028)",
	}, h.does(i.seeksLoner), h.at(telling("that begins a cluster alone", `{"stats": {"nomad": {"bootstrap": "true"}}}`), asksSelf, i.seeksLoner))
}

// registration is whether clients belong to the cluster. A client says that it is well as long as it knows of any server,
// be it one that refuses it (command/agent/agent_endpoint.go:699; verified against Nomad 1.11.3).
func (i Ingredients) registration() []posture.Spec {
	h, reader := i.bystander(), i.reader().lacking(i.lacksServers())
	all := []posture.Spec{
		tried(posture.Spec{
			ID: "client-reaches-its-servers", Title: "a client gets answers from its servers", Severity: posture.High,
			Settings: enrols(),
			Why: "a client whose certificate its servers refuse, or that refuses theirs, or that they do not let register, runs on and calls itself " +
				"healthy (command/agent/agent_endpoint.go:699, client/rpc.go:57; verified against Nomad 1.11.3)",
		}, h.does(seeksRegions), h.at(telling("that knows of no region", `[]`), opens, seeksRegions)),
		tried(posture.Spec{
			ID: "client-is-registered-and-ready", Title: "a client is registered with its servers, and ready", Severity: posture.High,
			Settings: enrols(),
			Why: "a client that its servers do not have, or whose heartbeats do not arrive, is given no work, and calls itself healthy " +
				"(nomad/node_endpoint.go, newRegistrationAllowed; verified against Nomad 1.11.3)",
		}, reader.does(i.seeksClient), reader.does(i.seeksNobody)),
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
func (i Ingredients) lacksServers() string {
	if len(i.Servers) == 0 {
		return "no server is known that could be asked"
	}
	return ""
}

// lacksOthers says that no region is meant to have more than one server, and what that one does; empty where one is, or where
// it is not known.
func (i Ingredients) lacksOthers(so string) string {
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
func (i Ingredients) lacksSampleJobs() string {
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

func (i Ingredients) lacksPeers() string {
	if len(i.Peers) == 0 {
		return "it is not known which servers the cluster is meant to have"
	}
	return ""
}
