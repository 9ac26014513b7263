package lab_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

func mustPlan(t *testing.T, s spec.Spec, occupied ...netip.Prefix) lab.Plan {
	t.Helper()
	p, err := lab.NewPlan(s, lab.Containers(occupied...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNamedPlanKeepsTheAddressesThatWereAskedFor in certificates, and refuses a subnet, which it could not have.
func TestNamedPlanKeepsTheAddressesThatWereAskedFor(t *testing.T) {
	spec := plannedSpecs()["details"]
	_, err := lab.NewPlan(spec, lab.Ground{Named: true})
	if problems := problemsOf(t, err); len(problems) != 1 || problems[0].Field != "subnet" {
		t.Errorf("with a subnet: %v", problems)
	}
	spec.Subnet = ""
	p, err := lab.NewPlan(spec, lab.Ground{Named: true})
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
	weakened := [][]spec.Setting{nil}
	for _, w := range weakenings() {
		weakened = append(weakened, []spec.Setting{w.setting})
	}
	for _, w := range weakened {
		for ground, want := range map[string]bool{"containers": true, "processes": len(w) == 0 || w[0] == runRawExec()} {
			g := lab.Containers()
			if ground == "processes" {
				g = lab.Processes()
			}
			p, err := lab.NewPlan(spec.Spec{Settings: w}, g)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range p.Nodes {
				for _, f := range n.Files {
					if got := strings.Contains(f.Content, runsRawExec); f.Content != "" && got != (want && n.Role == pki.Client) {
						t.Errorf("%s, weakened by %v: raw_exec at %s is %v", ground, w, n.Name, got)
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
			first, second := mustPlan(t, spec, before...), mustPlan(t, spec, before...)
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

// TestPlansDoNotShareMemory: whoever edits one plan must not edit another.
func TestPlansDoNotShareMemory(t *testing.T) {
	first, second := mustPlan(t, spec.Spec{}), mustPlan(t, spec.Spec{})
	n := first.Nodes[0]
	n.Aliases[0], n.Ports[0], n.Command[0], n.Environment[0], n.Files[0].Path = "x", 1, "x", "x", "x"
	if diff := cmp.Diff(mustPlan(t, spec.Spec{}), second, addresses()); diff != "" {
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
	for _, g := range []lab.Ground{lab.Containers(), lab.Processes()} {
		for wanted, want := range map[bool]int{false: 2, true: 0} {
			p, err := lab.NewPlan(spec.Spec{Hardened: wanted}, g)
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
// and what the host uses are evaluated elsewhere, and handed in. io/fs and net/netip are types alone.
func TestPlanReachesNothing(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "errors", "fmt", "hash/fnv", "io/fs", "net/netip", "path", "regexp", "slices", "strconv", "strings", "time",
		"github.com/hashicorp/go-sockaddr", "nomadlab.internal/lab/agentconf", "nomadlab.internal/lab/agentconf/settings", "nomadlab.internal/lab/fit", "nomadlab.internal/lab/pki",
		"nomadlab.internal/lab/spec",
	}
	for _, file := range []string{"plan.go", "configured.go", "plansettings.go", "fit/fit.go", "fit/rules.go", "fit/own.go", "hardened.go", "address.go", "subnet.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if path, err := strconv.Unquote(i.Path.Value); err != nil || !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
	}
}

// TestPlanDoesNotAskTheHost: go-sockaddr could. A name in a certificate's list must not be looked up, nor a template
// evaluated.
func TestPlanDoesNotAskTheHost(t *testing.T) {
	for found, right := range map[string]string{"localhost": "127.0.0.1", "{{ GetPrivateIP }}": "192.0.2.1", "127.0.0.1:80": "::1"} {
		_, err := lab.NewPlan(spec.Spec{Certificates: spec.Certificates{IPs: []string{right, found}}}, lab.Containers())
		problems := problemsOf(t, err)
		if problems[0].Field != "certificates.ips[1]" || problems[0].Found != strconv.Quote(found) {
			t.Errorf("%s: %v", found, problems)
		}
		mustPlan(t, spec.Spec{Certificates: spec.Certificates{IPs: []string{right, right}}})
	}
}

func TestPlanOfHundredClients(t *testing.T) {
	p := mustPlan(t, spec.Spec{}.With(spec.Clients(100)))
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
func checkAddresses(t *testing.T, p lab.Plan) {
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
	p := mustPlan(t, plannedSpecs()["two-regions"])
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
	p := mustPlan(t, plannedSpecs()["two-regions"])
	address := map[string]string{}
	for _, n := range p.Nodes {
		address[n.Name] = n.Address.String()
	}
	for _, n := range p.Nodes {
		config := n.Files[slices.IndexFunc(n.Files, func(f lab.PlannedFile) bool { return f.Content != "" })].Content
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
