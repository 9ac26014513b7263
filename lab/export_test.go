package lab

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// What tests of this package need to see of its inside.

// Evaluate fills in the Spec's templates.
func Evaluate(s spec.Spec) (spec.Spec, error) { return evaluate(s) }

// Provisioned is a lab's nodes with all secrets made, as the engine would get them.
type Provisioned struct {
	Authority *pki.Authority
	// Foreign is the one that some nodes trust besides. Nil: none does.
	Foreign *pki.Authority
	// LabGossip and OtherGossip are the two gossip keys.
	LabGossip, OtherGossip string
	// Files are each node's, by its name.
	Files map[string][]engine.File
}

// Provision makes the secrets of a plan and fills in every node's files.
func Provision(p plan.Plan) (Provisioned, error) {
	s, err := newSecrets(p, nil)
	if err != nil {
		return Provisioned{}, err
	}
	out := Provisioned{
		Authority: s.authority, Foreign: s.foreign, LabGossip: s.gossip[spec.LabKey], OtherGossip: s.gossip[spec.OtherKey],
		Files: map[string][]engine.File{},
	}
	for _, n := range p.Nodes {
		if n.Role == pki.Client {
			s.introductions[n.Name] = "introduction of " + n.Name
		}
		credential, err := s.issue(n)
		if err != nil {
			return Provisioned{}, err
		}
		out.Files[n.Name] = s.files(n, credential)
	}
	return out, nil
}

// TidyLabs removes the labs whose time is over.
func TidyLabs(ctx context.Context, e engine.Engine, tell func(Event)) error {
	return tidyLabs(ctx, e, map[string]bool{}, tell)
}

// Free says whether a lab of that name may be started.
func Free(ctx context.Context, e engine.Engine, name string) error {
	return free(ctx, e, name, func(Event) {})
}

// APIAt is Node.API of a node at that address.
func APIAt(at netip.AddrPort, inClear bool) (*api.Client, error) {
	n := &Node{lab: &Lab{cli: &pki.Credential{}}, plan: plan.Node{HTTPInClear: inClear}}
	n.state.Endpoints = map[uint16]netip.AddrPort{n.plan.HTTPPort(): at}
	return n.API()
}

// Query has a request end with the context.
func Query(ctx context.Context) *api.QueryOptions { return query(ctx) }

// Exposed is what is wrong with a lab of one server and one client that answer so; an empty text is an agent that does not
// answer. The client has those drivers.
func Exposed(server, client string, drivers []string, weakened bool) ([]spec.Problem, error) {
	listed := map[string]*api.DriverInfo{}
	for _, name := range drivers {
		listed[name] = &api.DriverInfo{Detected: true}
	}
	agents := []asked{
		{node: &Node{plan: plan.Node{Name: "client-1", Role: pki.Client}}, drivers: listed},
		{node: &Node{plan: plan.Node{Name: "server-1", Role: pki.Server}}},
	}
	for i, text := range []string{client, server} {
		if text == "" {
			continue
		}
		agents[i].account = &account{}
		if err := json.Unmarshal([]byte(text), agents[i].account); err != nil {
			return nil, err
		}
	}
	return exposed(agents, weakened), nil
}

// LastError is the last line of an agent's log that tells of an error.
func LastError(lines []string) string { return lastError(lines) }

// CLITask is a call of the CLI in a lab that has the management token.
func CLITask(l *Lab, token string, c Call) engine.Task {
	l.token = &token
	return l.cliTask(l.Servers()[0], c)
}
