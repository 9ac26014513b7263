package catalogue

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// callLeader asks a server for the leader, which needs no ACL token (nomad/status_endpoint.go; verified against Nomad
// 1.11.3).
func callLeader(as probe.Caller) probe.Probe { return probe.RPCCall(probe.StatusLeader(), as) }

// rpcPlaintext returns the checks that no protocol of the RPC port works without TLS.
func (i Ingredients) rpcPlaintext() []posture.Spec {
	var all []posture.Spec
	for _, framing := range probe.Framings() {
		endpoint, id := "RPC port", "rpc-refuses-plaintext-"+strings.ReplaceAll(strings.ToLower(framing.Name()), " ", "-")
		if framing == probe.FramingRaft {
			endpoint, id = "Raft", "raft-refuses-plaintext"
		}
		all = append(all, withProbes(posture.Spec{
			ID: id, Title: fmt.Sprintf("%s serves nothing without TLS, asked with the first byte %s", endpoint, framing),
			Severity: posture.Critical,
			Settings: []string{tlsUpgrade, tlsRPC},
			Why:      "tls.rpc without tls.rpc_upgrade_mode: a connection in the clear bears no certificate, so its caller is not known (nomad/rpc.go:304; nomad#11186)",
			Want:     posture.Want{probe.RefusedInHandshake},
			LogText:  "non-TLS connection attempted with RequireTLS set",
		}, always(probe.PlainRPC(framing)), i.callerOf(caller.Server).sends(func(as probe.Caller) probe.Probe { return probe.RPCOver(framing, as) })))
	}
	return atServers(all...)
}

// rpcCallers returns the checks of which callers pass the TLS handshake of the RPC port.
func (i Ingredients) rpcCallers() []posture.Spec {
	all := []posture.Spec{
		i.refusedRole("rpc-refuses-cli-certificate", "RPC port refuses a cli's certificate", caller.CLI, caller.Client),
		i.refusedRole("rpc-refuses-client-of-another-region", "RPC port refuses a client of another region", caller.OtherClient, caller.Client),
		i.refusedRole("rpc-refuses-certificate-without-role", "RPC port refuses a certificate of the cluster's authority that is for no agent", caller.Web, caller.Client),
		i.refusedRole("rpc-refuses-wildcard-certificate", "RPC port refuses a certificate for every name of the region", caller.Wildcard, caller.Server),
		withProbes(posture.Spec{
			ID: "rpc-refuses-foreign-certificate", Title: "RPC port refuses a certificate of another authority, even with the right names",
			Kind: posture.Safe, Severity: posture.Critical,
			Settings: []string{tlsAuthorities, tlsRPC},
			Why:      "tls.ca_file: the holder of a server's certificate from any authority in it gets root keys and every ACL token (nomad/keyring_endpoint.go)",
			Want:     posture.Want{probe.RefusedInHandshake},
			LogText:  "certificate signed by unknown authority",
		}, i.callerOf(caller.Foreign).sends(callLeader), i.callerOf(caller.Server).sends(callLeader)),
		i.trustsOnlyItsOwn(posture.Spec{
			ID: "rpc-trusts-no-other-authority", Title: "RPC port asks for certificates of the cluster's own authorities and of no other",
			Kind: posture.Safe, Severity: posture.Critical,
			Settings: []string{tlsAuthorities, tlsRPC},
			Why:      "tls.ca_file: each authority in it can make itself a server's certificate; the server names all that it trusts to each caller (RFC 8446, 4.2.4)",
		}, "rpc-refuses-foreign-certificate", i.callerOf(caller.Server), callLeader),
	}
	return atServers(append(all, i.oldTLS("rpc", "RPC port", "", i.callerOf(caller.Server), callLeader)...)...)
}

// refusedRole returns the check of a certificate of the cluster's authority whose names the RPC port refuses. Its
// control is a certificate that it accepts.
func (i Ingredients) refusedRole(id, title string, refused, taken caller.Kind) posture.Spec {
	return withProbes(posture.Spec{
		ID: id, Title: title, Kind: posture.Safe, Severity: posture.Critical,
		Settings: []string{tlsVerifyNames, tlsRPC},
		Why:      "tls.verify_server_hostname: CVE-2020-7956, role and region of the caller are in the certificate's names (nomad/server.go:647)",
		Want:     posture.Want{probe.RefusedInHandshake},
		LogText:  "invalid role or region for certificate",
	}, i.callerOf(refused).sends(callLeader), i.callerOf(taken).sends(callLeader))
}

