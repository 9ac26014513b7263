package scenarios_test

import (
	"nomadlab.internal/lab/spec"
)

const (
	ownDomain = "certificates-stay-in-the-domain-nomad"
	guide     = "certificates-end-with-their-authority"
)

// sourceMutations are those of the scenarios about where certificates come from.
func sourceMutations() []mutation {
	return []mutation{
		{
			scenario: ownDomain, sample: true, change: "the extra nodes' certificates stay in nomad",
			spec: func(s *spec.Spec) {
				for i := range s.ExtraNodes {
					s.ExtraNodes[i].CertificateDomain = ""
				}
			},
			fails: map[int]string{2: "own-domain-client is registered", 3: "own-domain-server knows that"},
		},
		{
			scenario: ownDomain, change: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			fails: map[int]string{2: "own-domain-client is registered", 3: "own-domain-server knows that"},
		},
		{
			scenario: ownDomain, change: "the certificates lack the cluster's own domain",
			spec:  func(s *spec.Spec) { s.Certificates.DNSNames = nil },
			fails: map[int]string{1: "for nomad.example.net", 3: "ask server-1 who leads"},
		},
		{
			scenario: guide, sample: true, change: "the same source in its safe variant, with a gossip key of 32 bytes",
			spec: func(s *spec.Spec) { s.Authority.AsPublished, s.GossipKeyBytes = false, 32 },
			fails: map[int]string{
				1: "the user's certificate has 2 names", 2: "and its authority at", 3: "server-certificate-lives-at-most-13-months does not fail",
			},
		},
		{
			scenario: guide, change: "the gossip key has 32 bytes", spec: func(s *spec.Spec) { s.GossipKeyBytes = 32 },
			fails: map[int]string{3: "gossip-keys-have-32-bytes does not fail"},
		},
		{
			scenario: guide, change: "verify_server_hostname is off", spec: spec.Set("", "tls.verify_server_hostname", "false"),
			fail: []string{"rpc-refuses-certificate-without-name"},
		},
		{
			scenario: guide, change: "tls.verify_https_client is off", spec: spec.Set("", "tls.verify_https_client", "false"),
			inconclusive: []string{"https-accepts-certificate-without-name"},
		},
	}
}
