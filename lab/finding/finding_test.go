package finding_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
)

func TestSummarizeCountsEveryResult(t *testing.T) {
	findings := []finding.Finding{
		{Result: finding.Pass}, {Result: finding.Pass}, {Result: finding.Pass}, {Result: finding.Pass},
		{Result: finding.Fail},
		{Result: finding.Inconclusive}, {Result: finding.Inconclusive},
		{Result: finding.Skipped}, {Result: finding.Skipped}, {Result: finding.Skipped},
	}
	got := finding.Summarize(findings)
	want := finding.Summary{Pass: 4, Fail: 1, Inconclusive: 2, Skipped: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if got.Total() != len(findings) {
		t.Errorf("Total() = %d, want %d", got.Total(), len(findings))
	}
	if got, want := got.String(), "4 pass, 1 fail, 2 inconclusive, 3 skipped"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestUnjudgedFindingIsNoPass(t *testing.T) {
	for _, result := range []finding.Result{"", "passed"} {
		got := finding.Summarize([]finding.Finding{{Result: result}})
		if diff := cmp.Diff(finding.Summary{Inconclusive: 1}, got); diff != "" {
			t.Errorf("result %q (-want +got):\n%s", result, diff)
		}
	}
	if got := finding.Summarize([]finding.Finding{{Result: finding.Pass}}); got.Pass != 1 {
		t.Errorf("a pass counts as %s", got)
	}
}

// TestEncodedForm holds the names of the encoded form, as other programs read it.
func TestEncodedForm(t *testing.T) {
	got, err := json.MarshalIndent(example(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(got)+"\n", "finding.json")
}

func TestEncodedFormIsComplete(t *testing.T) {
	encoded, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	var got finding.Finding
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("after encoding and decoding (-want +got):\n%s", diff)
	}
}

func example() finding.Finding {
	return finding.Finding{
		ID: "rpc-refuses-cli-certificate", Title: "RPC refuses a CLI certificate",
		Plane: "RPC", Kind: "safe", Severity: "high", Node: "server-1",
		Want: []string{"refused in the handshake"}, Outcome: "refused in the handshake",
		Result: finding.Pass, Reason: "as wanted", Why: "CVE-2020-7956",
		Settings: []string{"tls.rpc", "tls.verify_server_hostname"},
		Evidence: []finding.Evidence{
			{
				Part: finding.Probe, Did: "call Status.Leader", Outcome: "refused in the handshake",
				Sent: "0x04, TLS", Received: "TLS alert", TLSVersion: "TLS 1.3",
				CipherSuite: "TLS_AES_128_GCM_SHA256", ServerCertificate: "server.global.nomad",
				Error: "remote error: tls: bad certificate", Took: 2 * time.Millisecond,
			},
			{Part: finding.Log, Did: "look for the reason", Lines: []string{"invalid role or region for certificate"}},
		},
		Took: 5 * time.Millisecond,
	}
}
