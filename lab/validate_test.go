package lab_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// refused is a Spec with one thing wrong, and what puts that one thing right.
type refused struct {
	name string
	spec lab.Spec
	// field and found are the problem's; mend is a part of its text.
	field, found, mend string
	right              func(*lab.Spec)
}

func region(name string, servers, clients int) lab.Region {
	return lab.Region{Name: name, Servers: &servers, Clients: &clients}
}

func joining(j lab.Joiner) lab.Spec { return lab.Spec{Joiners: []lab.Joiner{j}} }

func refusedNames() []refused {
	const label = "use a DNS label of at most 32 characters"
	name := func(wrong string) refused {
		return refused{
			"name " + wrong, lab.Spec{Name: wrong}, "name", `"` + wrong + `"`, label,
			func(s *lab.Spec) { s.Name = "demo-1" },
		}
	}
	return []refused{
		name("Demo"), name("demo_1"), name("-demo"), name("demo-"), name("demo.one"), name("démo"), name("../demo"), name(strings.Repeat("a", 33)),
		{
			"region's name", lab.Spec{Regions: []lab.Region{{Name: "Eu"}, {Name: "us"}}}, "regions[0].name", `"Eu"`, label,
			func(s *lab.Spec) { s.Regions[0].Name = "eu" },
		},
		{
			"datacenter", lab.Spec{Regions: []lab.Region{{}, {Name: "eu", Datacenter: "dc*1"}}}, "regions[1].datacenter", `"dc*1"`, "without a '*'",
			func(s *lab.Spec) { s.Regions[1].Datacenter = "dc-1" },
		},
		{
			"region twice", lab.Spec{Regions: []lab.Region{{Name: "eu"}, {Name: "eu"}}}, "regions[1].name", `"eu", for the second time`, "a name of its own",
			func(s *lab.Spec) { s.Regions[1].Name = "us" },
		},
	}
}

func refusedNumbers() []refused {
	return []refused{
		{
			"no server", lab.Spec{Regions: []lab.Region{region("eu", 0, 2)}}, "regions[0].servers", "0", "use an odd number",
			func(s *lab.Spec) { s.Regions[0] = region("eu", 1, 2) },
		},
		{
			"fewer than no server", lab.Spec{Regions: []lab.Region{region("eu", -1, 2)}}, "regions[0].servers", "-1", "use an odd number",
			func(s *lab.Spec) { s.Regions[0] = region("eu", 1, 2) },
		},
		{
			"fewer than no client", lab.Spec{Regions: []lab.Region{region("eu", 3, -1)}}, "regions[0].clients", "-1", "use 0 or more",
			func(s *lab.Spec) { s.Regions[0] = region("eu", 3, 0) },
		},
		{
			"too many nodes", lab.Spec{Regions: []lab.Region{region("eu", 3, 248), region("us", 3, 247)}}, "regions", "501 nodes in all", "use at most 500",
			func(s *lab.Spec) { s.Regions[1] = region("us", 3, 246) },
		},
		{
			"certificates that end before they begin", lab.Spec{Certificates: lab.Certificates{TTL: -time.Hour}}, "certificates.ttl", "-1h0m0s", "use a duration from 1s to 720 h",
			func(s *lab.Spec) { s.Certificates.TTL = time.Hour },
		},
		{
			"certificates that X.509 cannot tell apart", lab.Spec{Certificates: lab.Certificates{TTL: time.Millisecond}}, "certificates.ttl", "1ms", "use a duration from 1s to 720 h",
			func(s *lab.Spec) { s.Certificates.TTL = time.Second },
		},
		{
			"certificates that outlive their authority", lab.Spec{Certificates: lab.Certificates{TTL: 721 * time.Hour}}, "certificates.ttl", "721h0m0s", "use a duration from 1s to 720 h",
			func(s *lab.Spec) { s.Certificates.TTL = 720 * time.Hour },
		},
		{
			"certificate's further name", lab.Spec{Certificates: lab.Certificates{DNSNames: []string{"ok.example", "bad name!"}}},
			"certificates.dns_names[1]", `"bad name!"`, "use a DNS name",
			func(s *lab.Spec) { s.Certificates.DNSNames[1] = "good-name" },
		},
	}
}

