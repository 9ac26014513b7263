package posture_test

import (
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// weakenedCluster are what keeps agents from becoming one cluster. Where servers find no leader, nobody can bootstrap ACLs.
func weakenedCluster() []weakening {
	all := []weakening{
		{
			id: "server-client-certificate", line: "a client's certificate as `tls.cert_file` on servers",
			spec: []lab.Option{lab.CertificateRole(pki.Server, pki.Client)}, breaks: []string{"server-names-a-leader", "server-has-its-peers"},
		},
		{
			id: "server-expired", line: "a certificate whose time is over as `tls.cert_file` on servers",
			spec: []lab.Option{lab.FlawedCertificates(pki.Server, pki.Expired())}, breaks: []string{"server-names-a-leader", "server-has-its-peers"},
		},
		set(pki.Server, "each-alone", "server.bootstrap_expect", "1", "servers-agree-on-one-leader", "server-has-its-peers"),
	}
	for at := range all {
		all[at].spec = append(all[at].spec, lab.NotBootstrapped(), lab.Clients(0))
		all[at].until = lab.Started
	}
	lost := []string{"client-reaches-its-servers", "client-is-registered-and-ready"}
	clients := []weakening{
		{
			id: "client-cli-certificate", line: "a cli's certificate as `tls.cert_file` on clients",
			spec: []lab.Option{lab.CertificateRole(pki.Client, pki.CLI)}, breaks: lost,
		},
		{
			id: "client-expired", line: "a certificate whose time is over as `tls.cert_file` on clients",
			spec: []lab.Option{lab.FlawedCertificates(pki.Client, pki.Expired())}, breaks: lost,
		},
		set(pki.Client, "plain-rpc", "tls.rpc", "false", lost...),
		set(pki.Client, "other-pool", "client.node_pool", `"elsewhere"`, "client-is-registered-and-ready"),
	}
	for at := range clients {
		clients[at].until = lab.Elected
	}
	all = append(all, clients...)
	all = append(all, weakening{
		id: "one-alone", line: "`server.bootstrap_expect = 1` on one server of three", breaks: []string{"server-begins-no-cluster-alone"},
		spec: []lab.Option{lab.Clients(0), func(s *lab.Spec) {
			s.Settings = append(s.Settings, lab.Setting{Role: pki.Server, Node: "server-3", Path: "server.bootstrap_expect", Value: "1"})
		}},
	})
	for at := range all {
		all[at].plane = probe.PlaneCluster
	}
	return append(all, takenIn())
}

// takenIn is a server that nobody means to have, and that has the gossip key.
func takenIn() weakening {
	return weakening{
		id: "rogue-server", line: "a server of another authority that has `server.encrypt`",
		spec: []lab.Option{lab.Clients(0), lab.Outside(
			lab.Joiner{Name: "rogue", Role: pki.Server, Gossip: lab.LabKey, Flaw: pki.Foreign().Name()},
		)},
		after: startRogue,
		plane: probe.PlaneCluster, breaks: []string{"server-has-no-other-peers"},
	}
}
