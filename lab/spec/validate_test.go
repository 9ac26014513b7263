package spec_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// refused is a Spec with one thing wrong, and what puts that one thing right.
type refused struct {
	name string
	spec spec.Spec
	// field and found are the problem's; mend is a part of its text.
	field, found, mend string
	right              func(*spec.Spec)
}

func region(name string, servers, clients int) spec.Region {
	return spec.Region{Name: name, Servers: &servers, Clients: &clients}
}

func joining(j spec.ExtraNode) spec.Spec { return spec.Spec{ExtraNodes: []spec.ExtraNode{j}} }

func refusedNames() []refused {
	const label = "use a DNS label of at most 32 characters"
	name := func(wrong string) refused {
		return refused{
			"name " + wrong, spec.Spec{Name: wrong}, "name", `"` + wrong + `"`, label,
			func(s *spec.Spec) { s.Name = "demo-1" },
		}
	}
	return []refused{
		name("Demo"), name("demo_1"), name("-demo"), name("demo-"), name("demo.one"), name("démo"), name("../demo"), name(strings.Repeat("a", 33)),
		{
			"region's name", spec.Spec{Regions: []spec.Region{{Name: "Eu"}, {Name: "us"}}}, "regions[0].name", `"Eu"`, label,
			func(s *spec.Spec) { s.Regions[0].Name = "eu" },
		},
		{
			"datacenter", spec.Spec{Regions: []spec.Region{{}, {Name: "eu", Datacenter: "dc*1"}}}, "regions[1].datacenter", `"dc*1"`, "without a '*'",
			func(s *spec.Spec) { s.Regions[1].Datacenter = "dc-1" },
		},
		{
			"region twice", spec.Spec{Regions: []spec.Region{{Name: "eu"}, {Name: "eu"}}}, "regions[1].name", `"eu", for the second time`, "a name of its own",
			func(s *spec.Spec) { s.Regions[1].Name = "us" },
		},
	}
}

func refusedNumbers() []refused {
	return []refused{
		{
			"no server", spec.Spec{Regions: []spec.Region{region("eu", 0, 2)}}, "regions[0].servers", "0", "use an odd number",
			func(s *spec.Spec) { s.Regions[0] = region("eu", 1, 2) },
		},
		{
			"fewer than no server", spec.Spec{Regions: []spec.Region{region("eu", -1, 2)}}, "regions[0].servers", "-1", "use an odd number",
			func(s *spec.Spec) { s.Regions[0] = region("eu", 1, 2) },
		},
		{
			"fewer than no client", spec.Spec{Regions: []spec.Region{region("eu", 3, -1)}}, "regions[0].clients", "-1", "use 0 or more",
			func(s *spec.Spec) { s.Regions[0] = region("eu", 3, 0) },
		},
		{
			"too many nodes", spec.Spec{Regions: []spec.Region{region("eu", 3, 248), region("us", 3, 247)}}, "regions", "501 nodes in all", "use at most 500",
			func(s *spec.Spec) { s.Regions[1] = region("us", 3, 246) },
		},
		{
			"certificates that end before they begin", spec.Spec{Certificates: spec.Certificates{TTL: -time.Hour}}, "certificates.ttl", "-1h0m0s", "use a duration from 1s to 720 h",
			func(s *spec.Spec) { s.Certificates.TTL = time.Hour },
		},
		{
			"certificates that X.509 cannot tell apart", spec.Spec{Certificates: spec.Certificates{TTL: time.Millisecond}}, "certificates.ttl", "1ms", "use a duration from 1s to 720 h",
			func(s *spec.Spec) { s.Certificates.TTL = time.Second },
		},
		{
			"certificates that outlive their authority", spec.Spec{Certificates: spec.Certificates{TTL: 721 * time.Hour}}, "certificates.ttl", "721h0m0s", "use a duration from 1s to 720 h",
			func(s *spec.Spec) { s.Certificates.TTL = 720 * time.Hour },
		},
		{
			"certificate's further name", spec.Spec{Certificates: spec.Certificates{DNSNames: []string{"ok.example", "bad name!"}}},
			"certificates.dns_names[1]", `"bad name!"`, "use a DNS name",
			func(s *spec.Spec) { s.Certificates.DNSNames[1] = "good-name" },
		},
	}
}

