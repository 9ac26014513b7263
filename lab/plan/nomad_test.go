package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

func planned(t *testing.T, s spec.Spec, versions map[string]string) plan.Plan {
	t.Helper()
	p, err := plan.New(s, plan.HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Versions: versions})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// texts are the configurations of all nodes, by name.
func texts(p plan.Plan) map[string]string {
	out := map[string]string{}
	for _, n := range p.Nodes {
		for _, f := range n.Files {
			out[n.Name] += f.Content
			if f.Secret == plan.IntroToken {
				out[n.Name] += "(introduced)"
			}
		}
	}
	return out
}

// TestWhatAVersionLacksIsLeftOut: a cluster with a server that cannot introduce clients does without, and says so; the version of a
// named image is the one that was found in it, not the one that the Spec names beside it.
func TestWhatAVersionLacksIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		nomad    spec.Nomad
		versions map[string]string
		lacking  string // the nodes that lack it. Empty: the cluster introduces its clients
	}{
		"default version":         {spec.Nomad{}, nil, ""},
		"1.11.3":                  {spec.Nomad{Version: "1.11.3"}, nil, ""},
		"1.10.5":                  {spec.Nomad{Version: "1.10.5"}, nil, "server-1, server-2, server-3"},
		"a server of 1.10.5":      {spec.Nomad{Nodes: []spec.NodeNomad{{Node: "server-2", Version: "1.10.5"}}}, nil, "server-2"},
		"clients of 1.10.5":       {spec.Nomad{Nodes: []spec.NodeNomad{{Role: "client", Version: "1.10.5"}}}, nil, ""},
		"an image that has it":    {spec.Nomad{Image: "mine:1", Version: "1.10.5"}, map[string]string{"mine:1": "1.11.0"}, ""},
		"an image that lacks it":  {spec.Nomad{Image: "mine:1"}, map[string]string{"mine:1": "1.10.0"}, "server-1, server-2, server-3"},
		"an image of no version":  {spec.Nomad{Image: "mine:1"}, map[string]string{"mine:1": ""}, ""},
		"a binary not looked at":  {spec.Nomad{Binary: "/bin/nomad", Version: "1.10.5"}, nil, ""},
		"a binary that was found": {spec.Nomad{Binary: "/bin/nomad"}, map[string]string{"/bin/nomad": "1.9.7"}, "server-1, server-2, server-3"},
	} {
		p := planned(t, spec.Spec{Hardened: true, Nomad: c.nomad}, c.versions)
		all := texts(p)
		for _, n := range p.Nodes {
			with := strings.Contains(all[n.Name], "client_introduction") || strings.Contains(all[n.Name], "(introduced)")
			if with != (c.lacking == "") {
				t.Errorf("%s: %s introduces: %t", name, n.Name, with)
			}
		}
		switch {
		case c.lacking == "" && len(p.LeftOut) > 0, c.lacking != "" && (len(p.LeftOut) != 1 || !strings.HasSuffix(p.LeftOut[0].String(), "run on "+c.lacking)):
			t.Errorf("%s: left out: %v", name, p.LeftOut)
		}
	}
}

// TestNomadOfANode: only a node that differs from the lab says what it runs.
func TestNomadOfANode(t *testing.T) {
	p := planned(t, spec.Spec{}.With(spec.VersionOn("client-2", "1.10.5")), nil)
	for _, n := range p.Nodes {
		if (n.Nomad.Version == "1.10.5") != (n.Name == "client-2") || n.Name != "client-2" && !n.Nomad.IsZero() {
			t.Errorf("%s runs %+v", n.Name, n.Nomad)
		}
	}
}

// TestAnOverrideThatAVersionLacks is left out on the nodes that lack it alone.
func TestAnOverrideThatAVersionLacks(t *testing.T) {
	s := spec.Spec{}.With(spec.VersionOn("server-1", "1.10.5"), spec.Set("server", "server.job_max_count", "7"))
	p := planned(t, s, nil)
	for name, text := range texts(p) {
		if want := strings.HasPrefix(name, "server") && name != "server-1"; strings.Contains(text, "job_max_count = 7") != want {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(p.LeftOut) != 1 || p.LeftOut[0].String() != "server.job_max_count is left out on server-1: Nomad knows it since 1.11.0" {
		t.Errorf("left out: %v", p.LeftOut)
	}
}
