package regress_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// TestBlame: what is as a mutation has it comes first, in the configuration of the agents that were asked.
func TestBlame(t *testing.T) {
	set := func(role, path, value string) finding.Setting {
		return finding.Setting{Role: role, Path: path, Value: value}
	}
	rests := []string{"tls.verify_server_hostname", "tls.rpc_upgrade_mode", "tls.rpc"}
	base := []finding.Setting{
		set("server", "tls.verify_server_hostname", "true"), set("server", "tls.rpc", "true"),
		set("client", "tls.verify_server_hostname", "true"), set("client", "tls.rpc", "true"),
	}
	with := func(changed ...finding.Setting) []finding.Setting {
		all := slices.DeleteFunc(slices.Clone(base), func(s finding.Setting) bool {
			return slices.ContainsFunc(changed, func(c finding.Setting) bool { return c.Role == s.Role && c.Path == s.Path })
		})
		return append(all, slices.DeleteFunc(changed, func(s finding.Setting) bool { return s.Value == "" })...)
	}
	raw := []string{"plugin.raw_exec.config.enabled", `client.options."driver.raw_exec.enable"`}
	for name, c := range map[string]struct {
		settings []finding.Setting
		node     string
		first    string
		rests    []string
	}{
		"nothing that is known":             {with(), "s1", "tls.verify_server_hostname", rests},
		"the second":                        {with(set("server", "tls.rpc_upgrade_mode", "true")), "s1", "tls.rpc_upgrade_mode", rests},
		"what turns all of it off":          {with(set("server", "tls.rpc_upgrade_mode", "true"), set("server", "tls.rpc", "false")), "s1", "tls.rpc", rests},
		"what turns it off by not being":    {with(set("server", "tls.rpc", "")), "s1", "tls.rpc", rests},
		"of the other role":                 {with(set("client", "tls.rpc", "false")), "s1", "tls.verify_server_hostname", rests},
		"of its own role":                   {with(set("client", "tls.rpc", "false")), "c1", "tls.rpc", rests},
		"what stands, before what does not": {with(set("client", raw[1], "true")), "c1", raw[1], raw},
		"both stand, and one is on":         {with(set("client", raw[1], "false"), set("client", raw[0], "true")), "c1", raw[0], raw},
		"neither stands":                    {with(), "c1", raw[0], raw},
		"what is weak by default": {
			with(set("server", "acl.enabled", "true")), "s1", "server.client_introduction.enforcement",
			[]string{"acl.enabled", "server.client_introduction.enforcement"},
		},
		"in the role's files":          {with(set("client", raw[1], "true")), finding.FilesOf("client"), raw[1], raw},
		"what no other check rests on": {with(), finding.FilesOf("server"), "vault.token", []string{"consul.token", "vault.token"}},
	} {
		r := finding.Report{
			Cluster:       finding.Cluster{Nodes: []finding.Node{{Name: "s1", Role: "server"}, {Name: "c1", Role: "client"}}},
			Configuration: &finding.Configuration{Settings: c.settings, Others: []finding.Setting{set("server", "vault.token", "<redacted>")}},
			Findings:      []finding.Finding{{Node: c.node, Result: finding.Fail, Settings: c.rests}},
		}
		regress.OrderCauses(&r, nil)
		if got := r.Findings[0].Settings; got[0] != c.first || len(got) != len(c.rests) {
			t.Errorf("%s: %q, want %s first", name, got, c.first)
		}
	}
	if rests[0] != "tls.verify_server_hostname" {
		t.Error("the check's own list was changed")
	}
}

// TestOrderOfAClientsCertificate: where the names of a client's certificate let its holder be a server, the certificate comes
// first, as the clients' files name it; where its names are right, last.
func TestOrderOfAClientsCertificate(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(names ...string) *pki.Credential {
		c, err := authority.IssueTemplate(pki.Template{Holder: pki.Identity{Role: pki.Client}, CommonName: names[0], DNSNames: names})
		if err != nil {
			t.Fatal(err)
		}
		return &c
	}
	const verify, certificate = "tls.verify_server_hostname", "tls.cert_file"
	for name, c := range map[string]struct {
		id     string
		client *pki.Credential
		want   []string
	}{
		"a server's name":         {"rpc-gives-root-keys-to-no-client", issue("client.global.nomad", "server.global.nomad"), []string{certificate, verify}},
		"one of a longer domain":  {"rpc-gives-root-keys-to-no-client", issue("client.global.nomad", "server.x.global.nomad"), []string{certificate, verify}},
		"right names":             {"raft-refuses-client-certificate", issue("client.global.nomad"), []string{verify, certificate}},
		"none of the user":        {"raft-refuses-client-certificate", nil, []string{verify}},
		"a check of another kind": {"rpc-refuses-cli-certificate", issue("server.global.nomad"), []string{verify}},
	} {
		r := finding.Report{
			Cluster:       finding.Cluster{Nodes: []finding.Node{{Name: "s1", Role: "server"}}},
			Configuration: &finding.Configuration{Settings: []finding.Setting{{Role: "server", Path: verify, Value: "true"}}},
			Findings:      []finding.Finding{{ID: c.id, Node: "s1", Result: finding.Fail, Settings: []string{verify}}},
		}
		regress.OrderCauses(&r, c.client)
		if got := r.Findings[0]; !slices.Equal(got.Settings, c.want) || slices.Contains(c.want, certificate) && got.RoleOf(certificate, "server") != "client" {
			t.Errorf("%s: %q, of %s; want %q", name, got.Settings, got.RoleOf(certificate, "server"), c.want)
		}
	}
}
