package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestNomadOfANode: a node runs what is said of it, and any other what the lab runs.
func TestNomadOfANode(t *testing.T) {
	n := spec.Nomad{Binary: "/bin/nomad", Nodes: []spec.NodeNomad{{Node: "server-1", Version: "1.10.5"}, {Role: pki.Client, Image: "mine:1"}}}
	for node, want := range map[string]spec.Nomad{
		"server-1": {Version: "1.10.5"}, "server-2": {Binary: "/bin/nomad"}, "client-1": {Image: "mine:1"},
	} {
		role := pki.Server
		if strings.HasPrefix(node, "client") {
			role = pki.Client
		}
		if diff := cmp.Diff(want, n.Of(role, node)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", node, diff)
		}
	}
}

// TestNomadsThatAreRefused: each has one fault, and is valid without it.
func TestNomadsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []spec.NodeNomad
		words []string
	}{
		"valid":              {[]spec.NodeNomad{{Node: "server-1", Version: "1.10.5"}, {Role: pki.Client, Version: "1.10.5"}}, nil},
		"no such node":       {[]spec.NodeNomad{{Node: "server-9", Version: "1.10.5"}}, []string{"nomad.nodes[0].node", "server-9"}},
		"of another role":    {[]spec.NodeNomad{{Node: "server-1", Role: pki.Client, Version: "1.10.5"}}, []string{"nomad.nodes[0].node"}},
		"no such role":       {[]spec.NodeNomad{{Role: "cli", Version: "1.10.5"}}, []string{"nomad.nodes[0].role"}},
		"nothing said":       {[]spec.NodeNomad{{Node: "server-1"}}, []string{"nomad.nodes[0]", "set one of them"}},
		"two things said":    {[]spec.NodeNomad{{Node: "server-1", Version: "1.10.5", Image: "mine:1"}}, []string{"nomad.nodes[0]", "2 of version, image and binary"}},
		"twice for one node": {[]spec.NodeNomad{{Node: "server-1", Version: "1.10.5"}, {Role: pki.Server, Version: "1.11.0"}}, []string{"nomad.nodes[1].node", "second time"}},
	} {
		err := spec.Spec{Nomad: spec.Nomad{Nodes: c.nodes}}.Validate()
		if (err == nil) != (c.words == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q is not in %v", name, word, err)
			}
		}
	}
}
