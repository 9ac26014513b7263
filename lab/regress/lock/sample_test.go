package lock_test

import (
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// run is what two runs on the same configuration differ in.
type run struct {
	started time.Time
	// octet, port and id are in addresses and names, took is how long things needed.
	octet, port int
	id          string
	took        time.Duration
}

func oneRun() run {
	return run{started: time.Date(2026, 11, 28, 8, 30, 5, 0, time.UTC), octet: 11, port: 4646, id: "7f3c9a11-2b4d-4e6f-8a9b-0c1d2e3f4a5b", took: 3 * time.Millisecond}
}

func (r run) address(node int) string { return fmt.Sprintf("127.82.244.%d:%d", r.octet+node, r.port) }

// sample is the report of three servers and two clients, with a check for each way to end.
func sample(r run) finding.Report {
	rep := finding.Report{
		Cluster: finding.Cluster{Name: "sample-" + r.id[:4], Nomad: "1.11.3", Engine: "process"}, Started: r.started, Took: 100 * r.took,
		Configuration: configuration("/tmp/" + r.id + "/nomad.hcl"), Matrix: matrix(r),
	}
	for i, role := range []string{"server", "server", "server", "client", "client"} {
		rep.Cluster.Nodes = append(rep.Cluster.Nodes, finding.Node{
			Name: fmt.Sprintf("%s-%d", role, i+1), Role: role, Region: "global", Address: r.address(i), HTTP: "https://" + r.address(i),
			Leader: i == r.octet%3,
		})
	}
	add := func(f finding.Finding, nodes ...int) {
		for _, n := range nodes {
			f.Node, f.Took = rep.Cluster.Nodes[n].Name, r.took
			f.Evidence = []finding.Evidence{{Part: finding.Probe, Did: "probe " + r.address(n), Took: r.took}}
			rep.Findings = append(rep.Findings, f)
		}
	}
	passed := finding.Finding{
		ID: "raft-refuses-client-certificate", Title: "Raft refuses a client's certificate", Plane: "Raft", Severity: "critical",
		Want: []string{"refused after the handshake"}, Outcome: "refused after the handshake", Result: finding.Pass,
		Reason:   `the probe gave "refused after the handshake", as wanted; why is not asserted, as the agent logs that at DEBUG alone`,
		Settings: []string{"tls.verify_server_hostname", "tls.rpc"},
	}
	add(passed, 0, 1, 2)
	failed := finding.Finding{
		ID: "server-https-refuses-no-certificate", Title: "a server's HTTP API refuses whoever presents no certificate", Plane: "HTTP",
		Severity: "critical", Want: []string{"refused in the handshake", "denied"}, Outcome: "refused in the handshake", Result: finding.Pass,
		Settings: []string{"tls.verify_https_client", "tls.http"},
	}
	add(failed, 0, 2)
	failed.Outcome, failed.Result = "accepted", finding.Fail
	failed.Reason = `the probe gave "accepted", wanted was "refused in the handshake": 200 OK, Date: ` + r.started.Format(time.RFC1123)
	add(failed, 1)
	words := finding.Finding{
		ID: "client-refuses-unknown-token", Title: "a client refuses an ACL token that nobody has made", Plane: "HTTP", Severity: "high",
		Want: []string{"denied"}, Outcome: "denied", Result: finding.Fail, Settings: []string{"acl.enabled"},
		Reason: `the probe gave "denied", as wanted, but the agent said "` + r.id + `", wanted was "ACL token not found"`,
	}
	add(words, 3, 4)
	inconclusive := finding.Finding{
		ID: "gossip-refuses-no-key", Title: "gossip refuses whoever has no key", Plane: "gossip", Severity: "critical", Want: []string{"denied"},
		Outcome: "not reached", Result: finding.Inconclusive, Settings: []string{"server.encrypt"},
		Reason: fmt.Sprintf("server-2 did not answer at %s within %s: dial tcp %s: i/o timeout", r.address(1), r.took, r.address(1)),
	}
	add(inconclusive, 1)
	inconclusive.Outcome, inconclusive.Result, inconclusive.Reason = "denied", finding.Pass, `the probe gave "denied", as wanted`
	add(inconclusive, 0, 2)
	rep.Findings = append(rep.Findings, finding.Finding{
		ID: "server-network-carries-no-http-in-clear", Title: "a server's HTTP port is spoken to in a way that nobody can read", Plane: "network",
		Severity: "critical", Want: []string{"absent"}, Result: finding.Skipped,
		Reason: "no workload of the checks' own runs: that takes a client with raw_exec or mock_driver",
	})
	return rep
}

func configuration(file string) *finding.Configuration {
	return &finding.Configuration{
		Files: []finding.ConfigurationFile{{Role: "server", Path: file}},
		Settings: []finding.Setting{
			{Role: "server", Path: "tls.verify_https_client", Value: "true", File: file, Line: 7},
			{Role: "server", Path: "tls.tls_min_version", Value: `"tls12"`, File: file, Line: 8},
			{Role: "server", Path: "server.encrypt", Value: `"<redacted>"`, File: file, Line: 3},
			{Role: "server", Path: "limits.http_max_conns_per_client", Value: "100", File: file, Line: 12},
			{Role: "client", Path: "acl.enabled", Value: "true", File: file, Line: 2},
			{Role: "client", Path: "client.servers", Value: `["a", "b"]`, File: file, Line: 5},
		},
	}
}

func matrix(r run) *finding.Matrix {
	node := fmt.Sprintf("server-%d", 1+r.octet%3) // which of them it is does not matter
	nodes := []string{"server-1", "server-2", "server-3"}
	return &finding.Matrix{Node: strings.Join(nodes, ", "), Nodes: nodes, Endpoints: []string{"HTTPS", "RPC handshake", "gossip"}, Rows: []finding.MatrixRow{
		{Certificate: "none", Title: "no certificate", Cells: []finding.Cell{
			{Endpoint: "HTTPS", Want: "refused in the handshake", Outcome: "accepted", Result: finding.Fail, Reason: "accepted, where Nomad does not", At: []string{node}, Elsewhere: finding.Pass},
			{Endpoint: "RPC handshake", Want: "refused in the handshake", Outcome: "refused in the handshake", Result: finding.Pass},
			{Endpoint: "gossip", Want: "denied", Outcome: "not reached", Result: finding.Inconclusive, Reason: "not tried: " + node + " had stopped answering there"},
		}},
		{Certificate: "ed25519", Title: "a server's, Ed25519", Cells: []finding.Cell{
			{Endpoint: "HTTPS", Want: "accepted", Result: finding.Skipped, Reason: "no key of the cluster's authority is at hand, so a server's, Ed25519 cannot be made"},
			{Endpoint: "RPC handshake", Want: "accepted", Result: finding.Skipped, Reason: node + " has no address for the RPC plane"},
			{Endpoint: "gossip", Want: "denied", Outcome: "denied", Result: finding.Pass, At: []string{node}, Elsewhere: finding.Skipped},
		}},
	}}
}
