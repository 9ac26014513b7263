package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TestOverridesOnThisMachine: what others could exploit is refused there, and only there.
func TestOverridesOnThisMachine(t *testing.T) {
	rawExec := spec.Override{Path: "plugin.raw_exec.config.enabled", Value: "true"}
	templates := spec.Override{Path: "client.template.function_denylist", Value: "[]"}
	for name, c := range map[string]struct {
		spec    spec.Spec
		refused bool
	}{
		"raw_exec alone":             {spec.Spec{Overrides: []spec.Override{rawExec}}, false},
		"raw_exec and plain HTTP":    {spec.Spec{Overrides: []spec.Override{rawExec, {Path: "tls.http", Value: "false"}}}, true},
		"raw_exec and no gossip key": {spec.Spec{Overrides: []spec.Override{rawExec, noGossipKey()}}, true},
		"raw_exec of one, and no key of another": {spec.Spec{Overrides: []spec.Override{
			{Node: "client-1", Path: rawExec.Path, Value: "true"}, {Node: "server-2", Path: "server.encrypt"},
		}}, true},
		"raw_exec and a setting":         {spec.Spec{Overrides: []spec.Override{rawExec, {Path: "tls.http"}}}, true},
		"raw_exec by another spelling":   {spec.Spec{Overrides: []spec.Override{{Path: "Plugin.raw_exec.config.enabled", Value: "true"}, {Path: "tls.http"}}}, true},
		"raw_exec and the other drivers": {spec.Spec{Overrides: []spec.Override{{Path: "client.options", Value: "{}"}}}, true},
		"tasks on every interface":       {spec.Spec{Overrides: []spec.Override{{Path: "client.network_interface"}}}, true},
		"templates, and a client that forgets tokens late": {spec.Spec{Hardened: true, Overrides: []spec.Override{
			templates, {Role: pki.Client, Path: "acl.token_ttl", Value: `"24h"`}, {Role: pki.Client, Path: "acl.enabled", Value: "false"},
		}}, false},
		"templates, and no tokens":      {spec.Spec{Overrides: []spec.Override{templates}}, true},
		"templates by another spelling": {spec.Spec{Overrides: []spec.Override{{Path: "Client.Template.disable_file_sandbox", Value: "true"}}}, true},
		"downloads, and no tokens":      {spec.Spec{Overrides: []spec.Override{{Path: "client.artifact.disable_filesystem_isolation", Value: "true"}}}, true},
		"templates of a hardened lab":   {spec.Spec{Hardened: true, Overrides: []spec.Override{templates}}, false},
		"templates, and ACLs are off": {spec.Spec{Hardened: true, Overrides: []spec.Override{
			templates, {Path: "acl.enabled", Value: "false"},
		}}, true},
		"templates of a hardened lab that any caller may bootstrap": {spec.Spec{Hardened: true, NotBootstrapped: true, Overrides: []spec.Override{templates}}, true},
		"programs of a folder, and no tokens":                       {spec.Spec{Overrides: []spec.Override{{Path: "client.host_volume_plugin_dir", Value: `"/opt/volumes"`}}}, true},
		"another setting":                                           {spec.Spec{Overrides: []spec.Override{{Path: "enable_debug", Value: "true"}}}, false},
	} {
		if strings.HasSuffix(name, "interface") {
			c.spec.Overrides[0].Value = `"eth0"`
		}
		_, err := plan.New(c.spec, plan.Processes())
		if errors.Is(err, spec.ErrInvalid) != c.refused || (err != nil) != c.refused {
			t.Errorf("%s: got %v, want it refused: %v", name, err, c.refused)
		}
		if c.refused && !strings.Contains(err.Error(), "bring the lab up in containers") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := plan.New(c.spec, spectest.Containers()); err != nil {
			t.Errorf("%s, in containers: %v", name, err)
		}
	}
}

