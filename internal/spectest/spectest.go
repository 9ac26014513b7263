// Package spectest contains what the tests of several packages share: Specs, their plans, and what they demand of an error about
// a Spec. No program imports it.
package spectest

import (
	"errors"
	"net/netip"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TB is the part of testing.TB that this package needs: only tests and labtest import testing.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Containers returns the environment of a lab whose nodes are contained.
func Containers(occupied ...netip.Prefix) plan.HostEnvironment {
	return plan.HostEnvironment{
		Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16"), netip.MustParsePrefix("10.230.0.0/16")}, Occupied: occupied,
	}
}

// Plan returns the plan of a lab whose nodes are contained. The test ends if there is none.
func Plan(t TB, s spec.Spec, occupied ...netip.Prefix) plan.Plan {
	t.Helper()
	return PlanOn(t, s, Containers(occupied...))
}

// PlanOn returns the plan of a lab in an environment. The test ends if there is none.
func PlanOn(t TB, s spec.Spec, host plan.HostEnvironment) plan.Plan {
	t.Helper()
	p, err := plan.New(s, host)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Small returns a lab of one server, one client, and the extra nodes.
func Small(extra ...spec.ExtraNode) spec.Spec {
	return spec.Spec{}.With(spec.Servers(1), spec.Clients(1), spec.ExtraNodes(extra...))
}

// EveryExtraNode returns a small lab with extra nodes of every kind.
func EveryExtraNode() spec.Spec {
	return Small(
		spec.ExtraNode{Name: "good-server", Role: pki.Server},
		spec.ExtraNode{Name: "good-client", Role: pki.Client},
		spec.ExtraNode{Name: "client-as-server", Role: pki.Server, CertificateRole: pki.Client},
		spec.ExtraNode{Name: "cli-as-client", Role: pki.Client, CertificateRole: pki.CLI},
		spec.ExtraNode{Name: "other-region", Role: pki.Server, CertificateRegion: "elsewhere"},
		spec.ExtraNode{Name: "keyless", Role: pki.Server, Gossip: spec.NoKey},
		spec.ExtraNode{Name: "other-key", Role: pki.Server, Gossip: spec.OtherKey},
		spec.ExtraNode{Name: "behind-another", Role: pki.Server, AdvertisedRPCPort: 4747},
	)
}

// EveryIntroduction returns a small hardened lab whose clients have introduction tokens of every kind.
func EveryIntroduction() spec.Spec {
	return Small(
		spec.ExtraNode{Name: "late", Role: pki.Client}, spec.ExtraNode{Name: "without", Role: pki.Client, Introduction: spec.NotIntroduced},
		spec.ExtraNode{Name: "namesake", Role: pki.Client, Introduction: spec.OtherIntroduction}, spec.ExtraNode{Name: "fourth", Role: pki.Server},
	).With(spec.Name("hardened"), spec.Hardened())
}

// TwoRegions returns a lab of two regions, with an extra client of the second.
func TwoRegions() spec.Spec {
	return spec.Spec{Name: "two", Regions: []spec.Region{
		{Name: "eu", Datacenter: "frankfurt", Servers: new(1), Clients: new(1)},
		{Name: "us", Servers: new(1), Clients: new(0)},
	}, ExtraNodes: []spec.ExtraNode{{Name: "late", Role: pki.Client, Region: "us"}}}
}

// GossipSecret is the gossip key of UserConfiguration. No output may contain it.
const GossipSecret = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="

// UserConfiguration returns a lab with a user configuration: three servers, and a client with these further lines.
func UserConfiguration(client string) spec.Spec {
	const tls = `
tls {
  http = true
  rpc = true
  ca_file   = "/etc/nomad.d/ca.pem"
  cert_file = "/etc/nomad.d/agent.pem"
  key_file  = "/etc/nomad.d/agent-key.pem"
}
`
	return spec.Spec{
		Hardened: true, Regions: []spec.Region{{Clients: new(1)}},
		Configuration: &spec.Configuration{
			Server: spec.AgentConfiguration{Files: agentconf.Files{
				agentconf.NewFile("mine/server.hcl", []byte("server {\n  enabled = true\n  bootstrap_expect = 3\n}\nports { http = 14646 }\n"+tls)),
				agentconf.NewFile("other/server.hcl", []byte(`server { encrypt = "`+GossipSecret+`" }`)),
			}},
			Client: spec.AgentConfiguration{Files: agentconf.Files{agentconf.NewFile("client.hcl", []byte("client { enabled = true }\n"+tls+client))}},
		},
	}
}

// Problems returns the problems of an error. The test ends if that is no *spec.InvalidError, does not wrap spec.ErrInvalid, or has
// not a line for every problem.
func Problems(t TB, err error) []spec.Problem {
	t.Helper()
	invalid, ok := errors.AsType[*spec.InvalidError](err)
	if !ok {
		t.Fatalf("error %v, want an *InvalidError", err)
	}
	if !errors.Is(err, spec.ErrInvalid) {
		t.Fatalf("%q does not wrap ErrInvalid", err.Error())
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, p.Field+" is "+p.Found+": "+p.Mend)
	}
	if want := strings.Join(lines, "\n"); want != err.Error() {
		t.Fatalf("the text is\n%s\nwant\n%s", err.Error(), want)
	}
	return invalid.Problems
}
