package spec_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestKeysThatDoNotFit: each key is refused beside what it does not fit, such as a source that does not know it, and accepted otherwise.
func TestKeysThatDoNotFit(t *testing.T) {
	for field, c := range map[string]struct{ refused, accepted spec.Spec }{
		"authority.domain":             {of(spec.Authority{Domain: "a.test"}), of(spec.Authority{Source: "nomad", Domain: "a.test"})},
		"authority.name_constraint":    {of(spec.Authority{Source: "cfssl", NameConstraint: true}), of(spec.Authority{Source: "nomad", NameConstraint: true})},
		"authority.certificate_domain": {of(spec.Authority{Source: "vault", CertificateDomain: "a"}), of(spec.Authority{Source: "nomad", CertificateDomain: "a"})},
		"authority.additional_domains": {
			of(spec.Authority{Source: "nomad", AdditionalDomains: []string{"a"}}),
			of(spec.Authority{Source: "nomad", AdditionalDomains: []string{"a"}, NameConstraint: true}),
		},
		"authority.as_published":           {of(spec.Authority{Source: "nomad", AsPublished: true}), of(spec.Authority{Source: "vault", AsPublished: true})},
		"authority.password_file":          {of(spec.Authority{Source: "nomad", PasswordFile: "p"}), of(spec.Authority{Source: "./certs", PasswordFile: "p"})},
		"authority.vault_binary":           {of(spec.Authority{VaultBinary: "/v"}), of(spec.Authority{Source: "vault", VaultBinary: "/v"})},
		"authority.consul_template_binary": {of(spec.Authority{ConsulTemplateBinary: "/c"}), of(spec.Authority{Source: "vault", ConsulTemplateBinary: "/c"})},
		"authority.source":                 {spec.Spec{Authority: spec.Authority{Source: "nomad"}, Configuration: &spec.Configuration{}}, of(spec.Authority{Source: "nomad"})},
		"gossip_key_bytes":                 {spec.Spec{GossipKeyBytes: 15}, spec.Spec{GossipKeyBytes: 16}},
		"ports[0].rpc": {
			spec.Spec{Ports: []spec.AgentPorts{{Role: pki.Client, RPC: 5647}}}, spec.Spec{Ports: []spec.AgentPorts{{Role: pki.Server, RPC: 5647}}},
		},
		"ports[0].http":    {spec.Spec{Ports: []spec.AgentPorts{{HTTP: 5656, RPC: 5656}}}, spec.Spec{Ports: []spec.AgentPorts{{HTTP: 5656}}}},
		"ports[0].node":    {spec.Spec{Ports: []spec.AgentPorts{{Node: "client-9"}}}, spec.Spec{Ports: []spec.AgentPorts{{Node: "client-1"}}}},
		"ports":            {spec.Spec{Ports: []spec.AgentPorts{{HTTP: 1}}, Configuration: &spec.Configuration{}}, spec.Spec{Configuration: &spec.Configuration{}}},
		"certificates":     {living("certs", 48*time.Hour), of(spec.Authority{Source: "certs"})},
		"certificates.ips": {withIPs("vault"), withIPs("nomad")},
		"certificates.ttl": {living("vault", 59*time.Second), living("vault", time.Minute)},
	} {
		t.Run(field, func(t *testing.T) {
			if err := c.accepted.Validate(); err != nil {
				t.Errorf("the control is refused: %v", err)
			}
			var invalid *spec.InvalidError
			if err := c.refused.Validate(); !errors.As(err, &invalid) || invalid.Problems[0].Field != field {
				t.Errorf("want a problem of %s: %v", field, err)
			}
		})
	}
}

// TestAPortThatNomadUses: a port may not be the one at which the agent listens for something else. A client listens at one alone.
func TestAPortThatNomadUses(t *testing.T) {
	for role, refused := range map[pki.Role]bool{pki.Server: true, pki.Client: false} {
		if err := (spec.Spec{Ports: []spec.AgentPorts{{Role: role, HTTP: spec.RPCPort}}}).Validate(); (err != nil) != refused {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// TestLivesAreThoseOfTheSource: `nomad tls` counts in days, and its authority lasts five years.
func TestLivesAreThoseOfTheSource(t *testing.T) {
	for _, c := range []struct {
		spec spec.Spec
		want string
	}{
		{living("nomad", 36*time.Hour), "whole days"},
		{living("nomad", 48*time.Hour), ""},
		{living("nomad", 1825*24*time.Hour), ""},
		{living("nomad", 1826*24*time.Hour), "from 24h0m0s to 43800 h"},
		{living("builtin", 31*24*time.Hour), "to 720 h"},
		{living("builtin", 30*24*time.Hour), ""},
	} {
		err := c.spec.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, %s: %v, want %q", c.spec.Authority.Source, c.spec.Certificates.TTL, err, c.want)
		}
	}
}

func TestAFolderIsNoSource(t *testing.T) {
	for source, want := range map[string]string{"": "", "builtin": "", "nomad": "", "cfssl": "", "vault": "", "./vault": "./vault", "certs": "certs"} {
		if got := (spec.Authority{Source: source}).Folder(); got != want {
			t.Errorf("%q: folder %q, want %q", source, got, want)
		}
	}
}

func of(a spec.Authority) spec.Spec { return spec.Spec{Authority: a} }

func living(source string, ttl time.Duration) spec.Spec {
	return spec.Spec{Authority: spec.Authority{Source: source}, Certificates: spec.Certificates{TTL: ttl}}
}

func withIPs(source string) spec.Spec {
	return spec.Spec{
		Authority:    spec.Authority{Source: source},
		Certificates: spec.Certificates{IPs: []string{"192.0.2.1"}, Names: []spec.ExtraNames{{Role: pki.Server, DNSNames: []string{"a.test"}}}},
	}
}