// TestOverrideThatDoesNotFit: one that does not fit the text that it changes is an error of the user.
func TestOverrideThatDoesNotFit(t *testing.T) {
	for path, want := range map[string]string{
		"tls.tls_min_version": `"no tls.tls_min_version", for server-1: change tls.tls_min_version: there is no line`,
		"tls.ca_file.x":       "ca_file is not a block here",
	} {
		_, err := plan.New(spec.Spec{}.With(spec.Set("", path, "")), spectest.Containers())
		if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// linesOf returns the lines of a node's configuration with a value, without the blocks around them, and "gossip key" if it has a
// file with one.
func linesOf(n plan.Node) []string {
	var out []string
	for _, f := range n.Files {
		for line := range strings.Lines(f.Content) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.Join(strings.Fields(line), " "); strings.Contains(line, " = ") {
				out = append(out, line)
			}
		}
		if f.Secret == plan.Gossip {
			out = append(out, "gossip key")
		}
	}
	slices.Sort(out)
	return out
}

// edit is one change of lines: those that go, and those that come.
type edit struct{ away, come []string }

// mutation is an override that removes one protection, with what it changes in the configuration of servers and of clients.
type mutation struct {
	override        spec.Override
	servers, client edit
}

// noGossipKey takes the gossip key from every server.
func noGossipKey() spec.Override { return spec.Override{Role: pki.Server, Path: "server.encrypt"} }

// runRawExec lets a caller who may submit a job run any command as the agent's user. A lab without ACLs runs such tasks anyway.
func runRawExec() spec.Override {
	return spec.Override{Path: "plugin.raw_exec.config.enabled", Value: "true"}
}

// mutations returns overrides that remove one protection each.
func mutations() []mutation {
	all := func(path, value, away string) mutation {
		_, name, below := strings.Cut(path, ".")
		if !below {
			name = path
		}
		e := edit{come: []string{name + " = " + value}}
		if away != "" {
			e.away = []string{away}
		}
		return mutation{spec.Override{Path: path, Value: value}, e, e}
	}
	return []mutation{
		all("tls.http", "false", "http = true"),
		all("tls.rpc", "false", "rpc = true"),
		all("tls.verify_server_hostname", "false", "verify_server_hostname = true"),
		all("tls.verify_https_client", "false", "verify_https_client = true"),
		{noGossipKey(), edit{away: []string{"gossip key"}}, edit{}},
		all("tls.rpc_upgrade_mode", "true", ""),
		all("tls.tls_min_version", `"tls10"`, ""),
		all("limits.http_max_conns_per_client", "0", ""),
		all("limits.rpc_max_conns_per_client", "0", ""),
		all("limits.https_handshake_timeout", `"0s"`, ""),
		all("limits.rpc_handshake_timeout", `"0s"`, ""),
		all("enable_debug", "true", ""),
		{override: runRawExec()},
		all("acl.enabled", "false", ""),
		{spec.Override{Role: pki.Client, Path: "acl.enabled", Value: "false"}, edit{}, edit{come: []string{"enabled = false"}}},
		{spec.Override{Path: "server.client_introduction.enforcement", Value: `"none"`}, edit{come: []string{`enforcement = "none"`}}, edit{}},
	}
}

// mutationOverrides returns the overrides of all mutations.
func mutationOverrides() []spec.Override {
	var all []spec.Override
	for _, w := range mutations() {
		all = append(all, w.override)
	}
	return all
}

// TestAnOverrideRemovesOneProtection from every agent that it is for, and no other protection; no override removes none.
func TestAnOverrideRemovesOneProtection(t *testing.T) {
	sound := spectest.Plan(t, spec.Spec{}).Nodes
	demand := func(t *testing.T, spec spec.Spec, changed func(plan.Node) edit) {
		t.Helper()
		for i, n := range spectest.Plan(t, spec).Nodes {
			e := changed(n)
			if missing := slices.DeleteFunc(slices.Clone(e.away), func(line string) bool { return slices.Contains(linesOf(sound[i]), line) }); len(missing) > 0 {
				t.Errorf("%v: a sound %s does not have %q, which was to go", spec.Overrides, n.Name, missing)
			}
			want := slices.DeleteFunc(linesOf(sound[i]), func(line string) bool { return slices.Contains(e.away, line) })
			want = append(want, e.come...)
			slices.Sort(want)
			if diff := cmp.Diff(want, linesOf(n)); diff != "" {
				t.Errorf("%v: %s (-want +got):\n%s", spec.Overrides, n.Name, diff)
			}
		}
	}
	demand(t, spec.Spec{}, func(plan.Node) edit { return edit{} })
	for _, w := range mutations() {
		of := func(n plan.Node) edit {
			if n.Role == pki.Client {
				return w.client
			}
			return w.servers
		}
		t.Run(w.override.String(), func(t *testing.T) {
			demand(t, spec.Spec{Overrides: []spec.Override{w.override}}, of)
		})
		for _, node := range []string{"server-3", "client-1"} {
			one := w.override
			one.Node = node
			if one.Role != "" && !strings.HasPrefix(node, string(one.Role)) {
				continue // TestNodesThatThereAreNot has it
			}
			t.Run(one.String(), func(t *testing.T) {
				demand(t, spec.Spec{Overrides: []spec.Override{one}}, func(n plan.Node) edit {
					if n.Name == node {
						return of(n)
					}
					return edit{}
				})
			})
		}
	}
}

// TestGossipKeyOfOneServer: the setting takes the key from the server that it names, and from no other; one of all servers
// takes it from extra servers too, but not the other key that one was given.
func TestGossipKeyOfOneServer(t *testing.T) {
	wanted := spec.Spec{}.With(spec.Clients(1), spec.ExtraNodes(
		spec.ExtraNode{Name: "late", Role: pki.Server}, spec.ExtraNode{Name: "other", Role: pki.Server, Gossip: spec.OtherKey}))
	one := noGossipKey()
	one.Node = "server-3"
	late := noGossipKey()
	late.Node = "late"
	for name, c := range map[string]struct {
		settings []spec.Override
		without  []string
	}{
		"none":              {nil, nil},
		"one server's":      {[]spec.Override{one}, []string{"server-3"}},
		"an extra server's": {[]spec.Override{late}, []string{"late"}},
		"every server's":    {[]spec.Override{noGossipKey()}, []string{"server-1", "server-2", "server-3", "late"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := spectest.Plan(t, wanted.With(func(s *spec.Spec) { s.Overrides = c.settings }))
			for _, n := range p.Nodes {
				want := spec.LabKey
				switch {
				case slices.Contains(c.without, n.Name):
					want = spec.NoKey
				case n.Name == "other":
					want = spec.OtherKey
				}
				keyed := slices.Contains(linesOf(n), "gossip key")
				if n.Gossip != want || keyed != (want != spec.NoKey && n.Role == pki.Server) {
					t.Errorf("%s: gossip key %q, want %q; it has a file with a key: %v", n.Name, n.Gossip, want, keyed)
				}
			}
		})
	}
}

// TestEveryProtectionMayBeTaken from one lab: what a Spec asks for is its user's to say.
func TestEveryProtectionMayBeTaken(t *testing.T) {
	if err := (spec.Spec{Overrides: mutationOverrides()}).Validate(); err != nil {
		t.Error(err)
	}
}
