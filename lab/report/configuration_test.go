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