func refusedChoices() []refused {
	return []refused{
		{
			"not bootstrapped, and no ACLs", spec.Spec{NotBootstrapped: true}, "not_bootstrapped", "set for a lab without ACLs", "set hardened too",
			func(s *spec.Spec) { s.Hardened = true },
		},
		{
			"introduction", spec.Spec{Hardened: true, ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Client, Introduction: "late"}}}, "extra_nodes[0].introduction", `"late"`, "use none, other",
			func(s *spec.Spec) { s.ExtraNodes[0].Introduction = spec.OtherIntroduction },
		},
		{
			"introduction of a server", spec.Spec{Hardened: true, ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Server, Introduction: "none"}}}, "extra_nodes[0].introduction", `"none"`, "only clients",
			func(s *spec.Spec) { s.ExtraNodes[0].Role = pki.Client },
		},
		{
			"introduction to a lab that asks for none", joining(spec.ExtraNode{Name: "x", Role: pki.Client, Introduction: "none"}), "extra_nodes[0].introduction", `"none"`, "leave it out",
			func(s *spec.Spec) { s.Hardened = true },
		},
		{
			"introduction by nobody", spec.Spec{Hardened: true, NotBootstrapped: true, ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Client, Introduction: "none"}}}, "extra_nodes[0].introduction", `"none"`, "bootstrapped",
			func(s *spec.Spec) { s.NotBootstrapped = false },
		},
		{
			"image and binary", spec.Spec{Nomad: spec.Nomad{Image: "i", Binary: "b"}}, "nomad", "both an image and a binary", "name one of them",
			func(s *spec.Spec) { s.Nomad.Binary = "" },
		},
		{
			"log level", spec.Spec{LogLevel: "loud"}, "log_level", `"loud"`, "use one of TRACE, DEBUG, INFO, WARN, ERROR",
			func(s *spec.Spec) { s.LogLevel = "debug" },
		},
	}
}

func refusedOverrides() []refused {
	set := func(role pki.Role, path, value string) spec.Spec {
		return spec.Spec{}.With(spec.Set(role, path, value))
	}
	right := func(s *spec.Spec) { s.Overrides[0] = spec.Override{Role: pki.Client, Path: "tls.http", Value: "false"} }
	return []refused{
		{"setting of a cli", set(pki.CLI, "tls.http", "false"), "overrides[0].role", `"cli"`, "use server or client", right},
		{
			"setting of a block that the role lacks", set(pki.Client, "server.raft_multiplier", "5"), "overrides[0].role", `"client"`,
			"use server or leave it out: no other agent has server.raft_multiplier", right,
		},
		{"setting without a path", set("", "", "1"), "overrides[0].path", `""`, "is no name", right},
		{"setting that is a call", set("", "log_json", `file("/x")`), "overrides[0].value", `"file(\"/x\")"`, "is no literal", right},
		{
			"setting of the gossip key", set("", "server.encrypt", `"c2VjcmV0"`), "overrides[0].value", "the value of what is a secret", "leave it out for servers without a gossip key",
			func(s *spec.Spec) { s.Overrides[0].Value = "" },
		},
		{
			"setting of the gossip key by another spelling", set("", "Server.Encrypt", `"c2VjcmV0"`), "overrides[0].value", "the value of what is a secret", "leave it out for servers without a gossip key",
			func(s *spec.Spec) { s.Overrides[0].Value = "" },
		},
		{
			"setting of the gossip key of clients", set(pki.Client, "server.encrypt", ""), "overrides[0].role", `"client"`,
			"use server or leave it out: no other agent has server.encrypt", func(s *spec.Spec) { s.Overrides[0].Role = pki.Server },
		},
		{"setting of an address", set("", "Bind_Addr", `"0.0.0.0"`), "overrides[0].path", `"Bind_Addr"`, "the lab needs it to find its agents", right},
		{"setting of a port", set("", "ports.http", "80"), "overrides[0].path", `"ports.http"`, "the lab needs it to find its agents", right},
		{
			"setting of a secret", set("", "acl.replication_token", `"s3cret"`), "overrides[0].value", "the value of what looks like a secret",
			"the plan and the evidence of a lab show its overrides", right,
		},
	}
}

