package report_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// TestACertificateOfAnotherRole: the certificate is named by the file of that role, not of the node that was asked.
func TestACertificateOfAnotherRole(t *testing.T) {
	r := finding.Report{
		Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "s1", Role: "server"}}},
		Configuration: &finding.Configuration{Settings: []finding.Setting{
			{Role: "server", Path: "tls.cert_file", Value: "s.pem", File: "server.hcl", Line: 4},
			{Role: "client", Path: "tls.cert_file", Value: "c.pem", File: "client.hcl", Line: 5},
		}},
		Findings: []finding.Finding{{ID: "a", Node: "s1", Result: finding.Fail, Severity: "high", Settings: []string{"tls.cert_file"}, CertificateOf: "client"}},
	}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "rests on  tls.cert_file (c.pem at client.hcl:5)\n"; !strings.Contains(text.String(), want) {
		t.Errorf("want %q in:\n%s", want, text.String())
	}
}

// TestASecretThatNoOtherCheckRestsOn: the secret is named with its line in the files of the role.
func TestASecretThatNoOtherCheckRestsOn(t *testing.T) {
	r := finding.Report{
		Configuration: &finding.Configuration{
			Files: []finding.ConfigurationFile{{Role: "server", Path: "server.hcl"}, {Role: "client", Path: "client.hcl"}},
			Others: []finding.Setting{
				{Role: "client", Path: "vault.token", Value: "<redacted>", File: "client.hcl", Line: 8},
				{Role: "server", Path: "vault.token", Value: "<redacted>", File: "server.hcl", Line: 3},
			},
		},
		Findings: []finding.Finding{{ID: "a", Node: finding.FilesOf("server"), Result: finding.Fail, Severity: "high", Settings: []string{"vault.token"}}},
	}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "rests on  vault.token (<redacted> at server.hcl:3)\n"; !strings.Contains(text.String(), want) {
		t.Errorf("want %q in:\n%s", want, text.String())
	}
}

// TestASettingThatIsNotSet: for the likeliest setting alone, the files of the role that do not set it are named, three at
// most. A setting of the other role does not count.
func TestASettingThatIsNotSet(t *testing.T) {
	files := func(role string, names ...string) (all []finding.ConfigurationFile) {
		for _, n := range names {
			all = append(all, finding.ConfigurationFile{Role: role, Path: n})
		}
		return all
	}
	server := files("server", "server.hcl")
	for name, c := range map[string]struct {
		files []finding.ConfigurationFile
		node  string
		want  string
	}{
		"one file":         {append(files("client", "client.hcl"), server...), "c1", "not set in the clients' configuration: client.hcl"},
		"two":              {append(files("client", "b.hcl", "a.hcl"), server...), "c1", "not set in the clients' configuration: b.hcl, a.hcl"},
		"three":            {append(files("client", "a.hcl", "b.hcl", "c.hcl"), server...), "c1", "not set in the clients' configuration: a.hcl, b.hcl, c.hcl"},
		"five":             {append(files("client", "a", "b", "c", "d", "e"), server...), "c1", "not set in the clients' configuration: a, b, c and 2 more"},
		"of all agents":    {append(files("client", "x.hcl", "all.hcl"), files("server", "all.hcl")...), "your files", "not set in the configuration: x.hcl, all.hcl"},
		"of the servers":   {append(files("client", "client.hcl"), server...), "s1", "true at server.hcl:7"},
		"no file is known": {nil, "c1", "not set"},
	} {
		r := finding.Report{
			Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "s1", Role: "server"}, {Name: "c1", Role: "client"}}},
			Configuration: &finding.Configuration{
				Files: c.files, Settings: []finding.Setting{{Role: "server", Path: "acl.enabled", Value: "true", File: "server.hcl", Line: 7}},
			},
			Findings: []finding.Finding{{ID: "a", Node: c.node, Result: finding.Fail, Severity: "high", Settings: []string{"acl.enabled", "enable_debug"}}},
		}
		if name == "of all agents" {
			r.Configuration.Settings = nil
		}
		var text strings.Builder
		if err := report.Text(&text, r, report.TextOptions{Width: 200}); err != nil {
			t.Fatal(err)
		}
		if want := "rests on  acl.enabled (" + c.want + "), enable_debug (not set)\n"; !strings.Contains(text.String(), want) {
			t.Errorf("%s: want %q in:\n%s", name, want, text.String())
		}
	}
}
