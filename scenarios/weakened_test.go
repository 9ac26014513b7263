package scenarios_test

import (
	"slices"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// weakened is a lab with one thing wrong, and all that a scenario must notice of it: no more, and no less.
type weakened struct {
	scenario string
	weaken   string
	spec     spec.Option
	// needs are what the engine must be able to do, beside what the scenario itself needs.
	needs []engine.Feature
	// broken are the IDs of the checks that must be broken, at every node at which they are made, or at one: "ID at NODE"; void are
	// those that cannot be carried out, as their control has lost its meaning. All others must hold.
	broken, void []string
	// fails are the steps that must fail, by number, with what their error must say. All others must be done.
	fails map[int]string
	// sample rows are carried out on every engine: see TestScenariosCanFail.
	sample bool
	// within bounds the steps that must fail, as they may wait for what will not come. Zero: as the scenario has it.
	within time.Duration
}

const (
	plain  = "plain-http-is-rejected"
	roles  = "wrong-role-certificates-are-rejected"
	gossip = "gossip-is-encrypted"
	work   = "work-runs-over-mtls"

	apart = "agents-rights-end-at-their-region"

	heard    = "a-listener-hears-nothing"
	tampered = "a-flipped-bit-is-noticed"
	between  = "a-flipped-bit-between-servers-is-noticed"
)

// short is enough for what happens within a second on a sound lab, where the machine is not busy: see within.
const short = 4 * time.Second

// extra node changes one of the scenario's own agents.
func extraNode(i int, change func(*spec.ExtraNode)) spec.Option {
	return func(s *spec.Spec) { change(&s.ExtraNodes[i]) }
}

// key gives an extra node another gossip key.
func key(i int, k spec.GossipKey) spec.Option {
	return extraNode(i, func(j *spec.ExtraNode) { j.Gossip = k })
}

func weakenedLabs() []weakened {
	return slices.Concat(weakenedTLS(), weakenedGossip(), weakenedWire())
}

func weakenedWire() []weakened {
	return []weakened{
		{
			scenario: heard, weaken: "tls.http is off", spec: spec.Set("", "tls.http", "false"),
			broken: []string{"listener-hears-no-http"},
		},
		{
			scenario: heard, sample: true, weaken: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			broken: []string{"listener-hears-no-rpc"},
		},
		{
			scenario: heard, weaken: "encrypt is left out", spec: spec.Set(pki.Server, "server.encrypt", ""),
			broken: []string{"listener-hears-no-gossip"},
		},
		{
			scenario: tampered, sample: true, weaken: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			void: []string{"rpc-notices-a-flipped-bit", "raft-notices-a-flipped-bit"},
		},
		{
			scenario: between, weaken: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			fails: map[int]string{
				2: "0 of these ended", 4: `is "untamperee: tampered-`,
			},
			within: short,
		},
	}
}

func weakenedTLS() []weakened {
	return []weakened{
		{
			scenario: plain, sample: true, weaken: "tls.http is off", spec: spec.Set("", "tls.http", "false"),
			broken: []string{"http-refuses-plaintext"},
		},
		{
			scenario: plain, weaken: "tls.rpc is off", spec: spec.Set("", "tls.rpc", "false"),
			broken: []string{
				"rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-plaintext-raft", "rpc-refuses-plaintext-multiplex",
				"rpc-refuses-plaintext-streaming", "rpc-refuses-plaintext-multiplex-v2",
			},
		},
		{
			scenario: roles, sample: true, weaken: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			broken: []string{
				"rpc-refuses-cli", "rpc-refuses-client-of-another-region",
				"raft-refuses-client", "raft-refuses-cli", "raft-refuses-server-of-another-region", "raft-refuses-client-of-another-region",
			},
			fails: map[int]string{4: "twin-cli is registered"},
		},
		{
			scenario: apart, sample: true, weaken: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			broken: []string{
				"servers-get-no-root-keys-of-another-region", "servers-get-no-evaluations-of-another-region", "clients-register-in-no-other-region",
			},
		},
		{
			scenario: apart, weaken: "verify_server_hostname is off in the other region, which is the one that refuses",
			spec: func(s *spec.Spec) {
				s.Overrides = append(s.Overrides, spec.Override{Node: "eu-server-1", Path: "tls.verify_server_hostname", Value: "false"})
			},
			broken: []string{
				"servers-get-no-root-keys-of-another-region at global-server-1", "servers-get-no-evaluations-of-another-region at global-server-1",
				"clients-register-in-no-other-region at global-server-1",
			},
		},
		{
			scenario: apart, weaken: "the other region's server has a certificate of this one: nobody passes on to it, and what it passes on is let in",
			spec: func(s *spec.Spec) {
				s.Certificates.Roles = append(s.Certificates.Roles, spec.OtherRole{Role: pki.Server, Node: "eu-server-1", As: pki.Server, Region: pki.DefaultRegion})
			},
			fails: map[int]string{1: "certificate is valid for server.global.nomad"},
			void: []string{
				"rpc-passes-on-ordinary-calls at global-server-1", "servers-get-no-root-keys-of-another-region at global-server-1",
				"servers-get-no-evaluations-of-another-region at global-server-1", "clients-register-in-no-other-region at global-server-1",
			},
			broken: []string{
				"servers-get-no-root-keys-of-another-region at eu-server-1", "servers-get-no-evaluations-of-another-region at eu-server-1",
				"clients-register-in-no-other-region at eu-server-1",
			},
		},
		{
			scenario: apart, weaken: "the other region has no gossip key, and so is not met",
			spec: func(s *spec.Spec) {
				s.Overrides = append(s.Overrides, spec.Override{Node: "eu-server-1", Path: "server.encrypt"})
			},
			fails: map[int]string{1: "for global-server-1 to know eu and global"},
			void: []string{
				"rpc-passes-on-ordinary-calls",
				"servers-get-no-root-keys-of-another-region", "servers-get-no-evaluations-of-another-region", "clients-register-in-no-other-region",
			},
			within: short,
		},
		{
			scenario: roles, weaken: "verify_https_client is off", spec: spec.Set("", "tls.verify_https_client", "false"),
			broken: []string{"http-refuses-foreign-authority", "http-refuses-expired", "http-refuses-none"},
			void: []string{
				"http-lets-in-server", "http-lets-in-client", "http-lets-in-cli",
				"http-lets-in-server-of-another-region", "http-lets-in-client-of-another-region",
			},
		},
		{
			scenario: roles, weaken: "the wrong twin has the right certificate",
			spec:  extraNode(0, func(j *spec.ExtraNode) { j.CertificateRole = pki.Client }),
			fails: map[int]string{4: "twin-cli is registered"},
		},
		{
			scenario: roles, weaken: "the right twin has the wrong certificate",
			spec:  extraNode(1, func(j *spec.ExtraNode) { j.CertificateRole = pki.CLI }),
			fails: map[int]string{4: "for twin-client to be ready"}, within: short,
		},
		{
			scenario: work, sample: true, weaken: "verify_https_client is off", spec: spec.Set("", "tls.verify_https_client", "false"),
			needs:  []engine.Feature{engine.Containment}, // a weakened lab runs tasks in containers alone
			broken: []string{"http-hides-logs-of-client-1-from-strangers", "http-hides-logs-of-client-2-from-strangers"},
		},
		{
			scenario: work, weaken: "one client, where two are wanted", spec: spec.Clients(1),
			fails:  map[int]string{1: "for both allocations to be running", 2: "the job does not run", 3: "the job does not run", 4: "the job does not run"},
			within: short,
		},
	}
}

func weakenedGossip() []weakened {
	return []weakened{
		{
			scenario: gossip, sample: true, weaken: "encrypt is left out", spec: spec.Set(pki.Server, "server.encrypt", ""),
			fails: map[int]string{
				1: `serf.encrypted is "false"`, 2: "counts no-key among its members",
				3: "for other-key and a server to say why it is refused", 5: "counts no-key among its members",
			},
			within: short,
		},
		{
			scenario: gossip, weaken: "the server without a key has the lab's", spec: key(0, spec.LabKey),
			fails: map[int]string{
				2: "counts no-key among its members", 4: `no-key says that serf.encrypted is "true"`, 5: "counts no-key among its members",
			},
		},
		{
			scenario: gossip, weaken: "the server with another key has the lab's", spec: key(1, spec.LabKey),
			fails: map[int]string{3: "counts other-key among its members", 5: "counts other-key among its members"},
		},
		{
			scenario: gossip, weaken: "the server with the right key has none", spec: key(2, spec.NoKey),
			fails: map[int]string{5: "for right-key to be a member at server-1"}, within: short,
		},
	}
}

// control is whose certificate a refused one is compared with, where a wrong choice would show only in that more than one
// thing differs; "" for any other check.
func control(id string) string {
	return map[string]string{
		"rpc-refuses-cli":                       "server.global.nomad",
		"rpc-refuses-client-of-another-region":  "client.global.nomad", // only the region differs
		"rpc-refuses-expired":                   "server.global.nomad", // only the time differs
		"raft-refuses-client":                   "server.global.nomad", // only the role differs
		"raft-refuses-server-of-another-region": "server.global.nomad", // only the region differs
		"raft-refuses-client-of-another-region": "server.global.nomad",
	}[id]
}
