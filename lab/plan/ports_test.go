package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// listening returns a Spec of a server and a client with these ports.
func listening(oneHost bool, ports ...spec.AgentPorts) spec.Spec {
	s := spec.Spec{OneHost: oneHost, Ports: ports}
	return s.With(spec.Servers(1), spec.Clients(1))
}

// TestPorts: a node listens at the ports of the Spec, its configuration says so, and the others call it there.
func TestPorts(t *testing.T) {
	p, err := plan.New(listening(false, spec.AgentPorts{Node: "server-1", RPC: 5647}, spec.AgentPorts{Role: pki.Client, HTTP: 5656}), plan.Processes())
	if err != nil {
		t.Fatal(err)
	}
	server, client := p.Nodes[0], p.Nodes[1]
	if !slices.Equal(server.Ports, []uint16{4646, 5647, 4648}) || !slices.Equal(client.Ports, []uint16{5656}) {
		t.Errorf("ports %v and %v", server.Ports, client.Ports)
	}
	for text, n := range map[string]plan.Node{server.Address.String() + ":5647": client, "http = 5656": client, "rpc = 5647": server} {
		if !strings.Contains(configOf(n), text) {
			t.Errorf("%s has no %s:\n%s", n.Name, text, configOf(n))
		}
	}
}

// TestOneHost: nodes of one host share an address, and two of them may not listen at one port. Containers cannot share one.
func TestOneHost(t *testing.T) {
	other := spec.AgentPorts{Node: "client-1", HTTP: 5656}
	p, err := plan.New(listening(true, other), plan.Processes())
	if err != nil {
		t.Fatal(err)
	}
	if p.Nodes[0].Address != p.Nodes[1].Address {
		t.Errorf("addresses %s and %s", p.Nodes[0].Address, p.Nodes[1].Address)
	}
	for want, attempt := range map[string]func() (plan.Plan, error){
		"server-1 and client-1 both listen at port 4646": func() (plan.Plan, error) { return plan.New(listening(true), plan.Processes()) },
		"use --engine process":                           func() (plan.Plan, error) { return plan.New(listening(true, other), spectest.Containers()) },
	} {
		if _, err := attempt(); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestRelativePaths: the agent starts in the folder of its certificates, and names them without a path.
func TestRelativePaths(t *testing.T) {
	s := listening(false)
	s.RelativePaths = true
	p, err := plan.New(s, plan.Processes())
	if err != nil {
		t.Fatal(err)
	}
	n := p.Nodes[0]
	if n.Folder == "" || !strings.HasSuffix(n.Folder, "/tls") || !strings.Contains(configOf(n), `= "nomad-agent-ca.pem"`) {
		t.Errorf("folder %q, configuration:\n%s", n.Folder, configOf(n))
	}
}