func refusedChoices() []refused {
	return []refused{
		{
			"not bootstrapped, and no ACLs", lab.Spec{NotBootstrapped: true}, "not_bootstrapped", "set for a lab without ACLs", "set hardened too",
			func(s *lab.Spec) { s.Hardened = true },
		},
		{
			"introduction", lab.Spec{Hardened: true, Joiners: []lab.Joiner{{Name: "x", Role: pki.Client, Introduction: "late"}}}, "joiners[0].introduction", `"late"`, "use none, other",
			func(s *lab.Spec) { s.Joiners[0].Introduction = lab.OtherIntroduction },
		},
		{
			"introduction of a server", lab.Spec{Hardened: true, Joiners: []lab.Joiner{{Name: "x", Role: pki.Server, Introduction: "none"}}}, "joiners[0].introduction", `"none"`, "only clients",
			func(s *lab.Spec) { s.Joiners[0].Role = pki.Client },
		},
		{
			"introduction to a lab that asks for none", joining(lab.Joiner{Name: "x", Role: pki.Client, Introduction: "none"}), "joiners[0].introduction", `"none"`, "leave it out",
			func(s *lab.Spec) { s.Hardened = true },
		},
		{
			"introduction by nobody", lab.Spec{Hardened: true, NotBootstrapped: true, Joiners: []lab.Joiner{{Name: "x", Role: pki.Client, Introduction: "none"}}}, "joiners[0].introduction", `"none"`, "bootstrapped",
			func(s *lab.Spec) { s.NotBootstrapped = false },
		},
		{
			"image and binary", lab.Spec{Nomad: lab.Nomad{Image: "i", Binary: "b"}}, "nomad", "both an image and a binary", "name one of them",
			func(s *lab.Spec) { s.Nomad.Binary = "" },
		},
		{
			"log level", lab.Spec{LogLevel: "loud"}, "log_level", `"loud"`, "use one of TRACE, DEBUG, INFO, WARN, ERROR",
			func(s *lab.Spec) { s.LogLevel = "debug" },
		},
	}
}

func refusedSettings() []refused {
	set := func(role pki.Role, path, value string) lab.Spec { return lab.Spec{}.With(lab.Set(role, path, value)) }
	right := func(s *lab.Spec) { s.Settings[0] = lab.Setting{Role: pki.Client, Path: "tls.http", Value: "false"} }
	return []refused{
		{"setting of a cli", set(pki.CLI, "tls.http", "false"), "settings[0].role", `"cli"`, "use server or client", right},
		{
			"setting of a block that the role lacks", set(pki.Client, "server.raft_multiplier", "5"), "settings[0].role", `"client"`,
			"use server or leave it out: no other agent has server.raft_multiplier", right,
		},
		{"setting without a path", set("", "", "1"), "settings[0].path", `""`, "is no name", right},
		{"setting that is a call", set("", "log_json", `file("/x")`), "settings[0].value", `"file(\"/x\")"`, "is no literal", right},
		{
			"setting of the gossip key", set("", "server.encrypt", `"c2VjcmV0"`), "settings[0].value", "the value of what is a secret", "leave it out for servers without a gossip key",
			func(s *lab.Spec) { s.Settings[0].Value = "" },
		},
		{
			"setting of the gossip key by another spelling", set("", "Server.Encrypt", `"c2VjcmV0"`), "settings[0].value", "the value of what is a secret", "leave it out for servers without a gossip key",
			func(s *lab.Spec) { s.Settings[0].Value = "" },
		},
		{
			"setting of the gossip key of clients", set(pki.Client, "server.encrypt", ""), "settings[0].role", `"client"`,
			"use server or leave it out: no other agent has server.encrypt", func(s *lab.Spec) { s.Settings[0].Role = pki.Server },
		},
		{"setting of an address", set("", "Bind_Addr", `"0.0.0.0"`), "settings[0].path", `"Bind_Addr"`, "by this the lab finds its agents", right},
		{"setting of a port", set("", "ports.http", "80"), "settings[0].path", `"ports.http"`, "by this the lab finds its agents", right},
		{
			"setting of a secret", set("", "acl.replication_token", `"s3cret"`), "settings[0].value", "the value of what looks like a secret",
			"the plan and the evidence of a lab show its settings", right,
		},
	}
}