func refusedCertificates() []refused {
	with := func(c spec.Certificates) spec.Spec { return spec.Spec{Certificates: c} }
	none := func(s *spec.Spec) { s.Certificates = spec.Certificates{} }
	defect := func(role pki.Role, name string) spec.Certificates {
		return spec.Certificates{Defects: []spec.CertificateDefect{{Role: role, Defect: name}}}
	}
	twice := defect(pki.Client, "no-eku")
	twice.Defects = append(twice.Defects, spec.CertificateDefect{Defect: "weak-key"})
	onOneNode := spec.Certificates{Defects: []spec.CertificateDefect{
		{Role: pki.Client, Node: "client-1", Defect: "no-eku"}, {Node: "client-1", Defect: "weak-key"},
	}}
	onOneOfAll := spec.Certificates{Defects: []spec.CertificateDefect{{Role: pki.Client, Defect: "no-eku"}, {Role: pki.Client, Node: "client-2", Defect: "weak-key"}}}
	onANamedClient := spec.Certificates{Defects: []spec.CertificateDefect{{Role: pki.Client, Defect: "no-eku"}, {Node: "client-1", Defect: "weak-key"}}}
	about := spec.Certificates{Defects: []spec.CertificateDefect{{Defect: "weak-key"}, {Role: pki.Client, Defect: "no-eku"}}}
	noHost := defect(pki.Client, "role-alone")
	noHost.Names = []spec.ExtraNames{{Role: pki.Server, DNSNames: []string{"a.example"}}, {DNSNames: []string{"server.global.nomad", "b.example"}}}
	noHost.IPs = []string{"192.0.2.1"}
	return []refused{
		{
			"no host's name beside names", with(noHost), "certificates.defects[0].defect", `"role-alone", beside 192.0.2.1, b.example`, "remove the defect or these names",
			func(s *spec.Spec) {
				s.Certificates.IPs, s.Certificates.Names[1].DNSNames = nil, []string{"server.global.nomad"}
			},
		},
		{"a defect beside one of all", with(about), "certificates.defects[1].role", `"client", for the second time`, "put one thing wrong", none},
		{"defect of a cli", with(defect(pki.CLI, "no-eku")), "certificates.defects[0].role", `"cli"`, "use server or client, or leave it out for both", none},
		{"unknown defect", with(defect("", "ugly")), "certificates.defects[0].defect", `"ugly"`, "use one of [foreign self-signed", none},
		{"two defects in one certificate", with(twice), "certificates.defects[1].role", `"", for the second time`, "put one thing wrong", none},
		{
			"two defects on one node", with(onOneNode), "certificates.defects[1].role", `"", for the second time`, "put one thing wrong",
			func(s *spec.Spec) { s.Certificates.Defects[1].Node = "client-2" },
		},
		{
			"a defect of all clients beside one on a client that is named alone", with(onANamedClient), "certificates.defects[1].role", `"", for the second time`,
			"put one thing wrong", func(s *spec.Spec) { s.Certificates.Defects[1].Node = "server-1" },
		},
		{
			"a defect on a node beside one of its role", with(onOneOfAll), "certificates.defects[1].role", `"client", for the second time`, "put one thing wrong",
			func(s *spec.Spec) { s.Certificates.Defects[0].Node = "client-1" },
		},
		{
			"name that is none", with(spec.Certificates{Names: []spec.ExtraNames{{DNSNames: []string{"*.global.nomad", "a b"}}}}),
			"certificates.names[0].dns_names[1]", `"a b"`, "use a DNS name", none,
		},
		{
			"certificates of no role", with(spec.Certificates{Roles: []spec.OtherRole{{Role: pki.Client, As: "king"}}}),
			"certificates.roles[0].as", `"king"`, "use server, client or cli", none,
		},
		{
			"certificates of no region", with(spec.Certificates{Roles: []spec.OtherRole{{Role: pki.Server, As: pki.Server, Region: "eu.west"}}}),
			"certificates.roles[0].region", `"eu.west"`, "use at most 63 letters", none,
		},
		{
			"no role with certificates", with(spec.Certificates{Roles: []spec.OtherRole{{As: pki.Server}}}),
			"certificates.roles[0].role", `""`, "use server or client", none,
		},
		{
			"trust of a cli", with(spec.Certificates{TrustForeign: []spec.ForeignTrust{{Role: pki.CLI}}}),
			"certificates.trust_foreign[0].role", `"cli"`, "use server or client", none,
		},
	}
}

