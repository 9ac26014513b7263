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
	// Mutation is its ID, and Scope says which agents carried it.
	Mutation string `json:"mutation"`
	Scope    Scope  `json:"scope"`
	// Fails are the IDs of the checks that fail at the agents that carry it, or, of those that are asked of the cluster, that
	// fail; in alphabetical order. Cells of the matrix are named matrix/CERTIFICATE/ENDPOINT.
	Fails []string `json:"fails"`
	// Void are those that could not be tried at the agents that carry it, as their control lost its meaning. Which of them are
	// is partly luck, and not compared.
	Void []string `json:"void,omitempty"`
	// Sound are the planes of which more than half of the checks pass at the agents that carry it.
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

// Fails returns the IDs of the checks that were seen to fail because of the mutation in that scope. ok is false where it was
// not seen.
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

// Sight is what was found of a pack: of each node the result of each check, the worst where there are several, and of each
// question of the cluster its result.
type PackResults struct {
	// Nodes are the results by node and check, Cluster those by check.
	Nodes   map[string]map[string]finding.Finding
	Cluster map[string]finding.Finding

	// questions are the checks that are asked of the cluster.
	questions []string
}

// NewSight sorts the findings of a pack. Questions are the IDs of the checks that are asked of the cluster.
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

// failing returns the IDs that fail, in alphabetical order.
func failing(found map[string]finding.Finding) []string { return ending(found, finding.Fail) }

// ending returns the IDs that end with one of the results, in alphabetical order.
func ending(found map[string]finding.Finding, verdicts ...finding.Result) []string {
	var ids []string
	for id, f := range found {
		if slices.Contains(verdicts, f.Result) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