func refusedForgeries() []refused {
	with := func(c lab.Certificates) lab.Spec { return lab.Spec{Certificates: c} }
	none := func(s *lab.Spec) { s.Certificates = lab.Certificates{} }
	flaw := func(role pki.Role, name string) lab.Certificates {
		return lab.Certificates{Flaws: []lab.CertificateFlaw{{Role: role, Flaw: name}}}
	}
	twice := flaw(pki.Client, "no-eku")
	twice.Flaws = append(twice.Flaws, lab.CertificateFlaw{Flaw: "weak-key"})
	onOneNode := lab.Certificates{Flaws: []lab.CertificateFlaw{
		{Role: pki.Client, Node: "client-1", Flaw: "no-eku"}, {Node: "client-1", Flaw: "weak-key"},
	}}
	onOneOfAll := lab.Certificates{Flaws: []lab.CertificateFlaw{{Role: pki.Client, Flaw: "no-eku"}, {Role: pki.Client, Node: "client-2", Flaw: "weak-key"}}}
	onANamedClient := lab.Certificates{Flaws: []lab.CertificateFlaw{{Role: pki.Client, Flaw: "no-eku"}, {Node: "client-1", Flaw: "weak-key"}}}
	about := lab.Certificates{Flaws: []lab.CertificateFlaw{{Flaw: "weak-key"}, {Role: pki.Client, Flaw: "no-eku"}}}
	noHost := flaw(pki.Client, "role-alone")
	noHost.Names = []lab.ExtraNames{{Role: pki.Server, DNSNames: []string{"a.example"}}, {DNSNames: []string{"server.global.nomad", "b.example"}}}
	noHost.IPs = []string{"192.0.2.1"}
	return []refused{
		{
			"no host's name beside names", with(noHost), "certificates.flaws[0].flaw", `"role-alone", beside 192.0.2.1, b.example`, "take the flaw out, or these names",
			func(s *lab.Spec) {
				s.Certificates.IPs, s.Certificates.Names[1].DNSNames = nil, []string{"server.global.nomad"}
			},
		},
		{"a flaw beside one of all", with(about), "certificates.flaws[1].role", `"client", for the second time`, "put one thing wrong", none},
		{"flaw of a cli", with(flaw(pki.CLI, "no-eku")), "certificates.flaws[0].role", `"cli"`, "use server or client, or leave it out for both", none},
		{"unknown flaw", with(flaw("", "ugly")), "certificates.flaws[0].flaw", `"ugly"`, "use one of [foreign self-signed", none},
		{"flaw that a lab's authority cannot have", with(flaw("", "outside-constraints")), "certificates.flaws[0].flaw", `"outside-constraints"`, "use one of [foreign", none},
		{"two flaws in one certificate", with(twice), "certificates.flaws[1].role", `"", for the second time`, "put one thing wrong", none},
		{
			"two flaws on one node", with(onOneNode), "certificates.flaws[1].role", `"", for the second time`, "put one thing wrong",
			func(s *lab.Spec) { s.Certificates.Flaws[1].Node = "client-2" },
		},
		{
			"a flaw of all clients beside one on a client that is named alone", with(onANamedClient), "certificates.flaws[1].role", `"", for the second time`,
			"put one thing wrong", func(s *lab.Spec) { s.Certificates.Flaws[1].Node = "server-1" },
		},
		{
			"a flaw on a node beside one of its role", with(onOneOfAll), "certificates.flaws[1].role", `"client", for the second time`, "put one thing wrong",
			func(s *lab.Spec) { s.Certificates.Flaws[0].Node = "client-1" },
		},
		{
			"name that is none", with(lab.Certificates{Names: []lab.ExtraNames{{DNSNames: []string{"*.global.nomad", "a b"}}}}),
			"certificates.names[0].dns_names[1]", `"a b"`, "use a DNS name", none,
		},
		{
			"certificates of no role", with(lab.Certificates{Roles: []lab.OtherRole{{Role: pki.Client, As: "king"}}}),
			"certificates.roles[0].as", `"king"`, "use server, client or cli", none,
		},
		{
			"certificates of no region", with(lab.Certificates{Roles: []lab.OtherRole{{Role: pki.Server, As: pki.Server, Region: "eu.west"}}}),
			"certificates.roles[0].region", `"eu.west"`, "use at most 63 letters", none,
		},
		{
			"no role with certificates", with(lab.Certificates{Roles: []lab.OtherRole{{As: pki.Server}}}),
			"certificates.roles[0].role", `""`, "use server or client", none,
		},
		{
			"trust of a cli", with(lab.Certificates{TrustForeign: []lab.ForeignTrust{{Role: pki.CLI}}}),
			"certificates.trust_foreign[0].role", `"cli"`, "use server or client", none,
		},
	}
}

