package finding_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
)

// TestEncodedReport holds the names of the encoded form, as other programs read it, and loses nothing by encoding.
func TestEncodedReport(t *testing.T) {
	encoded, err := json.MarshalIndent(compared(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(encoded)+"\n", "report.json")

	var got finding.Report
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(compared(), got); diff != "" {
		t.Errorf("after encoding and decoding (-want +got):\n%s", diff)
	}
}

// TestReportOfALabIsSilentAboutConfigurations: a report of a lab has no field about a user's configuration.
func TestReportOfALabIsSilentAboutConfigurations(t *testing.T) {
	encoded, err := json.Marshal(finding.Report{})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"configuration", "comparison"} {
		if value, is := got[name]; is {
			t.Errorf("%s is %v in a report of a lab", name, value)
		}
	}
}

func compared() finding.Report {
	return finding.Report{
		Cluster: finding.Cluster{Name: "yours", Nodes: []finding.Node{{Name: "server-1", Role: "server"}}},
		Started: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Took: time.Second,
		Findings: []finding.Finding{},
		Configuration: &finding.Configuration{
			Files:    []finding.ConfigurationFile{{Role: "server", Path: "server.hcl"}},
			Settings: []finding.Setting{{Role: "server", Path: "tls.rpc", Value: "true", File: "server.hcl", Line: 9}},
			Replaced: []finding.Replaced{
				{
					Role: "server", File: "server.hcl", Line: 2, Setting: "data_dir",
					Was: `"/opt/nomad"`, Became: `"/data"`, Because: "paths of your machine are not in the cluster",
				},
				{Role: "server", Setting: "leave_on_terminate", Became: "false", Because: "the cluster stops its agents itself"},
			},
		},
		Comparison: &finding.Comparison{
			With: "posture.lock.yaml",
			Changes: []finding.Change{{
				ID: "raft-refuses-client-certificate", Title: "Raft refuses a client's certificate",
				Plane: "Raft", Severity: "critical", Direction: finding.Weaker,
				Before:  finding.State{Result: finding.Pass, Outcome: "refused after the handshake", Reason: "as wanted"},
				After:   finding.State{Result: finding.Fail, Outcome: "accepted", Reason: "it was let in"},
				Text:    "was refused after the handshake, is now accepted",
				Setting: "tls.verify_server_hostname", File: "server.hcl", Line: 12,
			}},
		},
	}
}
