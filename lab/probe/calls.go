package probe

import "time"

// The calls below have no effect wherever they are let in: they ask for nothing, or for something that does not exist. What
// an admitted caller is told then is in Behind: it comes after the check of the caller's rights, never before. All were
// verified against Nomad 1.11.3, on a leader and on a follower.

const (
	// noID is the ID of nothing.
	noID = "00000000-0000-0000-0000-000000000000"
	// readVersion is the version of Nomad whose source was read for the classes of this package.
	readVersion = "1.11.3"
	// noScheduler is a type of scheduler that does not exist, so that no evaluation waits for it.
	noScheduler = "no-such-scheduler"
)

// StatusLeader asks the server itself for the leader's address. It needs no rights beyond the TLS handshake
// (nomad/status_endpoint.go:38). Not stale, a follower would ask the leader, and wait for one where there is none.
func StatusLeader() Call { return stale(leaderMethod) }

// StatusPeers asks for the addresses of Raft's peers. It needs no rights beyond the TLS handshake
// (nomad/status_endpoint.go:61).
func StatusPeers() Call { return Call{Method: "Status.Peers"} }

// StatusRaftStats asks the server itself for its Raft statistics. It needs no rights beyond the TLS handshake
// (nomad/status_endpoint.go:127).
func StatusRaftStats() Call { return Call{Method: "Status.RaftStats"} }

// StatusMembers asks the server itself for the members of its gossip. It needs node:read where ACLs are on
// (nomad/status_endpoint.go:95).
func StatusMembers() Call { return Call{Method: "Status.Members"} }

// NodeList asks the server itself for all client nodes. It needs node:read where ACLs are on (nomad/node_endpoint.go:1749).
func NodeList() Call { return stale("Node.List") }

// RaftConfiguration asks the server itself for Raft's configuration. It needs a management token where ACLs are on
// (nomad/operator_endpoint.go:58).
func RaftConfiguration() Call { return stale("Operator.RaftGetConfiguration") }

// RegisterNothing registers a client node that it does not name, for clients' and servers' certificates of the region alone.
// The request is found wanting right behind the check of the role (nomad/node_endpoint.go:122), before anything looks at
// client_introduction (nomad/node_endpoint.go:193): nothing is registered, whatever the cluster's settings are.
//
// Its caller must have no ACL token: it would be taken for that of a node, and be refused for it.
//
// A follower forwards the request to the leader BEFORE it looks at the caller's certificate (nomad/node_endpoint.go:102), and
// the leader sees the follower's: so ask a leader what a caller's certificate is worth.
func RegisterNothing() Call {
	return Call{Method: "Node.Register", Behind: []string{"missing node for client registration"}}.WithoutEffectOn(readVersion)
}

// DequeueNothing asks for an evaluation to work on, for servers of the region alone (nomad/eval_endpoint.go:123). It names a
// type of scheduler that does not exist, and waits for a millisecond: no evaluation is taken. The version is that of Nomad's
// schedulers (scheduler/scheduler.go:18); a leader with another one refuses, behind the same check.
func DequeueNothing() Call {
	return Call{Method: "Eval.Dequeue", Behind: []string{"dequeue disallowed"}, Args: map[string]any{
		"Schedulers": []string{noScheduler}, "SchedulerVersion": 1, "Timeout": time.Millisecond,
	}}.WithoutEffectOn(readVersion)
}

// GetNoKey asks the server itself for a root key that does not exist, for servers of the region alone
// (nomad/keyring_endpoint.go:267). The answer has no key, so that none is ever on the wire.
func GetNoKey() Call {
	c := stale("Keyring.Get")
	c.Args["KeyID"] = noID
	return c
}

// MonitorNothing is for RPCStream: it asks the server itself for its log from a level on that does not exist, which it says
// behind the check for agent:read (nomad/client_agent_endpoint.go:164). No stream is begun.
func MonitorNothing() Call {
	return Call{Method: "Agent.Monitor", Args: map[string]any{"LogLevel": "no-such-level"}, Behind: []string{"Unknown log level"}}
}

// Bootstrap makes the cluster's first management token, and drops it: the cluster is lost to its owner. It is for throw-away
// clusters, and Denied where there was a first one already (nomad/acl_endpoint.go:478). It needs no rights beyond the TLS
// handshake.
func Bootstrap() Call { return Call{Method: "ACL.Bootstrap"} }

// stale is a call that the server itself answers, instead of its leader.
func stale(method string) Call {
	return Call{Method: method, Args: map[string]any{"AllowStale": true}}
}
