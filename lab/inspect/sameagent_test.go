package inspect_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
)

// TestAnAgentOfSeveralAddresses: an agent that has two addresses is asked once, and the report says so. Agents that share a
// certificate count as two if they have different names, or do not say their names.
func TestAnAgentOfSeveralAddresses(t *testing.T) {
	h := newOperator(t)
	agent := func(name string) *foreignAgent {
		return &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}, name: name}
	}
	certificate := h.issued(t, pki.Identity{Role: pki.Server})
	for name, test := range map[string]struct {
		first, second *foreignAgent
		address       func(first, second string) string
		says          string
	}{
		"the very same":          {agent("a"), agent("b"), func(first, _ string) string { return first }, "was given twice: its agent is asked once"},
		"by a name":              {agent("a"), agent("b"), func(first, _ string) string { return strings.Replace(first, "127.0.0.1", "localhost", 1) }, "https://localhost:"},
		"at another port":        {agent("a"), agent("a"), func(_, second string) string { return second }, " is the agent of https://127.0.0.1:"},
		"another agent":          {agent("a"), agent("b"), func(_, second string) string { return second }, ""},
		"two that say nothing":   {agent(""), agent(""), func(_, second string) string { return second }, ""},
		"two that do not answer": {&foreignAgent{role: pki.Server, mute: true, name: "a"}, &foreignAgent{role: pki.Server, mute: true, name: "a"}, func(_, second string) string { return second }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, other := h.serve(t, test.first, certificate), h.serve(t, test.second, certificate)
			r.Addresses = append(r.Addresses, test.address(r.Addresses[0], other.Addresses[0]))
			report, err := inspect.Cluster(t.Context(), r, inspect.Options{Quick: true, Only: []string{rotation}})
			if err != nil {
				t.Fatal(err)
			}
			want := 2
			if test.says != "" {
				want = 1
			}
			said := slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, "asked once") && strings.Contains(n, test.says) })
			if len(report.Cluster.Nodes) != want || said != (want == 1) {
				t.Errorf("%d agents, want %d; notes %q", len(report.Cluster.Nodes), want, report.Notes)
			}
			if at, err := url.Parse(r.Addresses[0]); err != nil || report.Cluster.Nodes[0].HTTP != at.Host {
				t.Errorf("it was asked at %s (%v)", report.Cluster.Nodes[0].HTTP, err)
			}
		})
	}
}
