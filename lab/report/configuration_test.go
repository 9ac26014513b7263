package report_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// TestACertificateOfAnotherRole is named by the file of that role, whoever was asked.
func TestACertificateOfAnotherRole(t *testing.T) {
	r := finding.Report{
		Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "s1", Role: "server"}}},
		Configuration: &finding.Configuration{Settings: []finding.Setting{
			{Role: "server", Path: "tls.cert_file", Value: "s.pem", File: "server.hcl", Line: 4},
			{Role: "client", Path: "tls.cert_file", Value: "c.pem", File: "client.hcl", Line: 5},
		}},
		Findings: []finding.Finding{{ID: "a", Node: "s1", Verdict: finding.Broken, Severity: "high", Settings: []string{"tls.cert_file"}, CertificateOf: "client"}},
	}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "rests on  tls.cert_file (c.pem at client.hcl:5)\n"; !strings.Contains(text.String(), want) {
		t.Errorf("want %q in:\n%s", want, text.String())
	}
}

// TestASecretThatNoOtherPromiseRestsOn is named with its line, in the files of the role that were looked at.
func TestASecretThatNoOtherPromiseRestsOn(t *testing.T) {
	r := finding.Report{
		Configuration: &finding.Configuration{
			Files: []finding.ConfigurationFile{{Role: "server", Path: "server.hcl"}, {Role: "client", Path: "client.hcl"}},
			Others: []finding.Setting{
				{Role: "client", Path: "vault.token", Value: "<redacted>", File: "client.hcl", Line: 8},
				{Role: "server", Path: "vault.token", Value: "<redacted>", File: "server.hcl", Line: 3},
			},
		},
		Findings: []finding.Finding{{ID: "a", Node: finding.FilesOf("server"), Verdict: finding.Broken, Severity: "high", Settings: []string{"vault.token"}}},
	}
	var text strings.Builder
	if err := report.Text(&text, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "rests on  vault.token (<redacted> at server.hcl:3)\n"; !strings.Contains(text.String(), want) {
		t.Errorf("want %q in:\n%s", want, text.String())
	}
}