func refusedJoiners() []refused {
	first := func(right func(*lab.Joiner)) func(*lab.Spec) {
		return func(s *lab.Spec) { right(&s.Joiners[0]) }
	}
	return []refused{
		{
			"joiner without name", joining(lab.Joiner{Role: pki.Server}), "joiners[0].name", `""`, "use a DNS label",
			first(func(j *lab.Joiner) { j.Name = "x" }),
		},
		{
			"joiner with a member's name", joining(lab.Joiner{Name: "server-3", Role: pki.Server}), "joiners[0].name", `"server-3", which another node has`, "a name of its own",
			first(func(j *lab.Joiner) { j.Name = "server-4" }),
		},
		{
			"two joiners with one name", lab.Spec{Joiners: []lab.Joiner{{Name: "x", Role: pki.Server}, {Name: "x", Role: pki.Client}}},
			"joiners[1].name", `"x", which another node has`, "a name of its own",
			first(func(j *lab.Joiner) { j.Name = "y" }),
		},
		{
			"joiner that is a cli", joining(lab.Joiner{Name: "x", Role: pki.CLI}), "joiners[0].role", `"cli"`, "use server or client",
			first(func(j *lab.Joiner) { j.Role = pki.Client }),
		},
		{
			"certificate's role", joining(lab.Joiner{Name: "x", Role: pki.Server, CertificateRole: "root"}),
			"joiners[0].certificate_role", `"root"`, "use server, client or cli",
			first(func(j *lab.Joiner) { j.CertificateRole = pki.CLI }),
		},
		{
			"certificate's region", joining(lab.Joiner{Name: "x", Role: pki.Server, CertificateRegion: "eu.west"}),
			"joiners[0].certificate_region", `"eu.west"`, "a limit of nomadlab, not of Nomad",
			first(func(j *lab.Joiner) { j.CertificateRegion = "eu-west" }),
		},
		{
			"region that is not there", joining(lab.Joiner{Name: "x", Role: pki.Server, Region: "eu"}), "joiners[0].region", `"eu"`, "name a region of this lab",
			first(func(j *lab.Joiner) { j.Region = "global" }),
		},
		{
			"a client's advertised RPC port", joining(lab.Joiner{Name: "x", Role: pki.Client, AdvertisedRPCPort: 4747}),
			"joiners[0].advertised_rpc_port", "4747", "only servers",
			first(func(j *lab.Joiner) { j.Role = pki.Server }),
		},
		{
			"advertised RPC port where serf listens", joining(lab.Joiner{Name: "x", Role: pki.Server, AdvertisedRPCPort: 4648}),
			"joiners[0].advertised_rpc_port", "4648", "use another port",
			first(func(j *lab.Joiner) { j.AdvertisedRPCPort = lab.RPCPort }),
		},
		{
			"gossip key", joining(lab.Joiner{Name: "x", Role: pki.Server, Gossip: "wrong"}), "joiners[0].gossip", `"wrong"`, "use none, other",
			first(func(j *lab.Joiner) { j.Gossip = lab.OtherKey }),
		},
	}
}

func allRefused() []refused {
	return slices.Concat(refusedNames(), refusedNumbers(), refusedChoices(), refusedSettings(), refusedForgeries(), refusedJoiners())
}

