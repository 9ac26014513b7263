package catalogue

import (
	"cmp"
	"maps"
	"slices"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// joinSettings are the settings by which servers find each other and accept each other.
func joinSettings() []string {
	return []string{tlsCertificate, tlsAuthorities, serverEncrypt, serverExpect, "server.server_join.retry_join", tlsRPC}
}

// registrationSettings are the settings by which a client finds servers and is accepted by them.
func registrationSettings() []string {
	return []string{
		tlsCertificate, tlsAuthorities, "client.servers", "client.server_join.retry_join", tlsRPC, "client.node_pool",
		"server.client_introduction.enforcement",
	}
}

// formation returns the checks that servers have become one cluster. A server that could not join runs and answers as
// usual: only these checks show it.
func (i Ingredients) formation() []posture.Spec {
	const addsPeers = "nomad/leader.go:1531, addRaftPeer; verified against Nomad 1.11.3"
	asker, voter := i.unverifyingCaller(), i.unverifyingCaller().orMissing(cmp.Or(i.noServer(), i.singleServer("which agrees with itself"), i.noSecondServer()))
	peers := i.unverifyingCaller().orMissing(i.noPeers())
	// Where one server is missing, most others still have each other: only the missing one fails.
	few := i.ofPeers("the lack of most servers among Raft's peers", lackMost)
	others := i.ofPeers("a peer of Raft's beside the region's servers", holdOthers)
	all := []posture.Spec{
		withProbes(posture.Spec{
			ID: "server-names-a-leader", Title: "a server knows of a leader", Severity: posture.Critical,
			Settings: joinSettings(),
			Why: "without a leader nothing is scheduled, written or renewed; servers that refuse each other's certificates elect none, nor do those " +
				"that gossip with different keys (nomad/serf.go:101, maybeBootstrap; verified against Nomad 1.11.3)",
		}, asker.sends(findNoLeader), asker.atControlServer(answeringBody("that knows of no leader", `""`), getLeader, findNoLeader)),
		withProbes(posture.Spec{
			ID: "servers-agree-on-one-leader", Title: "a server names the same leader as most servers of its region", Severity: posture.Critical,
			Settings: []string{serverExpect, serverEncrypt, "server.server_join.retry_join", tlsCertificate, tlsAuthorities},
			Why:      "servers of which each bootstraps a cluster of its own hold different jobs, tokens and keys, and each of them reports that it is healthy (" + addsPeers + ")",
		}, voter.sends(i.findOtherLeader), voter.atControlServer(answeringBody("that names another leader", `"`+unusedAddress+`:4647"`), getLeader, i.findOtherLeader)),
		withProbes(posture.Spec{
			ID: "server-has-its-peers", Title: "a server's Raft has most servers of its region", Severity: posture.High,
			Settings: joinSettings(),
			Why:      "a server that Raft has not counts for no majority: fewer failures are survived than were meant, and nothing reports it (" + addsPeers + ")",
		}, peers.sends(few), peers.atControlServer(answeringBody("whose Raft has no peer", `[]`), getPeers, few)),
		withProbes(posture.Spec{
			ID: "server-has-no-other-peers", Title: "a server's Raft has no peer beside the servers of its region", Severity: posture.High,
			Settings: []string{serverEncrypt},
			Why: "the leader adds every gossip member to Raft before any certificate is verified, and each such peer raises the majority " +
				"that is needed (nomad#9406; " + addsPeers + ")",
		}, peers.sends(others), peers.atControlServer(answeringBody("whose Raft has another peer", `["`+unusedAddress+`:4647"]`), getPeers, others)),
	}
	return ofCluster(pki.Server, probe.Absent, append(all, i.beginsAlone())...)
}

// beginsAlone returns the check that a server would not bootstrap a cluster of its own, for example after the loss of
// its data. While it has its data, such a server behaves like all others.
func (i Ingredients) beginsAlone() posture.Spec {
	h := i.privilegedCaller().orMissing(cmp.Or(i.noPeers(), i.singleServer("which begins its cluster alone, as it must")))
	return withProbes(posture.Spec{
		ID: "server-begins-no-cluster-alone", Title: "a server that is one of several waits for the others before it bootstraps a cluster", Severity: posture.High,
		Settings: []string{serverExpect},
		Why: "a server that starts with bootstrap_expect = 1 and without data elects itself, and others may follow it instead of the cluster " +
			"that they had (nomad/serf.go:101, maybeBootstrap; nomad/server.go:2028)",
	}, h.sends(i.findLoneBootstrap), h.atControlServer(answeringBody("that begins a cluster alone", `{"stats": {"nomad": {"bootstrap": "true"}}}`), getSelf, i.findLoneBootstrap))
}

// registration returns the checks that clients belong to the cluster. A client reports that it is healthy as long as
// it knows any server, even one that refuses it (command/agent/agent_endpoint.go:699; verified against Nomad 1.11.3).
func (i Ingredients) registration() []posture.Spec {
	h, reader := i.unverifyingCaller(), i.privilegedCaller().orMissing(i.noServer())
	return ofCluster(pki.Client, probe.Found,
		withProbes(posture.Spec{
			ID: "client-reaches-its-servers", Title: "a client gets answers from its servers", Severity: posture.High,
			Settings: registrationSettings(),
			Why: "a client whose certificate its servers refuse, or that refuses theirs, or that they do not let register, runs on and reports " +
				"that it is healthy (command/agent/agent_endpoint.go:699, client/rpc.go:57; verified against Nomad 1.11.3)",
		}, h.sends(findRegions), h.atControlServer(answeringBody("that knows of no region", `[]`), getHealth, findRegions)),
		withProbes(posture.Spec{
			ID: "client-is-registered-and-ready", Title: "a client is registered with its servers, and ready", Severity: posture.High,
			Settings: registrationSettings(),
			Why: "a client that its servers do not have, or whose heartbeats do not arrive, gets no work, and reports that it is healthy " +
				"(nomad/node_endpoint.go, newRegistrationAllowed; verified against Nomad 1.11.3)",
		}, reader.sends(i.findReadyClient), reader.sends(i.findNoClient)),
	)
}

// ofCluster sets what the specs of the cluster plane have in common.
func ofCluster(role pki.Role, want probe.Outcome, specs ...posture.Spec) []posture.Spec {
	for at := range specs {
		s := &specs[at]
		s.Plane, s.Kind, s.Roles, s.Want = probe.PlaneCluster, posture.Safe, []pki.Role{role}, posture.Want{want}
	}
	return specs
}

// noServer returns why no server can be asked, or "".
func (i Ingredients) noServer() string {
	return reasonIf(len(i.Servers) == 0, "no server is known that could be asked")
}

// noPeers returns why the wanted peers are unknown, or "".
func (i Ingredients) noPeers() string {
	return reasonIf(len(i.Peers) == 0, "it is not known which servers the cluster is meant to have")
}

// singleServer returns a reason that ends with so where each region is meant to have one server; otherwise, and where the
// peers are unknown, "".
func (i Ingredients) singleServer(so string) string {
	several := slices.ContainsFunc(slices.Collect(maps.Values(i.Peers)), func(peers []string) bool { return len(peers) > 1 })
	return reasonIf(len(i.Peers) > 0 && !several, "there is one server, "+so)
}

// noSecondServer returns why a server cannot be compared with another, or "". A cluster that is known by one address may have
// more servers.
func (i Ingredients) noSecondServer() string {
	regions := map[string]int{}
	for _, s := range i.Servers {
		regions[s.Region]++
	}
	several := slices.ContainsFunc(slices.Collect(maps.Values(regions)), func(n int) bool { return n > 1 })
	return reasonIf(!several && len(i.Peers) == 0, "no second server of a region is known that names a leader: give more addresses")
}

// reasonIf returns the reason if the condition holds, and "" otherwise.
func reasonIf(condition bool, reason string) string {
	if condition {
		return reason
	}
	return ""
}
