package plan_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// plannedSpecs are the labs whose plans are kept, by the names of their golden files.
func plannedSpecs() map[string]spec.Spec {
	three := spectest.Small()
	return map[string]spec.Spec{
		"default":     {},
		"large":       spec.Spec{Name: "large"}.With(spec.Servers(5), spec.Clients(3)),
		"two-regions": spectest.TwoRegions(),
		"extra-nodes": spectest.EveryExtraNode(),
		"mutated": {
			Regions: three.Regions, Overrides: mutationOverrides(),
			ExtraNodes: []spec.ExtraNode{{Name: "keyed", Role: pki.Server, Gossip: spec.OtherKey}, {Name: "plain", Role: pki.Server}},
		},
		"overrides": {Regions: three.Regions, Overrides: []spec.Override{
			{Role: pki.Client, Path: "tls.http", Value: "false"},
			{Path: "tls.tls_cipher_suites", Value: `"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"`},
			{Path: "server.raft_multiplier", Value: "5"},
			{Role: pki.Server, Path: "tls.verify_https_client"},
		}},
		"defects": {Regions: three.Regions, Certificates: spec.Certificates{
			Defects:      []spec.CertificateDefect{{Role: pki.Client, Defect: "no-eku"}},
			Names:        []spec.ExtraNames{{Role: pki.Server, DNSNames: []string{"server.eu.nomad", "*.global.nomad"}}},
			Roles:        []spec.OtherRole{{Role: pki.Client, As: pki.Server}},
			TrustForeign: []spec.ForeignTrust{{Role: pki.Server}},
		}, ExtraNodes: []spec.ExtraNode{{Name: "late", Role: pki.Client}, {Name: "right", Role: pki.Client, CertificateRole: pki.Client}}},
		"hardened":         spectest.EveryIntroduction(),
		"not-bootstrapped": {Regions: three.Regions, Hardened: true, NotBootstrapped: true},
		"details": {
			Name: "details", Regions: three.Regions, LogLevel: "TRACE", Subnet: "10.99.7.13/24", Nomad: spec.Nomad{Version: "1.10.5"},
			Certificates: spec.Certificates{TTL: 3600e9, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1", "2001:db8::1"}},
		},
	}
}

// wholePlans are the golden plans that are kept whole. Each of the others is kept as its difference from the default plan,
// in which every line is there for what that lab has of its own.
func wholePlans() []string { return []string{"default", "default-processes", "hardened"} }

// assertPlan compares a lab's plan in that environment with its golden file. What differs is the lab: the default plan is in the
// same environment, unless it is the default lab itself.
func assertPlan(t *testing.T, name string, wanted spec.Spec, suffix string, host plan.HostEnvironment) {
	t.Helper()
	p, from := spectest.PlanOn(t, wanted, host), host
	if name == "default" {
		from = spectest.Containers()
	}
	if name += suffix; slices.Contains(wholePlans(), name) {
		golden.Assert(t, readable(t, p), "plan-"+name+".txt")
		return
	}
	golden.Assert(t, planDifference(t, spectest.PlanOn(t, spec.Spec{}, from), p), "plan-"+name+".diff", "how plan %s differs from the default plan", name)
}

// readable is a plan for the eye: its files' contents as they are, behind the rest.
func readable(t *testing.T, p plan.Plan) string {
	t.Helper()
	var contents strings.Builder
	p.Nodes = slices.Clone(p.Nodes)
	for i, n := range p.Nodes {
		var files string
		p.Nodes[i], files = withoutContents(n)
		contents.WriteString(files)
	}
	return indented(t, p) + "\n" + contents.String()
}

// withoutContents returns the node without the contents of its files, and those contents.
func withoutContents(n plan.Node) (rest plan.Node, contents string) {
	var b strings.Builder
	n.Files = slices.Clone(n.Files)
	for i, f := range n.Files {
		if f.Content != "" {
			fmt.Fprintf(&b, "\n==> %s:%s <==\n%s", n.Name, f.Path, f.Content)
			n.Files[i].Content = "(below)"
		}
	}
	return n, b.String()
}

// indented returns the value as JSON.
func indented(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPlanGolden(t *testing.T) {
	for name, spec := range plannedSpecs() {
		t.Run(name, func(t *testing.T) { assertPlan(t, name, spec, "", spectest.Containers()) })
	}
}

// TestPlanOnThisMachineGolden is the same without containers: short paths, loopback, and no raw_exec where a protection is
// missing.
func TestPlanOnThisMachineGolden(t *testing.T) {
	for _, name := range []string{"default", "mutated", "hardened"} {
		t.Run(name, func(t *testing.T) {
			wanted := plannedSpecs()[name]
			wanted.Overrides = slices.DeleteFunc(wanted.Overrides, func(s spec.Override) bool { return s == runRawExec() })
			assertPlan(t, name, wanted, "-processes", plan.Processes())
		})
	}
}

// TestNamedPlanGolden is the same where nodes get their addresses when they start: no address stands anywhere.
func TestNamedPlanGolden(t *testing.T) {
	for _, name := range []string{"default", "two-regions"} {
		t.Run(name, func(t *testing.T) {
			named := plan.HostEnvironment{Named: true}
			assertPlan(t, name, plannedSpecs()[name], "-named", named)
			found := regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`).FindAllString(readable(t, spectest.PlanOn(t, plannedSpecs()[name], named)), -1)
			if slices.ContainsFunc(found, func(a string) bool { return !slices.Contains([]string{"0.0.0.0", "127.0.0.1", "169.254.0.0"}, a) }) {
				t.Errorf("addresses are in it: %v", found)
			}
		})
	}
}
