package report_test

import (
	"nomadlab.internal/lab/finding"
)

// sampleSettings are what the sample's checks rest on: those of an ID, else those of a plane.
var sampleSettings = map[string][]string{
	"pprof-is-closed":                 {"enable_debug", "acl.enabled"},
	"api-denies-jobs-without-token":   {"acl.enabled"},
	"rpc-refuses-plaintext":           {"tls.rpc"},
	"raft-refuses-client-certificate": {"tls.verify_server_hostname", "tls.rpc"},
	"HTTP":                            {"tls.http", "tls.verify_https_client"},
	"gossip":                          {"server.encrypt"},
}

func settingsOf(f finding.Finding) []string {
	if settings := sampleSettings[f.ID]; settings != nil {
		return settings
	}
	return sampleSettings[f.Plane]
}

// madeUpConfiguration is what a user could run: a file of the servers, one of the clients, and one that both read.
func madeUpConfiguration() *finding.Configuration {
	const (
		place   = "the cluster has its own folders and certificates"
		network = "the cluster has its own network"
		lab     = "the cluster has to be checked, and stopped, without asking"
	)
	c := &finding.Configuration{
		Files: []finding.ConfigurationFile{
			{Role: "server", Path: "nomad.d/server.hcl"}, {Role: "server", Path: "nomad.d/tls.hcl"},
			{Role: "client", Path: "nomad.d/client.hcl"}, {Role: "client", Path: "nomad.d/tls.hcl"},
		},
		Settings: []finding.Setting{
			{Role: "server", Path: "enable_debug", Value: "true", File: "nomad.d/server.hcl", Line: 3},
			{Role: "server", Path: "limits.http_max_conns_per_client", Value: "100", File: "nomad.d/server.hcl", Line: 28},
			{Role: "server", Path: "server.encrypt", Value: `"(redacted)"`, File: "nomad.d/server.hcl", Line: 14},
		},
		Replaced: []finding.Replaced{
			{Role: "server", File: "nomad.d/server.hcl", Line: 2, Setting: "data_dir", Was: `"/opt/nomad/data"`, Became: `"/nomad/data"`, Because: place},
			{Role: "client", File: "nomad.d/client.hcl", Line: 2, Setting: "data_dir", Was: `"/opt/nomad/data"`, Became: `"/nomad/data"`, Because: place},
			{Role: "server", File: "nomad.d/server.hcl", Line: 6, Setting: "bind_addr", Was: `"10.0.0.5"`, Because: network},
			{
				Role: "server", File: "nomad.d/server.hcl", Line: 12, Setting: "server.server_join.retry_join",
				Was: `["provider=aws tag_key=nomad"]`, Became: `["127.82.244.11"]`, Because: network,
			},
			{Role: "server", Setting: "leave_on_terminate", Became: "false", Because: lab},
			{Role: "client", Setting: "leave_on_terminate", Became: "false", Because: lab},
		},
	}
	for _, role := range []string{"server", "client"} {
		for i, path := range []string{"tls.http", "tls.rpc", "tls.verify_server_hostname", "tls.verify_https_client"} {
			c.Settings = append(c.Settings, finding.Setting{
				Role: role, Path: path, Value: []string{"true", "false"}[i%2], File: "nomad.d/tls.hcl", Line: 2 + i,
			})
		}
		for i, path := range []string{"tls.ca_file", "tls.cert_file", "tls.key_file"} {
			c.Replaced = append(c.Replaced, finding.Replaced{
				Role: role, File: "nomad.d/tls.hcl", Line: 7 + i, Setting: path,
				Was: `"/etc/nomad.d/tls/` + path[4:] + `.pem"`, Became: `"/nomad/` + path[4:] + `.pem"`, Because: place,
			})
		}
	}
	return c
}

// madeUpComparison has a change of each kind, not in the order of the formats.
func madeUpComparison() *finding.Comparison {
	passed := func(outcome string) finding.State {
		return finding.State{Result: finding.Pass, Outcome: outcome, Reason: "as wanted"}
	}
	open := finding.State{Result: finding.Fail, Outcome: "accepted", Reason: "it was let in: 200 OK"}
	return &finding.Comparison{With: "posture.lock.yaml", Changes: []finding.Change{
		{
			ID: "https-limits-connections-of-one-address", Title: "of 130 connections from one address 30 are closed",
			Plane: "HTTP", Severity: "medium", Direction: finding.Stronger, Before: open, After: passed("refused in the handshake"),
			Text:    "was accepted, is now refused in the handshake",
			Setting: "limits.http_max_conns_per_client", File: "nomad.d/server.hcl", Line: 28,
		},
		{
			ID: "network-detects-changed-bytes", Title: "a flipped byte ends the connection, and nothing else",
			Plane: "network", Severity: "high", Direction: finding.Unclear, Before: passed("refused after the handshake"),
			After: finding.State{Result: finding.Inconclusive, Outcome: "not reached", Reason: "the control was not let in"},
		},
		{
			ID: "pprof-is-closed", Title: "the profiler is closed to everybody without agent:write",
			Plane: "HTTP", Severity: "high", Direction: finding.Weaker, Before: passed("denied"), After: open, Text: "was denied, is now accepted",
			Setting: "enable_debug", File: "nomad.d/server.hcl", Line: 3,
		},
		{
			ID: "rpc-refuses-plaintext", Title: "a call without TLS is not answered",
			Plane: "RPC", Severity: "critical", Direction: finding.Weaker, Before: passed("refused in the handshake"), After: open,
			Text:    "was refused in the handshake, is now accepted",
			Setting: "tls.rpc", File: "nomad.d/tls.hcl", Line: 3,
		},
		{
			ID: "gossip-refuses-an-old-key", Title: "a member with a key that was taken away is refused",
			Plane: "gossip", Severity: "high", Direction: finding.Unclear, Before: passed("refused after the handshake"),
		},
	}}
}
