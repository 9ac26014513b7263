package spec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// fullSpec has something in every field that a pointer or a slice leads to.
func fullSpec() spec.Spec {
	return spec.Spec{
		Name: "full", LogLevel: "DEBUG", Subnet: "10.99.0.0/24", Nomad: spec.Nomad{Version: "1.11.3"},
		Authority: spec.Authority{Source: "nomad", NameConstraint: true, AdditionalDomains: []string{"example.com"}},
		Certificates: spec.Certificates{
			TTL: 48 * time.Hour, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1"},
			Defects: []spec.CertificateDefect{{Defect: "no-eku"}}, Names: []spec.ExtraNames{{DNSNames: []string{"a"}}},
			Roles: []spec.OtherRole{{Role: pki.Client, As: pki.Client}}, TrustForeign: []spec.ForeignTrust{{Role: pki.Server}},
		},
		Regions:    []spec.Region{{}, {Name: "eu"}},
		Ports:      []spec.AgentPorts{{Role: pki.Client, HTTP: 5656}},
		Overrides:  []spec.Override{{Role: pki.Client, Path: "tls.http", Value: "false"}},
		ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Server}, {Name: "y", Role: pki.Client, Region: "eu"}},
	}
}

func TestDefaults(t *testing.T) {
	three, two := 3, 2
	want := spec.Spec{
		Name: "lab", LogLevel: "INFO", Authority: spec.Authority{Source: "builtin"}, GossipKeyBytes: 32,
		Regions:    []spec.Region{{Name: "global", Datacenter: "dc1", Servers: &three, Clients: &two}},
		ExtraNodes: []spec.ExtraNode{},
	}
	if diff := cmp.Diff(want, spec.Spec{}.WithDefaults()); diff != "" {
		t.Errorf("the zero Spec (-want +got):\n%s", diff)
	}
	extraNodes := fullSpec().WithDefaults().ExtraNodes
	wantExtraNodes := []spec.ExtraNode{
		{Name: "x", Role: pki.Server, Region: "global", CertificateRole: pki.Server, CertificateRegion: "global"},
		{Name: "y", Role: pki.Client, Region: "eu", CertificateRole: pki.Client, CertificateRegion: "eu"},
	}
	if diff := cmp.Diff(wantExtraNodes, extraNodes); diff != "" {
		t.Errorf("extra nodes (-want +got):\n%s", diff)
	}
}