// TestValidateNamesTheProblem: one thing is wrong and one problem is named; with that one thing put right there is none.
func TestValidateNamesTheProblem(t *testing.T) {
	for _, r := range allRefused() {
		t.Run(r.name, func(t *testing.T) {
			problems := problemsOf(t, r.spec.Validate())
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

// problemsOf demands the error's type and what it wraps, and that its text has a line for every problem.
func problemsOf(t *testing.T, err error) []lab.Problem {
	t.Helper()
	invalid, ok := errors.AsType[*lab.InvalidError](err)
	if !ok {
		t.Fatalf("error %v, want an *InvalidError", err)
	}
	if !errors.Is(err, lab.ErrInvalid) {
		t.Errorf("%v does not wrap ErrInvalid", err)
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, p.Field+" is "+p.Found+": "+p.Mend)
	}
	if diff := cmp.Diff(strings.Join(lines, "\n"), err.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	return invalid.Problems
}

func TestValidateNamesEveryProblemAtOnce(t *testing.T) {
	spec := lab.Spec{
		Name: "No", LogLevel: "loud", Nomad: lab.Nomad{Image: "i", Binary: "b"}, Settings: []lab.Setting{{Role: "x"}, {Path: "a", Value: "b"}},
		Certificates: lab.Certificates{TTL: -1},
		Regions:      []lab.Region{region("E u", 0, -1)},
		Joiners:      []lab.Joiner{{Role: "x", Gossip: "y", CertificateRegion: "a.b"}},
	}
	var fields []string
	for _, p := range problemsOf(t, spec.Validate()) {
		fields = append(fields, p.Field)
	}
	slices.Sort(fields)
	want := []string{
		"certificates.ttl", "joiners[0].certificate_region", "joiners[0].certificate_role", "joiners[0].gossip", "joiners[0].name",
		"joiners[0].role", "log_level", "name", "nomad", "regions[0].clients", "regions[0].name", "regions[0].servers",
		"settings[0].path", "settings[0].role", "settings[1].value",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestValidateAccepts(t *testing.T) {
	for name, spec := range map[string]lab.Spec{
		"a region in capitals":      {Regions: []lab.Region{{Name: "DMZ", Datacenter: "Global DC"}}},
		"a region with underscores": {Regions: []lab.Region{{Name: "eu_central", Datacenter: "dc_1.ü"}}},
		"the zero Spec":             {},
		"the longest name":          {Name: strings.Repeat("a", 32)},
		"a name of one letter":      {Name: "a"},
		"a name of digits":          {Name: "1"},
		"log level in any case":     {LogLevel: "Trace"},
		"no clients":                lab.Spec{}.With(lab.Clients(0)),
		"one server":                lab.Spec{}.With(lab.Servers(1)),
		"an even number":            lab.Spec{}.With(lab.Servers(2)),
		"every protection taken":    {Settings: weakeningSettings()},
		"a flaw for each role":      lab.Spec{}.With(lab.FlawedCertificates(pki.Server, pki.NoEKU()), lab.FlawedCertificates(pki.Client, pki.WeakKey())),
		"a flaw for each node": {Certificates: lab.Certificates{Flaws: []lab.CertificateFlaw{
			{Role: pki.Client, Node: "client-1", Flaw: "no-eku"}, {Role: pki.Client, Node: "client-2", Flaw: "weak-key"}, {Node: "server-1", Flaw: "no-eku"},
		}}},
		"a setting for each role": lab.Spec{}.With(lab.Set(pki.Server, "tls.http", "false"), lab.Set(pki.Client, "tls.http", ""), lab.Set("", "server.x", "1")),
		"a template, unexamined":  {Subnet: "{{ nonsense"},
		"every difference of joiners": joining(lab.Joiner{
			Name: "x", Role: pki.Server, Region: "global", CertificateRole: pki.Client, CertificateRegion: "elsewhere", Gossip: lab.NoKey,
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
	spec := lab.Spec{Regions: []lab.Region{region("eu", 3, 0), region("us", 4, 0), region("asia", 2, 0), region("africa", 1, 0)}}
	want := []string{
		"regions[1].servers is 4: an even number of servers survives no more failures than 3 do",
		"regions[2].servers is 2: an even number of servers survives no more failures than 1 do",
	}
	if diff := cmp.Diff(want, spec.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for _, fine := range []lab.Spec{{}, {Hardened: true}} {
		if got := fine.Warnings(); len(got) != 0 {
			t.Errorf("%+v is warned of: %v", fine, got)
		}
	}
	if got := (lab.Spec{Hardened: true, NotBootstrapped: true}).Warnings(); len(got) != 1 || !strings.Contains(got[0], "not bootstrapped") {
		t.Errorf("a lab that is not bootstrapped is warned of: %v", got)
	}
}