func refusedExtraNodes() []refused {
	first := func(right func(*spec.ExtraNode)) func(*spec.Spec) {
		return func(s *spec.Spec) { right(&s.ExtraNodes[0]) }
	}
	return []refused{
		{
			"extra node without name", joining(spec.ExtraNode{Role: pki.Server}), "extra_nodes[0].name", `""`, "use a DNS label",
			first(func(j *spec.ExtraNode) { j.Name = "x" }),
		},
		{
			"extra node with a member's name", joining(spec.ExtraNode{Name: "server-3", Role: pki.Server}), "extra_nodes[0].name", `"server-3", which another node has`, "a name of its own",
			first(func(j *spec.ExtraNode) { j.Name = "server-4" }),
		},
		{
			"two extra nodes with one name", spec.Spec{ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Server}, {Name: "x", Role: pki.Client}}},
			"extra_nodes[1].name", `"x", which another node has`, "a name of its own",
			first(func(j *spec.ExtraNode) { j.Name = "y" }),
		},
		{
			"extra node that is a cli", joining(spec.ExtraNode{Name: "x", Role: pki.CLI}), "extra_nodes[0].role", `"cli"`, "use server or client",
			first(func(j *spec.ExtraNode) { j.Role = pki.Client }),
		},
		{
			"certificate's role", joining(spec.ExtraNode{Name: "x", Role: pki.Server, CertificateRole: "root"}),
			"extra_nodes[0].certificate_role", `"root"`, "use server, client or cli",
			first(func(j *spec.ExtraNode) { j.CertificateRole = pki.CLI }),
		},
		{
			"certificate's region", joining(spec.ExtraNode{Name: "x", Role: pki.Server, CertificateRegion: "eu.west"}),
			"extra_nodes[0].certificate_region", `"eu.west"`, "a limit of nomadlab, not of Nomad",
			first(func(j *spec.ExtraNode) { j.CertificateRegion = "eu-west" }),
		},
		{
			"domain of a certificate that nomad tls does not make", joining(spec.ExtraNode{Name: "x", Role: pki.Server, CertificateDomain: "lab.test"}),
			"extra_nodes[0].certificate_domain", `"lab.test", for the source builtin`, "use it with nomad",
			func(s *spec.Spec) { s.Authority.Source = spec.NomadSource },
		},
		{
			"domain of a certificate with a defect", func() spec.Spec {
				s := joining(spec.ExtraNode{Name: "x", Role: pki.Server, CertificateDomain: "a.b", Defect: "no-eku"})
				s.Authority.Source = spec.NomadSource
				return s
			}(),
			"extra_nodes[0].certificate_domain", `"a.b", beside the defect no-eku`, "remove one of them",
			first(func(j *spec.ExtraNode) { j.Defect = "" }),
		},
		{
			"domain that is none", func() spec.Spec {
				s := joining(spec.ExtraNode{Name: "x", Role: pki.Server, CertificateDomain: "a b"})
				s.Authority.Source = spec.NomadSource
				return s
			}(),
			"extra_nodes[0].certificate_domain", `"a b"`, "use a domain",
			first(func(j *spec.ExtraNode) { j.CertificateDomain = "a.b" }),
		},
		{
			"region that is not there", joining(spec.ExtraNode{Name: "x", Role: pki.Server, Region: "eu"}), "extra_nodes[0].region", `"eu"`, "name a region of this lab",
			first(func(j *spec.ExtraNode) { j.Region = "global" }),
		},
		{
			"a client's advertised RPC port", joining(spec.ExtraNode{Name: "x", Role: pki.Client, AdvertisedRPCPort: 4747}),
			"extra_nodes[0].advertised_rpc_port", "4747", "only servers",
			first(func(j *spec.ExtraNode) { j.Role = pki.Server }),
		},
		{
			"advertised RPC port where serf listens", joining(spec.ExtraNode{Name: "x", Role: pki.Server, AdvertisedRPCPort: 4648}),
			"extra_nodes[0].advertised_rpc_port", "4648", "use another port",
			first(func(j *spec.ExtraNode) { j.AdvertisedRPCPort = spec.RPCPort }),
		},
		{
			"gossip key", joining(spec.ExtraNode{Name: "x", Role: pki.Server, Gossip: "wrong"}), "extra_nodes[0].gossip", `"wrong"`, "use none, other",
			first(func(j *spec.ExtraNode) { j.Gossip = spec.OtherKey }),
		},
	}
}