func TestDefaultsKeepWhatTheUserSaid(t *testing.T) {
	wanted := spec.Spec{Name: "mine", LogLevel: "TRACE", Authority: spec.Authority{Source: "nomad"}, GossipKeyBytes: 16, Regions: []spec.Region{{Name: "eu", Datacenter: "rack", Servers: new(1), Clients: new(0)}}}
	want := wanted.With()
	want.ExtraNodes = []spec.ExtraNode{}
	if diff := cmp.Diff(want, wanted.WithDefaults()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDefaultsLeaveTheCallersSpecAlone: the same Spec may be used for several labs, by several tests.
func TestDefaultsLeaveTheCallersSpecAlone(t *testing.T) {
	spec := fullSpec()
	_ = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	_ = spec.Warnings()
	if diff := cmp.Diff(fullSpec(), spec); diff != "" {
		t.Errorf("the caller's Spec was changed (-before +after):\n%s", diff)
	}
}

func TestOptions(t *testing.T) {
	got := spec.Spec{}.With(
		spec.Name("mine"), spec.Version("1.10.5"), spec.LogLevel("TRACE"), spec.Servers(5), spec.Clients(0),
		spec.Set("", "tls.http", "false"), spec.Set(pki.Server, "server.encrypt", ""),
		spec.Set("", "enable_debug", "true"), spec.Set(pki.Server, "tls.http", ""),
		spec.DefectiveCertificates("", pki.NoEKU()), spec.CertificateNames(pki.Client, "a", "b"), spec.CertificateRole(pki.Client, pki.Server),
		spec.TrustForeign(pki.Server),
		spec.Hardened(), spec.NotBootstrapped(),
		spec.ExtraNodes(spec.ExtraNode{Name: "x", Role: pki.Server}), spec.ExtraNodes(spec.ExtraNode{Name: "y", Role: pki.Client}),
	)
	five, none := 5, 0
	want := spec.Spec{
		Name: "mine", Nomad: spec.Nomad{Version: "1.10.5"}, LogLevel: "TRACE",
		Regions: []spec.Region{{Servers: &five, Clients: &none}},
		Certificates: spec.Certificates{
			Defects:      []spec.CertificateDefect{{Defect: "no-eku"}},
			Names:        []spec.ExtraNames{{Role: pki.Client, DNSNames: []string{"a", "b"}}},
			Roles:        []spec.OtherRole{{Role: pki.Client, As: pki.Server}},
			TrustForeign: []spec.ForeignTrust{{Role: pki.Server}},
		},
		Overrides: []spec.Override{
			{Path: "tls.http", Value: "false"}, {Role: pki.Server, Path: "server.encrypt"},
			{Path: "enable_debug", Value: "true"}, {Role: pki.Server, Path: "tls.http"},
		},
		ExtraNodes: []spec.ExtraNode{{Name: "x", Role: pki.Server}, {Name: "y", Role: pki.Client}},
		Hardened:   true, NotBootstrapped: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// everyOption changes what each option changes.
func everyOption() []spec.Option {
	return []spec.Option{
		spec.Name("other"), spec.Version("2"), spec.LogLevel("WARN"), spec.Servers(7), spec.Clients(7),
		spec.ExtraNodes(spec.ExtraNode{Name: "z"}), spec.Set("", "enable_debug", "true"),
		spec.DefectiveCertificates("", pki.NoEKU()), spec.CertificateNames(pki.Client, "a"), spec.CertificateRole(pki.Client, pki.Server),
		spec.TrustForeign(pki.Server),
		func(s *spec.Spec) {
			s.Regions[1].Name, s.ExtraNodes[0].Name = "us", "renamed"
			s.Overrides[0].Path = "tls.rpc"
			s.Certificates.Defects[0].Defect, s.Certificates.Names[0].Role = "x", "x"
			s.Certificates.Roles[0].As, s.Certificates.TrustForeign[0].Role = "x", "x"
		},
	}
}

// TestWithAndLikeCopy: a scenario's Spec is shared by all that play it; what one adds must not show in another's.
func TestWithAndLikeCopy(t *testing.T) {
	for name, derive := range map[string]func(spec.Spec) spec.Spec{
		"With": func(s spec.Spec) spec.Spec { return s.With(everyOption()...) },
		"Like": func(s spec.Spec) spec.Spec {
			return spec.Spec{}.With(append([]spec.Option{spec.Like(s)}, everyOption()...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := fullSpec()
			// Room behind the slices' ends is where a careless append writes.
			wanted.ExtraNodes = append(make([]spec.ExtraNode, 0, 8), wanted.ExtraNodes...)
			wanted.Overrides = append(make([]spec.Override, 0, 8), wanted.Overrides...)
			wanted.Certificates.TrustForeign = append(make([]spec.ForeignTrust, 0, 8), wanted.Certificates.TrustForeign...)
			derived := derive(wanted)
			if derived.Name != "other" || len(derived.ExtraNodes) != 3 || *derived.Regions[0].Servers != 7 {
				t.Errorf("the options were not applied: %+v", derived)
			}
			if diff := cmp.Diff(fullSpec(), wanted); diff != "" {
				t.Errorf("the original was changed (-before +after):\n%s", diff)
			}
			if stray := wanted.ExtraNodes[:3][2]; stray != (spec.ExtraNode{}) {
				t.Errorf("%+v was written behind the end of the original's extra nodes", stray)
			}
			if stray := wanted.Certificates.TrustForeign[:2][1]; stray != (spec.ForeignTrust{}) {
				t.Errorf("%+v was written behind the end of the original's trust", stray)
			}
			if stray := wanted.Overrides[:2][1]; stray != (spec.Override{}) {
				t.Errorf("%+v was written behind the end of the original's settings", stray)
			}
		})
	}
}

func TestLikeTakesEverythingOver(t *testing.T) {
	got := spec.Spec{Name: "before"}.With(spec.Like(fullSpec()))
	if diff := cmp.Diff(fullSpec(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSpecReachesNothing: no file of this package has the means to look at a disk, a network or an engine. Package time is
// here for durations alone; what the user's file is read by is package userfile's.
func TestSpecReachesNothing(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "context", "errors", "fmt", "io", "regexp", "slices", "strings", "time",
		"github.com/goccy/go-yaml", "github.com/goccy/go-yaml/lexer", "github.com/goccy/go-yaml/token",
		"nomadlab.internal/lab/agentconf", "nomadlab.internal/lab/pki", "nomadlab.internal/internal/userfile",
	}
	files, err := filepath.Glob("*.go")
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if err != nil || len(files) < 5 {
		t.Fatalf("the files are %q: %v", files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if path, err := strconv.Unquote(i.Path.Value); err != nil || !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if s, is := n.(*ast.SelectorExpr); is && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, s.Sel.Name) {
				t.Errorf("%s asks the clock: %s", file, s.Sel.Name)
			}
			return true
		})
	}
}
