package mutation

import (
	"bytes"
	_ "embed" // for seen.json
	"encoding/json"
	"fmt"
	"slices"

	"nomadlab.internal/lab/finding"
)

// seenFile is what the proof has seen, one mutation and scope after the other. `go test ./lab/mutation -run TestProof -update`
// writes it.
//
//go:embed seen.json
var seenFile []byte

// Seen is which checks were seen to fail because of a mutation.
type Seen struct {
	// Mutation is its ID; Scope says which agents carried it.
	Mutation string `json:"mutation"`
	Scope    Scope  `json:"scope"`
	// Fails are the IDs of the checks that fail at the agents that carry it, or for the whole cluster, sorted. Cells
	// of the matrix are named matrix/CERTIFICATE/ENDPOINT.
	Fails []string `json:"fails"`
	// Void are the checks that were inconclusive or skipped at those agents, as their control lost its meaning. Which
	// ones is partly chance, and not compared.
	Void []string `json:"void,omitempty"`
	// Sound are the planes of which more than half of the checks pass at those agents.
	Sound []string `json:"sound,omitempty"`
}

// AllSeen returns what was seen, in the table's order.
func AllSeen() ([]Seen, error) {
	var all []Seen
	d := json.NewDecoder(bytes.NewReader(seenFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("read seen.json: %w", err)
	}
	return all, nil
}

// Fails returns the IDs of the checks that were seen to fail because of the mutation in that scope. ok is false if it
// was not seen.
func (m Mutation) Fails(scope Scope) (ids []string, ok bool) {
	all, err := AllSeen()
	if err != nil {
		return nil, false
	}
	at := slices.IndexFunc(all, func(s Seen) bool { return s.Mutation == m.ID && s.Scope == scope })
	if at < 0 {
		return nil, false
	}
	return all[at].Fails, true
}

// PackResults is the results of a pack: of each node the worst result of each check, and the results of the checks of
// the whole cluster.
type PackResults struct {
	// Nodes has the results by node and check, Cluster those by check.
	Nodes   map[string]map[string]finding.Finding
	Cluster map[string]finding.Finding

	// questions are the checks of the whole cluster.
	questions []string
}

// NewPackResults sorts the findings of a pack. questions are the IDs of the checks of the whole cluster.
func NewPackResults(r finding.Report, questions []string) PackResults {
	s := PackResults{Nodes: map[string]map[string]finding.Finding{}, Cluster: map[string]finding.Finding{}, questions: questions}
	for _, f := range r.Findings {
		if slices.Contains(questions, f.ID) {
			s.Cluster[f.ID] = worse(s.Cluster[f.ID], f)
			continue
		}
		s.at(f.Node)[f.ID] = worse(s.at(f.Node)[f.ID], f)
	}
	if r.Matrix != nil {
		for _, row := range r.Matrix.Rows {
			for _, c := range row.Cells {
				id := "matrix/" + row.Certificate + "/" + c.Endpoint
				s.Cluster[id] = finding.Finding{ID: id, Plane: "matrix", Node: r.Matrix.Node, Result: c.Result, Outcome: c.Outcome, Reason: c.Reason}
			}
		}
	}
	return s
}

func (s PackResults) at(node string) map[string]finding.Finding {
	if s.Nodes[node] == nil {
		s.Nodes[node] = map[string]finding.Finding{}
	}
	return s.Nodes[node]
}

// worse returns the finding with the worse result.
func worse(a, b finding.Finding) finding.Finding {
	if finding.Worse(a.Result, b.Result) == a.Result {
		return a
	}
	return b
}

// failing returns the IDs that fail, sorted.
func failing(found map[string]finding.Finding) []string { return withResult(found, finding.Fail) }

// withResult returns the IDs that have one of the results, sorted.
func withResult(found map[string]finding.Finding, results ...finding.Result) []string {
	var ids []string
	for id, f := range found {
		if slices.Contains(results, f.Result) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