func allRefused() []refused {
	return slices.Concat(refusedNames(), refusedNumbers(), refusedChoices(), refusedOverrides(), refusedCertificates(), refusedExtraNodes())
}

// TestValidateNamesTheProblem: one thing is wrong and one problem is named; with that one thing put right there is none.
func TestValidateNamesTheProblem(t *testing.T) {
	for _, r := range allRefused() {
		t.Run(r.name, func(t *testing.T) {
			problems := spectest.Problems(t, r.spec.Validate())
			if len(problems) != 1 {
				t.Fatalf("problems: %v, want one", problems)
			}
			got := problems[0]
			if diff := cmp.Diff([]string{r.field, r.found}, []string{got.Field, got.Found}); diff != "" {
				t.Errorf("field and found (-want +got):\n%s", diff)
			}
			if !strings.Contains(got.Mend, r.mend) {
				t.Errorf("mend %q does not say %q", got.Mend, r.mend)
			}
			right := r.spec.With()
			r.right(&right)
			if err := right.Validate(); err != nil {
				t.Errorf("put right, still refused: %v", err)
			}
		})
	}
}

func TestValidateNamesEveryProblemAtOnce(t *testing.T) {
	spec := spec.Spec{
		Name: "No", LogLevel: "loud", Nomad: spec.Nomad{Image: "i", Binary: "b"}, Overrides: []spec.Override{{Role: "x"}, {Path: "a", Value: "b"}},
		Certificates: spec.Certificates{TTL: -1},
		Regions:      []spec.Region{region("E u", 0, -1)},
		ExtraNodes:   []spec.ExtraNode{{Role: "x", Gossip: "y", CertificateRegion: "a.b"}},
	}
	var fields []string
	for _, p := range spectest.Problems(t, spec.Validate()) {
		fields = append(fields, p.Field)
	}
	slices.Sort(fields)
	want := []string{
		"certificates.ttl", "extra_nodes[0].certificate_region", "extra_nodes[0].certificate_role", "extra_nodes[0].gossip", "extra_nodes[0].name",
		"extra_nodes[0].role", "log_level", "name", "nomad", "overrides[0].path", "overrides[0].role", "overrides[1].value",
		"regions[0].clients", "regions[0].name", "regions[0].servers",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestValidateAccepts(t *testing.T) {
	for name, spec := range map[string]spec.Spec{
		"a region in capitals":      {Regions: []spec.Region{{Name: "DMZ", Datacenter: "Global DC"}}},
		"a region with underscores": {Regions: []spec.Region{{Name: "eu_central", Datacenter: "dc_1.ü"}}},
		"the zero Spec":             {},
		"the longest name":          {Name: strings.Repeat("a", 32)},
		"a name of one letter":      {Name: "a"},
		"a name of digits":          {Name: "1"},
		"log level in any case":     {LogLevel: "Trace"},
		"no clients":                spec.Spec{}.With(spec.Clients(0)),
		"one server":                spec.Spec{}.With(spec.Servers(1)),
		"an even number":            spec.Spec{}.With(spec.Servers(2)),
		"a defect for each role":    spec.Spec{}.With(spec.DefectiveCertificates(pki.Server, pki.NoEKU()), spec.DefectiveCertificates(pki.Client, pki.WeakKey())),
		"a defect for each node": {Certificates: spec.Certificates{Defects: []spec.CertificateDefect{
			{Role: pki.Client, Node: "client-1", Defect: "no-eku"}, {Role: pki.Client, Node: "client-2", Defect: "weak-key"}, {Node: "server-1", Defect: "no-eku"},
		}}},
		"a setting for each role": spec.Spec{}.With(spec.Set(pki.Server, "tls.http", "false"), spec.Set(pki.Client, "tls.http", ""), spec.Set("", "server.x", "1")),
		"a template, unexamined":  {Subnet: "{{ nonsense"},
		"every difference of extra nodes": joining(spec.ExtraNode{
			Name: "x", Role: pki.Server, Region: "global", CertificateRole: pki.Client, CertificateRegion: "elsewhere", Gossip: spec.NoKey,
			AdvertisedRPCPort: 4747,
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := spec.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWarningsNameEvenNumbersOfServers(t *testing.T) {
	wanted := spec.Spec{Regions: []spec.Region{region("eu", 3, 0), region("us", 4, 0), region("asia", 2, 0), region("africa", 1, 0)}}
	want := []string{
		"regions[1].servers is 4: an even number of servers survives no more failures than 3 do",
		"regions[2].servers is 2: an even number of servers survives no more failures than 1 do",
	}
	if diff := cmp.Diff(want, wanted.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for _, fine := range []spec.Spec{{}, {Hardened: true}} {
		if got := fine.Warnings(); len(got) != 0 {
			t.Errorf("%+v is warned of: %v", fine, got)
		}
	}
	if got := (spec.Spec{Hardened: true, NotBootstrapped: true}).Warnings(); len(got) != 1 || !strings.Contains(got[0], "not bootstrapped") {
		t.Errorf("a lab that is not bootstrapped is warned of: %v", got)
	}
}

// TestNodesThatThereAreNot: what is said of a node that the lab does not have, or of one of another role, is refused, and of one
// that it has it is not.
func TestNodesThatThereAreNot(t *testing.T) {
	on := func(role pki.Role, node string) map[string]spec.Spec {
		return map[string]spec.Spec{
			"overrides[0].node":                  {Overrides: []spec.Override{{Role: role, Node: node, Path: "tls.http", Value: "false"}}},
			"certificates.defects[0].node":       {Certificates: spec.Certificates{Defects: []spec.CertificateDefect{{Role: role, Node: node, Defect: "no-eku"}}}},
			"certificates.names[0].node":         {Certificates: spec.Certificates{Names: []spec.ExtraNames{{Role: role, Node: node, DNSNames: []string{"a.example"}}}}},
			"certificates.roles[0].node":         {Certificates: spec.Certificates{Roles: []spec.OtherRole{{Role: role, Node: node, As: pki.CLI}}}},
			"certificates.trust_foreign[0].node": {Certificates: spec.Certificates{TrustForeign: []spec.ForeignTrust{{Role: role, Node: node}}}},
		}
	}
	for _, node := range []string{"server-9", "client-1"} {
		for field, spec := range on(pki.Server, node) {
			err := spec.Validate()
			if err == nil || !strings.Contains(err.Error(), field+" is \""+node+"\": use one of [server-1 server-2 server-3]") {
				t.Errorf("%s: %s on servers: %v", field, node, err)
			}
		}
	}
	extraNode := spec.ExtraNode{Name: "server-9", Role: pki.Server}
	for field, wanted := range on(pki.Server, "server-9") {
		wanted.ExtraNodes = []spec.ExtraNode{extraNode}
		if err := wanted.Validate(); err != nil {
			t.Errorf("%s: an extra node: %v", field, err)
		}
	}
	for field, spec := range on(pki.Server, "server-3") {
		if err := spec.Validate(); err != nil {
			t.Errorf("%s: a node that there is: %v", field, err)
		}
	}
}

func TestPlanRefusesWhatValidateDoes(t *testing.T) {
	room := plan.HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16")}}
	for _, r := range allRefused() {
		p, err := plan.New(r.spec, room)
		if diff := cmp.Diff(r.spec.Validate(), err, cmp.Comparer(sameText)); diff != "" {
			t.Errorf("%s (-Validate +New):\n%s", r.name, diff)
		}
		if len(p.Nodes) > 0 {
			t.Errorf("%s: a plan came with the error", r.name)
		}
	}
}

func sameText(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) && errors.Is(a, spec.ErrInvalid) == errors.Is(b, spec.ErrInvalid)
}
