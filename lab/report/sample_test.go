package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
)

// sampleFile is a report of the size and the kind of a real one. madeUp makes it from lists of possible checks. It is not an
// outcome of checks, and says nothing about Nomad.
const sampleFile = "sample-for-the-renderer.json"

// sample reads the report that is kept in testdata.
func sample(t *testing.T) finding.Report {
	t.Helper()
	encoded, err := os.ReadFile("testdata/" + sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var r finding.Report
	if err := json.Unmarshal(encoded, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSampleIsUpToDate: the file is what the code makes. Run the test with -update after a change of the code.
func TestSampleIsUpToDate(t *testing.T) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(madeUp()); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, b.String(), sampleFile)
}

// The names of the sample's nodes: three servers, two clients.
var sampleNodes = []string{"server-1", "server-2", "server-3", "client-1", "client-2"}

var sampleStart = time.Date(2026, 11, 22, 8, 30, 5, 0, time.UTC)

// kinds are the rows of the sample's matrix, with what each opens: + or - for each endpoint.
var kinds = []struct{ name, title, opens string }{
	{"none", "no certificate", "-------"},
	{"server", "server of this region", "+++++++"},
	{"client", "client of this region", "++++--+"},
	{"cli", "cli of this region", "+------"},
	{"server-of-another-region", "server of another region", "+++---+"},
	{"client-of-another-region", "client of another region", "+------"},
	{"server-of-an-unknown-domain", "server.evil.example.nomad", "+++---+"},
	{"server-without-region", "server.nomad, a name without a region", "+------"},
	{"wildcard", "*.global.nomad", "+------"},
	{"upper-case", "SERVER.GLOBAL.NOMAD", "+------"},
	{"web", "web.example.com, a web server's certificate", "+------"},
	{"common-name-server", "common name of a server, other name of a client", "+++++++"},
	{"common-name-client", "common name of a client, other name of a server", "+++++++"},
	{"common-name-alone", "a server's common name, and no other name", "+++++++"},
	{"other-name-alone", "a server's other name, and no common name", "+++++++"},
	{"foreign-authority", "right name, signed by an authority that nobody here knows", "-------"},
	{"self-signed", "right name, signed by itself", "-------"},
	{"without-intermediate", "right name, its intermediate left out", "-------"},
	{"expired", "a server's, expired an hour ago", "-------"},
	{"not-yet-valid", "a server's, valid from tomorrow on", "-------"},
	{"server-auth-only", "a server's, for serverAuth alone", "-------"},
	{"code-signing-only", "a server's, for codeSigning alone", "-------"},
	{"client-auth-only", "a server's, for clientAuth alone", "+++++++"},
	{"no-extended-key-usage", "a server's, without extended key usage", "+++++++"},
	{"rsa-1024", "a server's, RSA with 1024 bits", "+++++++"},
	{"ed25519", "a server's, Ed25519", "+++++++"},
	{"authority-itself", "the authority's own certificate, as a leaf", "-------"},
}

var endpoints = []string{"HTTPS", "RPC handshake", "Status.Leader", "Node.Register", "Eval.Dequeue", "Raft", "gossip"}

// certificateChecks are the checks that are made of a plane and a kind of certificate.
var certificateChecks = []struct {
	plane, id, title, endpoint string
	column                     int
}{
	{"HTTP", "https-%s-%s-certificate", "HTTPS %s this certificate: %s", "HTTPS", 0},
	{"RPC", "rpc-%s-%s-certificate", "the RPC port %s this certificate: %s", "RPC", 1},
	{"Raft", "raft-%s-%s-certificate", "Raft %s this certificate: %s", "Raft", 5},
}

// singles are checks of their own: plane, id, title, severity, kind, want.
var singles = [][6]string{
	{"HTTP", "http-refuses-plaintext", "plain HTTP is answered with 400, the same over TLS with 200", "critical", "safe", "denied"},
	{"HTTP", "https-speaks-tls-1.2-at-least", "a caller that knows TLS 1.1 at most is turned away", "high", "safe", "refused in the handshake"},
	{"HTTP", "https-closes-silent-connections", "a connection that says nothing is closed after 5 s", "medium", "safe", "refused in the handshake"},
	{"HTTP", "https-limits-connections-of-one-address", "of 130 connections from one address 30 are closed", "medium", "intrusive", "refused in the handshake"},
	{"HTTP", "api-denies-jobs-without-token", "without a token nobody lists jobs", "critical", "safe", "denied"},
	{"HTTP", "api-denies-variables-without-token", "without a token nobody reads variables", "critical", "safe", "denied"},
	{"HTTP", "pprof-is-closed", "the profiler is closed to everybody without agent:write", "high", "safe", "denied"},
	{"RPC", "rpc-refuses-plaintext", "a call without TLS is not answered", "critical", "safe", "refused in the handshake"},
	{"RPC", "rpc-denies-root-key-to-clients", "Keyring.Get is for servers of this region alone", "critical", "safe", "denied"},
	{"RPC", "rpc-denies-scheduling-to-clients", "Eval.Dequeue is for servers of this region alone", "high", "safe", "denied"},
	{"RPC", "rpc-limits-connections-of-one-address", "of 130 connections from one address 30 are closed", "medium", "intrusive", "refused in the handshake"},
	{"Raft", "raft-refuses-plaintext", "Raft without TLS is not answered", "critical", "safe", "refused in the handshake"},
	{"Raft", "raft-adds-no-rogue-server", "a server with the gossip key and a foreign certificate gets no vote", "critical", "destructive", "denied"},
	{"gossip", "gossip-refuses-no-key", "a member without the key is refused", "critical", "safe", "refused after the handshake"},
	{"gossip", "gossip-refuses-another-key", "a member with another key is refused", "critical", "safe", "refused after the handshake"},
	{"gossip", "gossip-ignores-plaintext-ping", "a ping in plaintext has no answer", "high", "safe", "refused after the handshake"},
	{"gossip", "gossip-is-encrypted", "the agent says that its gossip is encrypted", "high", "safe", "found"},
	{"gossip", "keyring-is-not-listed-without-token", "without a token nobody lists the gossip keys", "high", "safe", "denied"},
	{"network", "wire-hides-job-names", "a job's name is not seen on the network", "high", "intrusive", "absent"},
	{"network", "wire-hides-variables", "a variable's value is not seen on the network", "critical", "intrusive", "absent"},
	{"network", "network-detects-changed-bytes", "a flipped byte ends the connection, and nothing else", "high", "intrusive", "refused after the handshake"},
}

func madeUp() finding.Report {
	r := finding.Report{
		Cluster: finding.Cluster{Name: "sample", Nomad: "1.11.3", Engine: "process", Certificates: madeUpCertificates()},
		Started: sampleStart, Took: 3900 * time.Millisecond, Matrix: madeUpMatrix(),
		Configuration: madeUpConfiguration(), Comparison: madeUpComparison(),
	}
	for i, name := range sampleNodes {
		role, state := "server", "alive"
		if strings.HasPrefix(name, "client") {
			role, state = "client", "ready"
		}
		at := fmt.Sprintf("127.82.244.%d", 11+i)
		r.Cluster.Nodes = append(r.Cluster.Nodes, finding.Node{
			Name: name, Role: role, Region: "global", Address: at, HTTP: "https://" + at + ":4646", RPC: at + ":4647",
			Leader: i == 1, State: state,
		})
	}
	for _, s := range singles {
		r.Findings = append(r.Findings, madeUpFindings(finding.Finding{
			Plane: s[0], ID: s[1], Title: s[2], Severity: s[3], Kind: s[4], Want: []string{s[5]},
			Why: "nomad/rpc.go:324-331 (made up for the sample)", Control: "the same with a server's certificate of this region",
		})...)
	}
	for _, d := range certificateChecks {
		for _, k := range kinds {
			verb, want := "refuses", "refused in the handshake"
			if k.opens[d.column] == '+' {
				verb, want = "serves", "accepted"
			}
			r.Findings = append(r.Findings, madeUpFindings(finding.Finding{
				Plane: d.plane, ID: fmt.Sprintf(d.id, verb, k.name), Title: fmt.Sprintf(d.title, verb, k.title),
				Severity: []string{"high", "critical", "low", "medium"}[len(k.name)%4], Kind: "safe", Want: []string{want},
				Why:     "CVE-2021-37218; nomad/server.go:647 (made up for the sample)",
				Control: "the same with a server's certificate of this region",
			})...)
		}
	}
	return r
}

// madeUpFindings is a check at every node. Some of them do not pass.
func madeUpFindings(f finding.Finding) []finding.Finding {
	var out []finding.Finding
	f.Settings = settingsOf(f)
	for i, node := range sampleNodes {
		f.Node, f.Result, f.Outcome, f.Known = node, finding.Pass, f.Want[0], ""
		f.Took = time.Duration(4+i) * time.Millisecond
		f.Reason = fmt.Sprintf("the probe gave %q, as wanted", f.Outcome)
		switch {
		case i > 2 && slices.Contains([]string{"Raft", "gossip"}, f.Plane):
			f.Result, f.Outcome = finding.Skipped, ""
			f.Reason = fmt.Sprintf("the check is for agents of role [server]; %s is of role \"client\"", node)
		case f.ID == "raft-adds-no-rogue-server" || strings.HasSuffix(f.ID, "authority-itself-certificate"):
			f.Result, f.Outcome, f.Reason = finding.Skipped, "", "no key of the authority is at hand"
		case f.ID == "network-detects-changed-bytes":
			f.Result, f.Outcome = finding.Inconclusive, "not reached"
			f.Reason = `the control gave "not reached" before the probe, not "accepted", so an outcome of the probe proves nothing`
		case f.ID == "rpc-refuses-plaintext" && i < 2, f.ID == "api-denies-jobs-without-token", f.ID == "pprof-is-closed":
			f.Result, f.Outcome = finding.Fail, "accepted"
			f.Reason = fmt.Sprintf("the probe gave %q, wanted was %q: 200 OK", f.Outcome, f.Want[0])
		}
		if f.ID == "api-denies-jobs-without-token" {
			f.Known = "the default lab is made for learning and has no ACL system; use the hardened one"
		}
		f.Evidence = madeUpEvidence(f.Result, f.Outcome, f.Title, node)
		out = append(out, f)
	}
	return out
}

func madeUpEvidence(v finding.Result, outcome, did, node string) []finding.Evidence {
	if v == finding.Skipped {
		return nil
	}
	control := finding.Evidence{
		Part: finding.ControlBefore, Did: "the same with a server's certificate", Outcome: "accepted",
		Sent: "TLS ClientHello", Received: "200 OK", TLSVersion: "TLS 1.3",
		ServerCertificate: "server.global.nomad, " + node, Took: 2 * time.Millisecond,
	}
	probe := finding.Evidence{Part: finding.Probe, Did: did, Outcome: outcome, Sent: "TLS ClientHello", Took: 3 * time.Millisecond}
	if strings.HasPrefix(outcome, "refused") {
		probe.Received, probe.Error = "TLS alert", "remote error: tls: bad certificate"
	}
	out := []finding.Evidence{control, probe}
	if outcome == "refused in the handshake" {
		out = append(out, finding.Evidence{Part: finding.Log, Did: "look for the reason in the agent's log", Lines: []string{
			`2026-11-22T08:30:06.102Z [WARN] nomad.rpc: failed TLS handshake: error="invalid role or region for certificate"`,
		}})
	}
	control.Part = finding.ControlAfter
	return append(out, control)
}

func madeUpMatrix() *finding.Matrix {
	m := &finding.Matrix{Node: "server-1, server-2, server-3", Nodes: []string{"server-1", "server-2", "server-3"}, Endpoints: endpoints}
	for _, k := range kinds {
		row := finding.MatrixRow{Certificate: k.name, Title: k.title}
		for i, e := range endpoints {
			c := finding.Cell{Endpoint: e, Want: "refused in the handshake", Result: finding.Pass}
			switch {
			case k.opens[i] == '+':
				c.Want = "accepted"
			case e == "Node.Register" || e == "Eval.Dequeue":
				c.Want = "denied"
			case e == "Raft":
				c.Want = "refused after the handshake"
			}
			c.Outcome, c.Reason = c.Want, "as Nomad is known to do"
			if e == "Node.Register" {
				c.At, c.Elsewhere = []string{"server-1"}, finding.Skipped
			}
			switch k.name + e {
			case "cliRPC handshake", "cliStatus.Leader":
				c.Outcome, c.Result, c.Reason = "accepted", finding.Fail, "a cli certificate was let in where only agents may"
				c.At, c.Elsewhere = []string{"server-2"}, finding.Pass
			case "ed25519gossip":
				c.Outcome, c.Result, c.Reason = "not reached", finding.Inconclusive, "its control was not answered"
			case "authority-itselfgossip":
				c.Outcome, c.Result, c.Reason = "", finding.Skipped, "no key of the authority is at hand"
			}
			c.Evidence = madeUpEvidence(c.Result, c.Outcome, "try "+e+" with "+k.title, "server-1")
			row.Cells = append(row.Cells, c)
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

func madeUpCertificates() []finding.Certificate {
	day := 24 * time.Hour
	of := func(holder, subject, issuer string, from, to time.Duration) finding.Certificate {
		return finding.Certificate{
			Holder: holder, Subject: subject, Issuer: issuer, Names: []string{subject, "localhost", "127.0.0.1"}, Key: "ECDSA P-256",
			NotBefore: sampleStart.Add(from), NotAfter: sampleStart.Add(to),
		}
	}
	const authority = "nomadlab sample CA"
	out := []finding.Certificate{of("authority", authority, authority, -day, 30*day)}
	for i, n := range sampleNodes {
		name := strings.Split(n, "-")[0] + ".global.nomad"
		out = append(out, of(n, name, authority, -time.Hour, 7*day-time.Duration(i)*time.Hour))
	}
	out[4].NotBefore, out[4].NotAfter = sampleStart.Add(-6*day), sampleStart.Add(9*time.Hour)
	out[5].NotAfter = sampleStart.Add(-30 * time.Minute)
	return append(out, of("cli", "cli.global.nomad", authority, -time.Hour, 7*day))
}
