package lab

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// What tests of this package need of its unexported parts.

// Phases returns the names of the phases of a start in their order.
func Phases() []string {
	var names []string
	for _, p := range (&start{}).phases() {
		names = append(names, p.names...)
	}
	return names
}

// Evaluate returns the Spec with its templates evaluated.
func Evaluate(s spec.Spec) (spec.Spec, error) { return evaluate(s) }

// Provisioned is what the engine would get for the nodes of a lab, with all secrets.
type Provisioned struct {
	Authority *pki.Authority
	// Foreign is a second authority that some nodes trust. Nil: none does.
	Foreign *pki.Authority
	// Root is the authority above Authority. Nil: there is none.
	Root *pki.Authority
	// LabGossip and OtherGossip are the two gossip keys.
	LabGossip, OtherGossip string
	// Files are the files of each node, by its name.
	Files map[string][]engine.File
}

// Provision makes the secrets of a plan and the files of every node.
func Provision(p plan.Plan) (Provisioned, error) {
	from := func(context.Context, ...authority.Request) (authority.Source, error) { return builtinSource(p) }
	s, err := newSecrets(context.Background(), p, nil, pki.Identity{Role: pki.CLI}, from)
	if err != nil {
		return Provisioned{}, err
	}
	out := Provisioned{
		Authority: s.signer(), Foreign: s.foreign, Root: s.root(), LabGossip: s.gossip[spec.LabKey], OtherGossip: s.gossip[spec.OtherKey],
		Files: map[string][]engine.File{},
	}
	for _, n := range p.Nodes {
		if n.Role == pki.Client {
			s.introductions[n.Name] = "introduction of " + n.Name
		}
		out.Files[n.Name] = s.files(n)
	}
	return out, nil
}

// RemoveExpired removes the expired labs of an engine.
func RemoveExpired(ctx context.Context, e engine.Engine, progress func(Event)) error {
	return removeExpiredOf(ctx, e, map[string]bool{}, UpOptions{Progress: progress})
}

// CheckFree returns an error if a lab has the name.
func CheckFree(ctx context.Context, e engine.Engine, name string) error {
	return checkFree(ctx, e, name, UpOptions{})
}

// APIAt returns the API client of a node at that address.
func APIAt(at netip.AddrPort, inClear bool) (*api.Client, error) {
	n := newNode(&Lab{cli: &pki.Credential{}}, plan.Node{HTTPInClear: inClear})
	n.state.Endpoints = map[uint16]netip.AddrPort{n.plan().HTTPPort(): at}
	return n.API()
}

// Query returns options of a request that ends with the context.
func Query(ctx context.Context) *api.QueryOptions { return query(ctx) }

// Exposed returns the problems of a lab of one server and one client with these configurations, and of a client with these
// drivers. An empty text stands for an agent that does not answer.
func Exposed(server, client string, drivers []string, unprotected bool) ([]spec.Problem, error) {
	listed := map[string]*api.DriverInfo{}
	for _, name := range drivers {
		listed[name] = &api.DriverInfo{Detected: true}
	}
	agents := []agentAnswer{
		{node: newNode(nil, plan.Node{Name: "client-1", Role: pki.Client}), drivers: listed},
		{node: newNode(nil, plan.Node{Name: "server-1", Role: pki.Server})},
	}
	for i, text := range []string{client, server} {
		if text == "" {
			continue
		}
		agents[i].config = &selfConfig{}
		if err := json.Unmarshal([]byte(text), agents[i].config); err != nil {
			return nil, err
		}
	}
	return exposed(agents, unprotected), nil
}

// LastError returns the last error in the lines of an agent's log.
func LastError(lines []string) string { return lastError(lines) }

// CLITask returns the task of a call of the CLI in a lab that has the management token.
func CLITask(l *Lab, token string, c Call) engine.Task {
	l.token = &token
	return l.cliTask(l.Servers()[0], c)
}

// CheckFolder returns the error for a source that is neither the name of one nor a folder.
func CheckFolder(source string) error { return checkFolder(spec.Authority{Source: source}) }
