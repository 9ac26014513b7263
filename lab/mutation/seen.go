package mutation

import (
	"bytes"
	_ "embed" // for seen.json
	"encoding/json"
	"fmt"
	"slices"
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