// rpcRoles returns the checks of what a certificate that passes the handshake may call. Nomad decides by the
// certificate alone, without an ACL token (nomad/auth/auth.go:277). Node.Register is not among them: a follower
// forwards it before it verifies the caller's certificate (nomad/node_endpoint.go:102), so only a leader can be
// asked.
func (i Ingredients) rpcRoles() []posture.Spec {
	type right struct {
		id, title string
		call      probe.Call
		kind      caller.Kind
		why       string
	}
	var all []posture.Spec
	for _, r := range []right{
		{"rpc-gives-root-keys-to-no-client", "RPC port gives the cluster's root keys to no client", probe.GetNoKey(), caller.Client,
			"the holder of the root keys signs workload identities and reads every variable (nomad/keyring_endpoint.go, Get)"},
		{"rpc-gives-root-keys-to-no-other-region", "RPC port gives the cluster's root keys to no server of another region", probe.GetNoKey(), caller.OtherServer,
			"root keys are a region's own; regions that federate share their authority (nomad/keyring_endpoint.go, Get)"},
		{"rpc-gives-evaluations-to-no-client", "RPC port gives evaluations to no client", probe.DequeueNothing(), caller.Client,
			"a caller that dequeues evaluations decides what runs where, or whether anything runs (nomad/eval_endpoint.go, Dequeue)"},
	} {
		call := func(as probe.Caller) probe.Probe { return probe.RPCCall(r.call, as) }
		all = append(all, withProbes(posture.Spec{
			ID: r.id, Title: r.title, Severity: posture.Critical,
			Settings: []string{tlsVerifyNames, tlsRPC},
			Why:      "tls.verify_server_hostname, GH-11956: " + r.why,
			Want:     posture.Want{probe.Denied},
			Answer:   permissionDenied,
		}, i.callerOf(r.kind).sends(call), i.callerOf(caller.Server).sends(call)))
	}
	return atServers(all...)
}

// raftCallers returns the checks of which callers may speak Raft. Raft refuses without an answer or a log line
// (nomad/rpc.go:324).
func (i Ingredients) raftCallers() []posture.Spec {
	raft := func(id, title string, k caller.Kind, want probe.Outcome, why string, settings ...string) posture.Spec {
		return withProbes(posture.Spec{
			ID: id, Title: title, Severity: posture.Critical, Why: why, Settings: settings,
			Want: posture.Want{want},
		}, i.callerOf(k).sends(probe.Raft), i.callerOf(caller.Server).sends(probe.Raft))
	}
	const shut = probe.RefusedAfterHandshake
	all := []posture.Spec{
		raft("raft-refuses-client-certificate", "Raft refuses a client of its own region", caller.Client, shut,
			"CVE-2021-37218: a caller that speaks Raft can overwrite the cluster's state; neither tls.verify_server_hostname = false nor tls.rpc_upgrade_mode looks at names (nomad/rpc.go:919)",
			tlsVerifyNames, tlsUpgrade, tlsRPC),
		raft("raft-refuses-server-of-another-region", "Raft refuses a server of another region", caller.OtherServer, shut,
			"CVE-2021-37218: each region has a Raft of its own; neither tls.verify_server_hostname = false nor tls.rpc_upgrade_mode looks at names (nomad/rpc.go:919)",
			tlsVerifyNames, tlsUpgrade, tlsRPC),
		raft("raft-refuses-cli-certificate", "Raft refuses a cli's certificate", caller.CLI, probe.RefusedInHandshake,
			"tls.verify_server_hostname: CVE-2020-7956, CVE-2021-37218 (nomad/server.go:647)", tlsVerifyNames, tlsRPC),
		raft("raft-refuses-foreign-certificate", "Raft refuses a certificate of another authority, even with the right names", caller.Foreign, probe.RefusedInHandshake,
			"tls.ca_file: the holder of a server's certificate from any authority in it can overwrite the cluster's state", tlsAuthorities, tlsRPC),
	}
	return atServers(append(all, i.oldTLS("raft", "Raft", "", i.callerOf(caller.Server), probe.Raft)...)...)
}
