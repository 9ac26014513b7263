package plan_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TestAlteredCertificatesLackAProtection: on this machine such a lab runs no raw_exec tasks, and the warnings say what is altered.
func TestAlteredCertificatesLackAProtection(t *testing.T) {
	for want, o := range map[string]spec.Option{
		"defect no-eku on clients":               spec.DefectiveCertificates(pki.Client, pki.NoEKU()),
		"names a b":                              spec.CertificateNames("", "a", "b"),
		"certificates of a server on clients":    spec.CertificateRole(pki.Client, pki.Server),
		"a foreign authority trusted on servers": spec.TrustForeign(pki.Server),
		"defect no-eku on client-2": func(s *spec.Spec) {
			s.Certificates.Defects = []spec.CertificateDefect{{Role: pki.Client, Node: "client-2", Defect: "no-eku"}}
		},
		"names a on server-1": func(s *spec.Spec) {
			s.Certificates.Names = []spec.ExtraNames{{Node: "server-1", DNSNames: []string{"a"}}}
		},
		"a foreign authority trusted on client-1": func(s *spec.Spec) {
			s.Certificates.TrustForeign = []spec.ForeignTrust{{Role: pki.Client, Node: "client-1"}}
		},
	} {
		spec := spec.Spec{}.With(o)
		if got := spec.Warnings(); len(got) != 1 || !strings.HasSuffix(got[0], ": "+want) {
			t.Errorf("the warnings are %q, want one with %q", got, want)
		}
		p, err := plan.New(spec, plan.Processes())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			if strings.Contains(configOf(n), runsRawExec) {
				t.Errorf("%s: %s runs raw_exec tasks", want, n.Name)
			}
		}
	}
}

func configOf(n plan.Node) string {
	var out strings.Builder
	for _, f := range n.Files {
		out.WriteString(f.Content)
	}
	return out.String()
}

