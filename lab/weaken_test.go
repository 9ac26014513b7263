package lab_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// told are the lines of a node's configuration that tell the agent something, without the blocks around them, and whether
// it has a gossip key.
func told(n lab.PlannedNode) []string {
	var out []string
	for _, f := range n.Files {
		for line := range strings.Lines(f.Content) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.Join(strings.Fields(line), " "); strings.Contains(line, " = ") {
				out = append(out, line)
			}
		}
		if f.Secret == lab.Gossip {
			out = append(out, "gossip key")
		}
	}
	slices.Sort(out)
	return out
}

// edit is one change of lines: those that go, and those that come.
type edit struct{ away, come []string }

// edits are what each weakness changes, in the configuration of servers and of clients.
func edits() map[lab.Weakness][2]edit {
	all := func(away, come string) [2]edit {
		e := edit{come: []string{come}}
		if away != "" {
			e.away = []string{away}
		}
		return [2]edit{e, e}
	}
	return map[lab.Weakness][2]edit{
		"":                         {},
		lab.NoHTTPTLS:              all("http = true", "http = false"),
		lab.NoRPCTLS:               all("rpc = true", "rpc = false"),
		lab.NoVerifyServerHostname: all("verify_server_hostname = true", "verify_server_hostname = false"),
		lab.NoVerifyHTTPSClient:    all("verify_https_client = true", "verify_https_client = false"),
		lab.NoGossipKey:            {{away: []string{"gossip key"}}, {}},
		lab.RPCUpgradeMode:         all("", "rpc_upgrade_mode = true"),
		lab.OldTLS:                 all("", `tls_min_version = "tls10"`),
		lab.NoHTTPConnLimit:        all("", "http_max_conns_per_client = 0"),
		lab.NoRPCConnLimit:         all("", "rpc_max_conns_per_client = 0"),
		lab.NoHTTPHandshakeLimit:   all("", `https_handshake_timeout = "0s"`),
		lab.NoRPCHandshakeLimit:    all("", `rpc_handshake_timeout = "0s"`),
		lab.Debug:                  all("", "enable_debug = true"),
		lab.RawExec:                {}, // a lab without ACLs has it
		lab.NoACL:                  all("", "enabled = false"),
		lab.NoClientACL:            {{}, {come: []string{"enabled = false"}}},
		lab.NoIntroduction:         {{come: []string{`enforcement = "none"`}}, {}},
	}
}

// TestEachWeaknessTakesOneProtection from every agent that it is about, and no other protection with it.
func TestEachWeaknessTakesOneProtection(t *testing.T) {
	hardened := mustPlan(t, lab.Spec{}).Nodes
	if len(edits()) != len(lab.Weaknesses())+1 {
		t.Fatalf("%d weaknesses are described here and none, want %d", len(edits())-1, len(lab.Weaknesses()))
	}
	for w, byRole := range edits() {
		spec := lab.Spec{}
		if w != "" {
			spec.Weaken = []lab.Weakness{w}
		}
		for i, n := range mustPlan(t, spec).Nodes {
			e := byRole[0]
			if n.Role == pki.Client {
				e = byRole[1]
			}
			want := slices.DeleteFunc(told(hardened[i]), func(line string) bool { return slices.Contains(e.away, line) })
			want = append(want, e.come...)
			slices.Sort(want)
			if diff := cmp.Diff(want, told(n)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", w, n.Name, diff)
			}
		}
	}
}
