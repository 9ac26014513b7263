package mutation_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"nomadlab.internal/lab/mutation"
)

// proved is one thing that the table proves: the check fails because of the mutation.
type proved struct {
	Mutation string         `json:"mutation"`
	Check    string         `json:"check"`
	Scope    mutation.Scope `json:"scope"`
}

// TestNothingIsLost: what clusters of their own proved when the table was made is still proved.
func TestNothingIsLost(t *testing.T) {
	text, err := os.ReadFile("testdata/proved.json")
	if err != nil {
		t.Fatal(err)
	}
	var before []proved
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	if len(before) < 300 {
		t.Fatalf("the list has %d lines: it is not whole", len(before))
	}
	seen, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range lost(before, seen) {
		t.Error(lost)
	}
}

// lost lists what is no longer proved. A check that fails at the one agent that carries a mutation, and passes at its
// neighbours, proves more than one that fails where all agents of the role carry it.
func lost(before []proved, seen []mutation.Seen) []string {
	var all []string
	for _, p := range before {
		if !slices.ContainsFunc(seen, func(s mutation.Seen) bool {
			return s.Mutation == p.Mutation && (s.Scope == p.Scope || s.Scope == mutation.Agent) && slices.Contains(s.Fails, p.Check)
		}) {
			all = append(all, fmt.Sprintf("%s does not make %s fail any more (%s)", p.Mutation, p.Check, p.Scope))
		}
	}
	return all
}

// TestLost reports a mutation, a check and a scope that are gone.
func TestLost(t *testing.T) {
	seen := []mutation.Seen{{Mutation: "m", Scope: mutation.Agent, Fails: []string{"a"}}, {Mutation: "n", Scope: mutation.Servers, Fails: []string{"a"}}}
	for _, test := range []struct {
		proved
		lost bool
	}{
		{proved{"m", "a", mutation.Agent}, false},
		{proved{"m", "a", mutation.Servers}, false}, // one agent shows more
		{proved{"n", "a", mutation.Servers}, false},
		{proved{"n", "a", mutation.Agent}, true},
		{proved{"m", "b", mutation.Agent}, true},
		{proved{"o", "a", mutation.Agent}, true},
	} {
		if got := lost([]proved{test.proved}, seen); (len(got) == 1) != test.lost {
			t.Errorf("%v: %v", test.proved, got)
		}
	}
}