// TestNamedPlanKeepsTheAddressesThatWereAskedFor in certificates, and refuses a subnet, which it could not have.
func TestNamedPlanKeepsTheAddressesThatWereAskedFor(t *testing.T) {
	spec := plannedSpecs()["details"]
	_, err := plan.New(spec, plan.HostEnvironment{Named: true})
	if problems := spectest.Problems(t, err); len(problems) != 1 || problems[0].Field != "subnet" {
		t.Errorf("with a subnet: %v", problems)
	}
	spec.Subnet = ""
	p, err := plan.New(spec, plan.HostEnvironment{Named: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		if got := fmt.Sprint(n.Identity.IPs); got != "[192.0.2.1 2001:db8::1]" {
			t.Errorf("%s: the certificate names %s", n.Name, got)
		}
	}
}

// runsRawExec is in the configuration of a client whose raw_exec driver is on.
const runsRawExec = "config {\n    enabled = true"

// TestRawExecOnThisMachineNeedsEveryProtection, while in containers it needs none.
func TestRawExecOnThisMachineNeedsEveryProtection(t *testing.T) {
	overrides := [][]spec.Override{nil}
	for _, w := range mutations() {
		overrides = append(overrides, []spec.Override{w.override})
	}
	for _, w := range overrides {
		for environment, want := range map[string]bool{"containers": true, "processes": len(w) == 0 || w[0] == runRawExec()} {
			host := spectest.Containers()
			if environment == "processes" {
				host = plan.Processes()
			}
			p, err := plan.New(spec.Spec{Overrides: w}, host)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range p.Nodes {
				for _, f := range n.Files {
					if got := strings.Contains(f.Content, runsRawExec); f.Content != "" && got != (want && n.Role == pki.Client) {
						t.Errorf("%s, with %v: raw_exec at %s is %v", environment, w, n.Name, got)
					}
				}
			}
		}
	}
}

// TestPlanIsAFunction: the same input gives the same plan, and the input stays as it was.
func TestPlanIsAFunction(t *testing.T) {
	occupied := []netip.Prefix{netip.MustParsePrefix("172.30.1.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	for name := range plannedSpecs() {
		t.Run(name, func(t *testing.T) {
			spec, before := plannedSpecs()[name], slices.Clone(occupied)
			if spec.Subnet != "" {
				before = nil
			}
			first, second := spectest.Plan(t, spec, before...), spectest.Plan(t, spec, before...)
			if diff := cmp.Diff(first, second, addresses()); diff != "" {
				t.Errorf("two plans of one Spec (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(plannedSpecs()[name], spec); diff != "" {
				t.Errorf("the Spec was changed (-before +after):\n%s", diff)
			}
			if before != nil && !slices.Equal(occupied, before) {
				t.Errorf("what is occupied was changed: %v", before)
			}
		})
	}
}

// TestPlansDoNotShareMemory: an edit of one plan must not change another.
func TestPlansDoNotShareMemory(t *testing.T) {
	first, second := spectest.Plan(t, spec.Spec{}), spectest.Plan(t, spec.Spec{})
	n := first.Nodes[0]
	n.Aliases[0], n.Ports[0], n.Command[0], n.Environment[0], n.Files[0].Path = "x", 1, "x", "x", "x"
	if diff := cmp.Diff(spectest.Plan(t, spec.Spec{}), second, addresses()); diff != "" {
		t.Errorf("editing one plan changed another:\n%s", diff)
	}
}

func addresses() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

// TestHardenedRunsNoRawExec, in containers neither.
func TestHardenedRunsNoRawExec(t *testing.T) {
	for _, host := range []plan.HostEnvironment{spectest.Containers(), plan.Processes()} {
		for wanted, want := range map[bool]int{false: 2, true: 0} {
			p, err := plan.New(spec.Spec{Hardened: wanted}, host)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, n := range p.Nodes {
				for _, f := range n.Files {
					got += strings.Count(f.Content, runsRawExec)
				}
			}
			if got != want {
				t.Errorf("hardened %v: %d nodes run raw_exec, want %d", wanted, got, want)
			}
		}
	}
}

// TestPlanReachesNothing: what makes a plan has no means to look at a disk, a network, a clock or an engine. Templates
// and what the host uses are evaluated elsewhere, and passed in. io/fs and net/netip are types alone.
func TestPlanReachesNothing(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "encoding/json", "errors", "fmt", "hash/fnv", "io/fs", "net/netip", "path", "regexp", "slices", "strconv", "strings",
		"github.com/hashicorp/go-sockaddr", "nomadlab.internal/lab/agentconf", "nomadlab.internal/lab/agentconf/settings", "nomadlab.internal/lab/fit", "nomadlab.internal/lab/pki",
		"nomadlab.internal/lab/spec", "nomadlab.internal/lab/authority/vault/render",
	}
	files, err := filepath.Glob("*.go")
	rendering, _ := filepath.Glob("../authority/vault/render/*.go")
	files = append(files, rendering...)
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if err != nil || len(files) < 5 {
		t.Fatalf("the files are %q: %v", files, err)
	}
	for _, file := range append(files, "../fit/fit.go", "../fit/rules.go", "../fit/own.go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			counts := path == "time" && slices.Contains(rendering, file) // the life of a certificate is a duration
			if err != nil || !slices.Contains(allowed, path) && !counts {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
	}
}

// TestPlanDoesNotAskTheHost: go-sockaddr could. A name in a certificate's list must not be looked up, nor a template
// evaluated.
func TestPlanDoesNotAskTheHost(t *testing.T) {
	for found, right := range map[string]string{"localhost": "127.0.0.1", "{{ GetPrivateIP }}": "192.0.2.1", "127.0.0.1:80": "::1"} {
		_, err := plan.New(spec.Spec{Certificates: spec.Certificates{IPs: []string{right, found}}}, spectest.Containers())
		problems := spectest.Problems(t, err)
		if problems[0].Field != "certificates.ips[1]" || problems[0].Found != strconv.Quote(found) {
			t.Errorf("%s: %v", found, problems)
		}
		spectest.Plan(t, spec.Spec{Certificates: spec.Certificates{IPs: []string{right, right}}})
	}
}

func TestPlanOfHundredClients(t *testing.T) {
	p := spectest.Plan(t, spec.Spec{}.With(spec.Clients(100)))
	if len(p.Nodes) != 103 || p.Subnet.Bits() != 24 {
		t.Errorf("%d nodes in %s, want 103 in a /24", len(p.Nodes), p.Subnet)
	}
	checkAddresses(t, p)
	names := map[string]bool{}
	for _, n := range p.Nodes {
		names[n.Name] = true
	}
	if len(names) != len(p.Nodes) {
		t.Errorf("%d names for %d nodes", len(names), len(p.Nodes))
	}
}

// checkAddresses: Docker hands out the subnet's upper half and its first address, so no node may be there.
func checkAddresses(t *testing.T, p plan.Plan) {
	t.Helper()
	lower := netip.PrefixFrom(p.Subnet.Addr(), p.Subnet.Bits()+1)
	gateway := p.Subnet.Addr().Next()
	seen := map[netip.Addr]string{gateway: "the gateway", p.Subnet.Addr(): "the network"}
	for _, n := range p.Nodes {
		if !lower.Contains(n.Address) {
			t.Errorf("%s is at %s, outside %s", n.Name, n.Address, lower)
		}
		if other, taken := seen[n.Address]; taken {
			t.Errorf("%s is at %s, and so is %s", n.Name, n.Address, other)
		}
		seen[n.Address] = n.Name
	}
}

func TestMembersOfRegionsHaveNamesOfTheirOwn(t *testing.T) {
	p := spectest.Plan(t, plannedSpecs()["two-regions"])
	got := map[string]string{}
	for _, n := range p.Nodes {
		got[n.Name] = n.Region + "/" + n.Datacenter + "/" + n.Identity.Name()
	}
	want := map[string]string{
		"eu-server-1": "eu/frankfurt/server.eu.nomad", "eu-client-1": "eu/frankfurt/client.eu.nomad",
		"us-server-1": "us/dc1/server.us.nomad", "late": "us/dc1/client.us.nomad",
	}
	if !maps.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}

// TestClientsKnowTheServersOfTheirRegionAlone, and servers gossip across regions.
func TestClientsKnowTheServersOfTheirRegionAlone(t *testing.T) {
	p := spectest.Plan(t, plannedSpecs()["two-regions"])
	address := map[string]string{}
	for _, n := range p.Nodes {
		address[n.Name] = n.Address.String()
	}
	for _, n := range p.Nodes {
		config := n.Files[slices.IndexFunc(n.Files, func(f plan.File) bool { return f.Content != "" })].Content
		for _, server := range []string{"eu-server-1", "us-server-1"} {
			rpc, serf := strings.Contains(config, address[server]+":4647"), strings.Contains(config, address[server]+":4648")
			if own := strings.HasPrefix(server, n.Region); n.Role == pki.Client && (rpc != own || serf) {
				t.Errorf("%s names %s for RPC: %v, for gossip: %v", n.Name, server, rpc, serf)
			}
			if n.Role == pki.Server && (rpc || !serf) {
				t.Errorf("%s names %s for RPC: %v, for gossip: %v", n.Name, server, rpc, serf)
			}
		}
	}
}

// TestPlanHoldsNoSecret: it is printed, kept and put into the evidence.
func TestPlanHoldsNoSecret(t *testing.T) {
	secret := regexp.MustCompile(`PRIVATE KEY|[A-Za-z0-9+/]{43}=`)
	for name, spec := range plannedSpecs() {
		if found := secret.FindString(readable(t, spectest.Plan(t, spec))); found != "" {
			t.Errorf("%s: %q", name, found)
		}
	}
	if !secret.MatchString(spectest.GossipSecret) {
		t.Error("what is looked for would not find a gossip key")
	}
}
