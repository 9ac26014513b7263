package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// planned returns the plan of the arguments for the process engine, and the warnings.
func planned(t *testing.T, args ...string) (plan.Plan, string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	r := call(t, newApp(), "", append([]string{"--engine", string(engines.Process), "plan", "--format", "json"}, args...)...)
	if r.code != exitFine {
		t.Fatalf("plan %v: %+v", args, r)
	}
	var p plan.Plan
	if err := json.Unmarshal([]byte(r.out), &p); err != nil {
		t.Fatal(err)
	}
	return p, r.errs
}

// nodesOf returns the names of the nodes for which is returns true, in the plan's order.
func nodesOf(p plan.Plan, is func(plan.Node) bool) []string {
	names := []string{}
	for _, n := range p.Nodes {
		if is(n) {
			names = append(names, n.Name)
		}
	}
	return names
}

// says reports whether the node's configuration has the line, apart from spaces.
func says(n plan.Node, line string) bool {
	for _, f := range n.Files {
		for l := range strings.Lines(f.Content) {
			l, _, _ = strings.Cut(l, "#")
			if strings.Join(strings.Fields(l), " ") == line {
				return true
			}
		}
	}
	return false
}

// TestPlanOfAMutation: the configuration of the last server has the change, and no other has it.
func TestPlanOfAMutation(t *testing.T) {
	p, warned := planned(t, "--mutation", "server-plain-http", "--servers", "3", "--clients", "1")
	if !p.Hardened {
		t.Error("the lab is not hardened")
	}
	if diff := cmp.Diff([]spec.Override{{Role: pki.Server, Node: "server-3", Path: "tls.http", Value: "false"}}, p.Overrides); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	for line, want := range map[string][]string{
		"http = false": {"server-3"}, "http = true": {"server-1", "server-2", "client-1"}, "rpc = true": {"server-1", "server-2", "server-3", "client-1"},
	} {
		if diff := cmp.Diff(want, nodesOf(p, func(n plan.Node) bool { return says(n, line) })); diff != "" {
			t.Errorf("nodes with the line %q (-want +got):\n%s", line, diff)
		}
	}
	contains(t, warned, "tls.http = false on server-3")
	text := call(t, newApp(), "", "--engine", string(engines.Process), "plan", "--mutation", "server-plain-http")
	contains(t, text.out, "hardened: ", "tls.http = false on server-3\n")
}

