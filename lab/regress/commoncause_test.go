package regress_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// TestCommonCauses: failures that all rest on a protection that no agent has are reported as one, and nothing is reported if it is on.
func TestCommonCauses(t *testing.T) {
	source := func(text string) regress.Source {
		return regress.Source{Configuration: &spec.Configuration{Server: spec.AgentConfiguration{Files: agentconf.Files{agentconf.NewFile("s.hcl", []byte(text))}}}}
	}
	found := func(id string, v finding.Result, settings ...string) finding.Finding {
		return finding.Finding{ID: id, Result: v, Settings: settings}
	}
	skipped := func(id, reason, setting string) finding.Finding {
		return finding.Finding{ID: id, Result: finding.Skipped, Reason: reason, Settings: []string{setting}}
	}
	r := finding.Report{
		Findings: []finding.Finding{
			found("a", finding.Fail, "tls.http", "acl.enabled"), found("a", finding.Inconclusive, "tls.http"), found("b", finding.Fail, "acl.enabled", "tls.http"),
			found("c", finding.Inconclusive, "limits.https_handshake_timeout", "tls.http"), found("d", finding.Pass, "tls.rpc"),
			found("e", finding.Skipped, "tls.rpc"), skipped("i", "its HTTP port serves in the clear, and nothing over TLS: see https-refuses-plaintext", "tls.http"),
			skipped("j", "gossip has no key: see gossip-refuses-no-key", "server.encrypt"), skipped("k", "no key is at hand", "tls.http"), found("f", finding.Fail, "enable_debug"), found("g", finding.Fail, "acl.enabled"), found("h", finding.Fail, "server.encrypt"),
		},
		Matrix: &finding.Matrix{Rows: []finding.MatrixRow{{Cells: []finding.Cell{
			{Endpoint: "HTTPS", Result: finding.Fail}, {Endpoint: "Raft", Result: finding.Inconclusive}, {Endpoint: "gossip", Result: finding.Fail}, {Endpoint: "HTTPS", Result: finding.Pass},
		}}}},
	}
	const tls = "tls is off: 3 checks and 2 cells of the matrix rest on it (2 fail, 3 could not be tried): " +
		"set tls { http = true, rpc = true } with ca_file, cert_file and key_file before you look at them one by one."
	const acl = "acl is off: 2 checks rest on it (2 fail, 0 could not be tried): " +
		"set acl { enabled = true } and bootstrap it before you look at them one by one."
	const gossip = "server.encrypt is off: 2 checks and 1 cell of the matrix rest on it (2 fail, 1 could not be tried): " +
		"set it to a key of `nomad operator gossip keyring generate` before you look at them one by one."
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"neither":    {`server { enabled = true }`, []string{tls, acl, gossip}},
		"turned off": {`tls { http = false }`, []string{tls, acl, gossip}},
		"ACLs":       {`acl { enabled = true }`, []string{tls, gossip}},
		"one of two": {`tls { rpc = true }`, []string{acl, gossip}},
		"both":       {"tls { http = true }\nacl { enabled = true }\nserver { encrypt = \"x\" }", nil},
	} {
		if got := regress.CommonCauses(source(c.text), r); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
