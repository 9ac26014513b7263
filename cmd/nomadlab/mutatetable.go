package main

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// mutations is what a person reads of a run.
func (c console) mutations(run regress.MutationRun, all bool) {
	counts := map[regress.Fate]int{}
	var rows [][]string
	for _, r := range run.Results {
		counts[r.Fate]++
		if r.Fate == regress.Inapplicable && !all {
			continue
		}
		rows = append(rows, []string{c.fate(r.Fate), r.Mutation.ID, r.Mutation.String(), tellBy(r, all)})
		if all && r.Apart != "" {
			rows = append(rows, []string{"", "", "", c.out.faint("tried apart: " + r.Apart)})
		}
	}
	c.out.grid([]string{"FATE", "MUTANT", "CHANGE", "BY"}, rows)
	c.out.printf("")
	killed, of := run.Score()
	c.out.printf("%s of %d mutations that weaken it were killed by a check that names the setting, in %s", c.out.bold(fmt.Sprint(killed)), of, brief(run.Took))
	var words []string
	for _, f := range []regress.Fate{
		regress.Survived, regress.KilledByOthers, regress.NotEquivalent, regress.Failed, regress.Refused, regress.OpenWithout,
		regress.Equivalent, regress.Inapplicable,
	} {
		if counts[f] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	if len(words) > 0 {
		c.out.printf("besides: %s", strings.Join(words, ", "))
	}
}

// fate is a fate with its colour.
func (c console) fate(f regress.Fate) string {
	switch f {
	case regress.Killed:
		return c.out.good(string(f))
	case regress.Survived, regress.KilledByOthers, regress.NotEquivalent, regress.Failed:
		return c.out.bad(string(f))
	default:
		return c.out.faint(string(f))
	}
}

// tellBy says who noticed, or why nobody had to.
func tellBy(r regress.Result, all bool) string {
	switch {
	case r.Fate == regress.Equivalent:
		return r.Reason
	case len(r.By) == 0:
		return r.Reason
	case all:
		return strings.Join(r.By, ", ")
	case len(r.By) > 1:
		return fmt.Sprintf("%s and %d more", r.By[0], len(r.By)-1)
	default:
		return r.By[0]
	}
}

// mutationJSON is a mutation of the table for programs.
type mutationJSON struct {
	ID       string   `json:"id"`
	Change   string   `json:"change"`
	Settings []string `json:"settings,omitempty"`
	// Equivalent says why it changes nothing. Empty: it weakens.
	Equivalent string `json:"equivalent,omitempty"`
	// For are the commands that take it: mutate, up.
	For []string `json:"for"`
}

func mutationsAsJSON(all []mutation.Mutation) []mutationJSON {
	out := make([]mutationJSON, 0, len(all))
	for _, m := range all {
		row := mutationJSON{ID: m.ID, Change: m.String(), Settings: m.Settings, Equivalent: m.Equivalent, For: []string{}}
		if m.OfConfiguration() {
			row.For = append(row.For, "mutate")
		}
		if m.OfLab() == "" {
			row.For = append(row.For, "up")
		}
		out = append(out, row)
	}
	return out
}

// mutationResultJSON is a result for programs.
type mutationResultJSON struct {
	ID       string       `json:"id"`
	Change   string       `json:"change"`
	Settings []string     `json:"settings"`
	Fate     regress.Fate `json:"fate"`
	By       []string     `json:"by,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	// Whole is true where the whole posture was tried.
	Whole bool `json:"whole"`
	// Apart says why it was tried in a cluster of its own after one that it shared.
	Apart   string  `json:"apart,omitempty"`
	Seconds float64 `json:"seconds"`
}

func mutationRunAsJSON(run regress.MutationRun) any {
	killed, of := run.Score()
	out := struct {
		Killed    int                  `json:"killed"`
		Of        int                  `json:"of"`
		Seconds   float64              `json:"seconds"`
		Mutations []mutationResultJSON `json:"mutations"`
	}{Killed: killed, Of: of, Seconds: run.Took.Seconds(), Mutations: []mutationResultJSON{}}
	for _, r := range run.Results {
		out.Mutations = append(out.Mutations, mutationResultJSON{
			ID: r.Mutation.ID, Change: r.Mutation.String(), Settings: r.Mutation.Settings, Fate: r.Fate, By: r.By, Reason: r.Reason,
			Whole: r.Whole, Apart: r.Apart, Seconds: r.Took.Seconds(),
		})
	}
	return out
}