// TestWhichAgentsCarryAMutation: the last agent of a role, an extra node if it is cut off, or all agents of the scope.
func TestWhichAgentsCarryAMutation(t *testing.T) {
	for _, c := range []struct {
		args     string
		carriers []string
		carries  func(plan.Node) bool
	}{
		{"--mutation client-plain-http", []string{"client-2"}, func(n plan.Node) bool { return says(n, "http = false") }},
		{"--mutation server-plain-http --servers 1", []string{"server-1"}, func(n plan.Node) bool { return says(n, "http = false") }},
		{"--mutation server-no-gossip-key", []string{"server-4"}, func(n plan.Node) bool { return n.ExtraNode && n.Gossip == spec.NoKey }},
		{"--mutation no-gossip-key", []string{"server-1", "server-2", "server-3"}, func(n plan.Node) bool { return n.Gossip == spec.NoKey }},
		{"--mutation client-certificate-no-eku", []string{"client-2"}, func(n plan.Node) bool { return n.Defect == "no-eku" }},
		{"--mutation client-certificate-expired", []string{"client-3"}, func(n plan.Node) bool { return n.ExtraNode && n.Defect == "expired" }},
		{"--mutation client-foreign-authority", []string{"client-2"}, func(n plan.Node) bool { return n.TrustsForeign }},
		{"--mutation client-with-certificate-of-server", []string{"client-2"}, func(n plan.Node) bool { return n.Role != n.Identity.Role }},
		{"--mutation plain-rpc --servers 1 --clients 1", []string{"server-1", "client-1"}, func(n plan.Node) bool { return says(n, "rpc = false") }},
		{"--mutation rogue-server", []string{mutation.Rogue}, func(n plan.Node) bool { return n.ExtraNode && n.Defect == "foreign" }},
	} {
		t.Run(c.args, func(t *testing.T) {
			p, _ := planned(t, strings.Fields(c.args)...)
			if diff := cmp.Diff(c.carriers, nodesOf(p, c.carries)); diff != "" {
				t.Errorf("nodes that carry it (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMutationInARegion: a mutation that names a region takes the region of the lab's file.
func TestMutationInARegion(t *testing.T) {
	file := written(t, "mutation: client-certificate-two-roles\nregions: [{name: eu, servers: 1, clients: 2}]\n")
	p, _ := planned(t, "--file", file)
	named := nodesOf(p, func(n plan.Node) bool { return slices.Contains(n.Identity.DNSNames, "server.eu.nomad") })
	if diff := cmp.Diff([]string{"client-2"}, named); diff != "" {
		t.Errorf("nodes whose certificate names a server (-want +got):\n%s", diff)
	}
}

// TestMutationsThatNoLabCarries: the commands refuse them with the reason, and start nothing.
func TestMutationsThatNoLabCarries(t *testing.T) {
	one, two := written(t, "mutation: server-key-for-everybody\n"),
		written(t, "mutation: server-plain-http\nregions: [{name: eu}, {name: us}]\n")
	former := written(t, "weaken: [tls.http]\n")
	for _, test := range []struct{ args, says string }{
		{"--mutation no-such-mutation", "no such mutation: \"no-such-mutation\": `nomadlab mutate --list` shows all"},
		{"--mutation server-plain-*", "`nomadlab mutate --list` shows all"},
		{"--mutation server-key-for-everybody", "no lab can carry the mutation server-key-for-everybody: it changes how a user's own files are kept"},
		{"--file " + one, "no lab can carry the mutation server-key-for-everybody: "},
		{"--mutation overlay-of-false", "it changes lines that only a user's own files have"},
		{"--mutation default-enable_debug", "it changes lines that only a user's own files have"},
		{"--mutation documented-gossip-key", "see installed-documented-gossip-key"},
		{"--mutation server-plain-http --hardened=false", "leave --hardened=false out"},
		{"--file " + two, "a lab of 2 regions carries no mutation"},
		{"--mutation client-plain-http --clients 0", "the mutation client-plain-http is carried by a client, and the lab has none"},
		{"--file " + former, "`mutation: server-plain-http`"},
		{"--mutation server-plain-http --format compose", "a lab of Compose carries no mutation: leave server-plain-http out"},
	} {
		for _, command := range []string{"up", "plan"} {
			if command == "up" && strings.Contains(test.args, "--format") {
				continue // it has no such flag
			}
			t.Run(command+" "+test.args, func(t *testing.T) {
				a, _ := faked(t) // whose engine panics when anything is to be created
				r := call(t, a, "", append([]string{command}, strings.Fields(test.args)...)...)
				if r.code != exitUsage || r.out != "" {
					t.Errorf("exit code %d, on standard output %q", r.code, r.out)
				}
				contains(t, r.errs, test.says)
			})
		}
	}
}

// TestEveryMutationOfALabCanBePlanned: every other one says why it cannot.
func TestEveryMutationOfALabCanBePlanned(t *testing.T) {
	loopback := plan.HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}, Folder: "/tmp/nomadlab-1000/RUN"}
	for _, m := range mutation.All() {
		s, p, err := parseMutated("--mutation", m.ID)
		if reason := m.WhyNotInLab(); reason != "" {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: error %v, want one that says %q", m.ID, err, reason)
			}
			continue
		}
		if err != nil || len(p.Placed) != 1 || p.Placed[0].Mutation.ID != m.ID || !s.Hardened {
			t.Errorf("%s: %v: %+v, hardened: %v", m.ID, err, p.Placed, s.Hardened)
			continue
		}
		if _, err := plan.New(s, loopback); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
	}
}

// TestMutationOfTheFileAndTheFlag: the flag wins, even with an empty value.
func TestMutationOfTheFileAndTheFlag(t *testing.T) {
	file := written(t, "name: filed\nmutation: server-plain-http\noverrides: [{path: log_json, value: \"true\"}]\n")
	own := spec.Override{Path: "log_json", Value: "true"}
	for _, c := range []struct {
		name, carried string
		args          []string
		hardened      bool
		overrides     []spec.Override
	}{
		{"the file's", "server-plain-http", nil, true, []spec.Override{own, {Role: pki.Server, Node: "server-3", Path: "tls.http", Value: "false"}}},
		{"the flag's", "client-profiler", []string{"--mutation", "client-profiler"}, true, []spec.Override{own, {Role: pki.Client, Node: "client-2", Path: "enable_debug", Value: "true"}}},
		{"none", "", []string{"--mutation", ""}, false, []spec.Override{own}},
		{"the file's, among fewer servers", "server-plain-http", []string{"--servers", "1"}, true, []spec.Override{own, {Role: pki.Server, Node: "server-1", Path: "tls.http", Value: "false"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p, err := parseMutated(append([]string{"--file", file}, c.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			var carried []string
			for _, placed := range p.Placed {
				carried = append(carried, placed.Mutation.ID)
			}
			if strings.Join(carried, " ") != c.carried || s.Hardened != c.hardened || s.Name != "filed" {
				t.Errorf("carries %q, hardened %v, named %q", carried, s.Hardened, s.Name)
			}
			if diff := cmp.Diff(c.overrides, s.Overrides); diff != "" {
				t.Errorf("overrides (-want +got):\n%s", diff)
			}
		})
	}
}

// TestListOfMutations finds every mutation once, with its commands.
func TestListOfMutations(t *testing.T) {
	all := user{}.must(t, "mutate", "--list")
	lines := map[string]string{}
	for line := range strings.Lines(all) {
		id, rest, _ := strings.Cut(line, " ")
		if lines[id] != "" {
			t.Errorf("%s is listed twice", id)
		}
		lines[id] = strings.Join(strings.Fields(rest), " ")
	}
	for id, want := range map[string]string{
		"MUTATION":                        "KIND FOR CHANGE",
		"server-names-not-verified":       "weaker mutate, up tls.verify_server_hostname = false on a server",
		"server-plain-http":               "weaker mutate, up tls.http = false on a server",
		"no-acl":                          "weaker mutate, up acl.enabled = false on every agent",
		"no-gossip-key":                   "weaker mutate, up no server.encrypt on all servers",
		"rogue-server":                    "weaker up a server of another authority that has server.encrypt",
		"server-key-for-everybody":        "weaker mutate mode 0644 of tls.key_file on a server",
		"default-enable_debug":            "equivalent mutate no enable_debug = false on every agent",
		"installed-documented-gossip-key": "weaker up nomad operator gossip keyring install of the gossip key of the documentation",
	} {
		if lines[id] != want {
			t.Errorf("%s: %q, want %q", id, lines[id], want)
		}
	}
	delete(lines, "MUTATION")
	var ids []string
	for _, m := range mutation.All() {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, slices.Sorted(maps.Keys(lines))); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
	var listed []mutationJSON
	if err := json.Unmarshal([]byte(user{}.must(t, "mutate", "--list", "--json", "--only", "rogue-server,default-enable_debug")), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 2 || listed[0].ID != "rogue-server" || !slices.Equal(listed[0].For, []string{"up"}) || listed[1].Equivalent == "" {
		t.Errorf("as JSON: %+v", listed)
	}
	some := user{}.must(t, "mutate", "--list", "--only", "server-plain-*,rogue-server")
	if got := strings.Count(some, "\n"); got != 4 {
		t.Errorf("%d lines, want a head and three:\n%s", got, some)
	}
}

// TestMutationsAreCompleted: only those that a lab can carry.
func TestMutationsAreCompleted(t *testing.T) {
	said := user{}.must(t, "__complete", "up", "--mutation", "server-")
	contains(t, said, "server-plain-http\n", "server-certificate-expired\n")
	for _, id := range []string{"server-key-for-everybody", "default-enable_debug"} {
		if strings.Contains(user{}.must(t, "__complete", "up", "--mutation", ""), id) {
			t.Errorf("%s is offered, and no lab can carry it", id)
		}
	}
}

// TestUpWithAMutation brings up a real lab in which exactly one server answers plain HTTP.
func TestUpWithAMutation(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	name := unused(t)
	realEngine(t, engines.Process, name)
	on := func(args ...string) result {
		t.Helper()
		return call(t, newApp(), "", append([]string{"--engine", string(engines.Process)}, args...)...)
	}
	defer func() {
		if r := on("down", name); r.code != exitFine {
			t.Errorf("down: %+v", r)
		}
	}()
	r := on("up", "--name", name, "--mutation", "server-plain-http", "--servers", "3", "--clients", "1")
	if r.code != exitFine {
		t.Fatalf("up: %+v", r)
	}
	contains(t, r.out, "is ready", "3 servers, 1 client", "server-3 carries the mutation server-plain-http: tls.http = false")
	contains(t, r.errs, "tls.http = false on server-3")
	m, err := mutation.ByID("server-plain-http")
	if err != nil {
		t.Fatal(err)
	}
	ids, known := m.Fails(mutation.Agent)
	if said := strings.Contains(r.out, "fails because of it"); said != known {
		t.Errorf("the checks that fail are known: %v, and named: %v, in:\n%s", known, said, r.out)
	}
	contains(t, r.out, ids...)
	var status lab.Status
	if err := json.Unmarshal([]byte(on("status", name, "--json").out), &status); err != nil {
		t.Fatal(err)
	}
	answers := map[string]int{}
	for _, n := range status.Nodes {
		_, address, _ := strings.Cut(n.HTTP, "://")
		answers[n.Name] = plainly(t, address)
	}
	if diff := cmp.Diff(map[string]int{"server-1": 400, "server-2": 400, "server-3": 200, "client-1": 400}, answers); diff != "" {
		t.Errorf("answers to plain HTTP (-want +got):\n%s", diff)
	}
}

// plainly returns the status code of the agent's health in plain HTTP.
func plainly(t *testing.T, address string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/agent/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	return answer.StatusCode
}
