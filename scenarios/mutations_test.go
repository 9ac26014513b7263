package scenarios_test

import (
	"slices"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// mutation is a lab with one thing wrong, and all that a scenario must notice of it: no more, and no less.
type mutation struct {
	scenario string
	change   string
	spec     spec.Option
	// needs are features that the engine must have, beside those that the scenario needs.
	needs []engine.Feature
	// fail are the checks that must fail: by ID at every node, or by "ID at NODE" at one. inconclusive are those that must be
	// inconclusive, because their control has lost its meaning. All others must pass.
	fail, inconclusive []string
	// fails are the steps that must fail, by number, with what their error must say. All others must succeed.
	fails map[int]string
	// sample rows run on every engine: see TestScenariosCanFail.
	sample bool
	// within bounds the steps that must fail, because they may wait for what will not come. Zero: the scenario's own bound.
	within time.Duration
}

const (
	plain  = "plain-http-is-rejected"
	roles  = "wrong-role-certificates-are-rejected"
	gossip = "gossip-is-encrypted"
	work   = "work-runs-over-mtls"

	apart = "agents-rights-end-at-their-region"

	overheard       = "a-listener-hears-nothing"
	bitFlips        = "a-flipped-bit-is-noticed"
	bitFlipsBetween = "a-flipped-bit-between-servers-is-noticed"
)

// short is enough for what happens within a second on an unchanged lab, on a machine that is not busy: see within.
const short = 4 * time.Second

// extraNode changes one of the scenario's extra nodes.
func extraNode(i int, change func(*spec.ExtraNode)) spec.Option {
	return func(s *spec.Spec) { change(&s.ExtraNodes[i]) }
}

// key gives an extra node another gossip key.
func key(i int, k spec.GossipKey) spec.Option {
	return extraNode(i, func(j *spec.ExtraNode) { j.Gossip = k })
}

func mutations() []mutation {
	return slices.Concat(tlsMutations(), gossipMutations(), networkMutations(), sourceMutations(), vaultMutations())
}

func networkMutations() []mutation {
	return []mutation{
		{
			scenario: overheard, change: "tls.http is off", spec: spec.Set("", "tls.http", "false"),
			fail: []string{"server-network-carries-no-http-in-clear", "listener-reads-no-written-variable"},
		},
		{
			scenario: overheard, sample: true, change: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			fail: []string{"network-carries-no-rpc-in-clear"},
		},
		{
			scenario: overheard, change: "encrypt is left out", spec: spec.Set(pki.Server, "server.encrypt", ""),
			fail: []string{"network-carries-no-gossip-in-clear"},
		},
		{
			scenario: bitFlips, sample: true, change: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			inconclusive: []string{"rpc-notices-a-flipped-bit", "raft-notices-a-flipped-bit"},
		},
		{
			scenario: bitFlipsBetween, change: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			fails: map[int]string{
				2: "0 of these ended", 4: `is "unalteree: proxied-`,
			},
			within: short,
		},
	}
}

func tlsMutations() []mutation {
	return []mutation{
		{
			scenario: plain, sample: true, change: "tls.http is off", spec: spec.Set("", "tls.http", "false"),
			fail: []string{"server-https-refuses-plaintext", "client-https-refuses-plaintext"},
		},
		{
			scenario: plain, change: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			fail: []string{
				"rpc-refuses-plaintext-nomad-rpc", "raft-refuses-plaintext", "rpc-refuses-plaintext-multiplex",
				"rpc-refuses-plaintext-streaming", "rpc-refuses-plaintext-multiplex-v2",
			},
		},
		{
			scenario: roles, sample: true, change: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			fail: []string{
				"rpc-refuses-cli-certificate", "rpc-refuses-client-of-another-region",
				"raft-refuses-client-certificate", "raft-refuses-cli-certificate", "raft-refuses-server-of-another-region",
				"Status.Leader with cli", "Status.Leader with client-of-another-region",
				"Raft with client", "Raft with cli", "Raft with server-of-another-region", "Raft with client-of-another-region",
				"raft-refuses-cli", "raft-refuses-client-of-another-region",
			},
			fails: map[int]string{6: "cli-certificate is registered"},
		},
		{
			scenario: apart, sample: true, change: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			fail: []string{
				"servers-get-no-root-keys-of-another-region", "servers-get-no-evaluations-of-another-region", "clients-register-in-no-other-region",
			},
		},
		{
			scenario: apart, change: "verify_server_hostname is off in the other region, which is the one that refuses",
			spec: func(s *spec.Spec) {
				s.Overrides = append(s.Overrides, spec.Override{Node: "eu-server-1", Path: "tls.verify_server_hostname", Value: "false"})
			},
			fail: []string{
				"servers-get-no-root-keys-of-another-region at global-server-1", "servers-get-no-evaluations-of-another-region at global-server-1",
				"clients-register-in-no-other-region at global-server-1",
			},
		},
		{
			scenario: apart, change: "the other region's server has a certificate of this one: no server forwards to it, and what it forwards is let in",
			spec: func(s *spec.Spec) {
				s.Certificates.Roles = append(s.Certificates.Roles, spec.OtherRole{Role: pki.Server, Node: "eu-server-1", As: pki.Server, Region: pki.DefaultRegion})
			},
			fails: map[int]string{1: "certificate is valid for server.global.nomad"},
			inconclusive: []string{
				"rpc-passes-on-ordinary-calls at global-server-1", "servers-get-no-root-keys-of-another-region at global-server-1",
				"servers-get-no-evaluations-of-another-region at global-server-1", "clients-register-in-no-other-region at global-server-1",
			},
			fail: []string{
				"servers-get-no-root-keys-of-another-region at eu-server-1", "servers-get-no-evaluations-of-another-region at eu-server-1",
				"clients-register-in-no-other-region at eu-server-1",
			},
		},
		{
			scenario: apart, change: "the other region has no gossip key, and so is not found",
			spec: func(s *spec.Spec) {
				s.Overrides = append(s.Overrides, spec.Override{Node: "eu-server-1", Path: "server.encrypt"})
			},
			fails: map[int]string{1: "for global-server-1 to know eu and global"},
			inconclusive: []string{
				"rpc-passes-on-ordinary-calls",
				"servers-get-no-root-keys-of-another-region", "servers-get-no-evaluations-of-another-region", "clients-register-in-no-other-region",
			},
			within: short,
		},
		{
			scenario: roles, change: "verify_https_client is off", spec: spec.Set("", "tls.verify_https_client", "false"),
			fail: []string{
				"server-https-refuses-foreign-certificate", "client-https-refuses-foreign-certificate",
				"server-https-refuses-no-certificate", "client-https-refuses-no-certificate",
				"HTTPS with foreign", "HTTPS with expired", "HTTPS with none", "http-refuses-expired",
			},
			inconclusive: []string{
				"http-accepts-server", "http-accepts-client", "http-accepts-cli",
				"http-accepts-server-of-another-region", "http-accepts-client-of-another-region",
			},
		},
		{
			scenario: roles, change: "the agent with the cli certificate has a client certificate",
			spec:  extraNode(0, func(j *spec.ExtraNode) { j.CertificateRole = pki.Client }),
			fails: map[int]string{6: "cli-certificate is registered"},
		},
		{
			scenario: roles, change: "the agent with the client certificate has a cli certificate",
			spec:  extraNode(1, func(j *spec.ExtraNode) { j.CertificateRole = pki.CLI }),
			fails: map[int]string{6: "for client-certificate to be ready"}, within: short,
		},
		{
			scenario: work, sample: true, change: "verify_https_client is off", spec: spec.Set("", "tls.verify_https_client", "false"),
			needs: []engine.Feature{engine.Containment}, // a lab that lacks a protection runs tasks in containers only
			fail:  []string{"http-hides-logs-of-client-1-from-strangers", "http-hides-logs-of-client-2-from-strangers"},
		},
		{
			scenario: work, change: "one client, where two are wanted", spec: spec.Clients(1),
			fails:  map[int]string{1: "for both allocations to be running", 2: "the job does not run", 3: "the job does not run", 4: "the job does not run"},
			within: short,
		},
	}
}

func gossipMutations() []mutation {
	return []mutation{
		{
			scenario: gossip, sample: true, change: "encrypt is left out", spec: spec.Set(pki.Server, "server.encrypt", ""),
			fails: map[int]string{
				1: `serf.encrypted is "false"`, 2: "counts no-key among its members",
				3: "for other-key and a server to say why it is refused", 5: "counts no-key among its members",
			},
			within: short,
		},
		{
			scenario: gossip, change: "the server without a key has the lab's", spec: key(0, spec.LabKey),
			fails: map[int]string{
				2: "counts no-key among its members", 4: `no-key says that serf.encrypted is "true"`, 5: "counts no-key among its members",
			},
		},
		{
			scenario: gossip, change: "the server with another key has the lab's", spec: key(1, spec.LabKey),
			fails: map[int]string{3: "counts other-key among its members", 5: "counts other-key among its members"},
		},
		{
			scenario: gossip, change: "the server with the right key has none", spec: key(2, spec.NoKey),
			fails: map[int]string{5: "for right-key to be a member at server-1"}, within: short,
		},
	}
}

// control returns the name in the certificate with which a refused one must be compared, so that only one thing differs; "" for
// any other check.
func control(id string) string {
	return map[string]string{
		"rpc-refuses-cli-certificate":           "client.global.nomad", // only the role differs
		"rpc-refuses-client-of-another-region":  "client.global.nomad", // only the region differs
		"rpc-refuses-foreign-certificate":       "server.global.nomad", // only the authority differs
		"raft-refuses-client-certificate":       "server.global.nomad", // only the role differs
		"raft-refuses-server-of-another-region": "server.global.nomad", // only the region differs
		"Status.Leader with expired":            "server.global.nomad", // only the time differs
		"Raft with client-of-another-region":    "server.global.nomad",
	}[id]
}
