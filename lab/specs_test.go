package lab_test

import (
	"net/netip"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// mustPlan plans a lab of containers.
func mustPlan(t *testing.T, s spec.Spec) plan.Plan {
	t.Helper()
	p, err := plan.New(s, plan.HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16")}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// small is a lab of one server and one client.
func small() spec.Spec { return spec.Spec{}.With(spec.Servers(1), spec.Clients(1)) }

// everyKindOfNode is a small lab with extra nodes of every kind.
func everyKindOfNode() spec.Spec {
	return small().With(spec.ExtraNodes(
		spec.ExtraNode{Name: "good-server", Role: pki.Server},
		spec.ExtraNode{Name: "good-client", Role: pki.Client},
		spec.ExtraNode{Name: "client-as-server", Role: pki.Server, CertificateRole: pki.Client},
		spec.ExtraNode{Name: "cli-as-client", Role: pki.Client, CertificateRole: pki.CLI},
		spec.ExtraNode{Name: "stranger", Role: pki.Server, CertificateRegion: "elsewhere"},
		spec.ExtraNode{Name: "keyless", Role: pki.Server, Gossip: spec.NoKey},
		spec.ExtraNode{Name: "other-key", Role: pki.Server, Gossip: spec.OtherKey},
		spec.ExtraNode{Name: "behind-another", Role: pki.Server, AdvertisedRPCPort: 4747},
	))
}

// introducedInEveryWay is a hardened lab with clients of every kind of introduction.
func introducedInEveryWay() spec.Spec {
	return small().With(spec.Hardened(), spec.ExtraNodes(
		spec.ExtraNode{Name: "late", Role: pki.Client}, spec.ExtraNode{Name: "stranger", Role: pki.Client, Introduction: spec.NotIntroduced},
		spec.ExtraNode{Name: "namesake", Role: pki.Client, Introduction: spec.OtherIntroduction}, spec.ExtraNode{Name: "fourth", Role: pki.Server},
	))
}

// twoRegions is a lab of two regions, and an extra client of the second one.
func twoRegions() spec.Spec {
	return spec.Spec{Name: "two", Regions: []spec.Region{
		{Name: "eu", Datacenter: "frankfurt", Servers: new(1), Clients: new(1)},
		{Name: "us", Servers: new(1), Clients: new(0)},
	}, ExtraNodes: []spec.ExtraNode{{Name: "late", Role: pki.Client, Region: "us"}}}
}
