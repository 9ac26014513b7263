package lab_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// settings are the lines of a node's configuration that set a protection.
func settings(n lab.PlannedNode) []string {
	var out []string
	for _, f := range n.Files {
		for line := range strings.Lines(f.Content) {
			line = strings.Join(strings.Fields(line), " ")
			for _, name := range []string{"http = true", "http = false", "rpc = true", "rpc = false", "verify_"} {
				if strings.HasPrefix(line, name) {
					out = append(out, line)
				}
			}
		}
		if f.Secret == lab.Gossip {
			out = append(out, "gossip key")
		}
	}
	return out
}

// TestEachWeaknessTakesOneProtection from every agent, and no other protection with it.
func TestEachWeaknessTakesOneProtection(t *testing.T) {
	hardened := []string{"gossip key", "http = true", "rpc = true", "verify_https_client = true", "verify_server_hostname = true"}
	for w, taken := range map[lab.Weakness][2]string{
		"no weakness": {}, lab.NoHTTPTLS: {"http = true", "http = false"}, lab.NoRPCTLS: {"rpc = true", "rpc = false"},
		lab.NoVerifyServerHostname: {"verify_server_hostname = true", "verify_server_hostname = false"},
		lab.NoVerifyHTTPSClient:    {"verify_https_client = true", "verify_https_client = false"},
		lab.NoGossipKey:            {"gossip key", ""},
	} {
		spec := lab.Spec{Weaken: []lab.Weakness{w}}
		if taken == [2]string{} {
			spec.Weaken = nil
		}
		for _, n := range mustPlan(t, spec).Nodes {
			var want []string
			for _, s := range hardened {
				if s == taken[0] {
					s = taken[1]
				}
				if s != "" && (s != "gossip key" || n.Role == pki.Server) {
					want = append(want, s)
				}
			}
			got := settings(n)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", w, n.Name, diff)
			}
		}
	}
}
