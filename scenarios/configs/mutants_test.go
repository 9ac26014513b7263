package configs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// longAuthority is the life of an authority that can sign a certificate for ten years.
const longAuthority = 11 * 365 * 24 * time.Hour

// fewest is how many mutants there must be that weaken it.
const fewest = 40

// TestEveryMutantIsKilled: each way to weaken the hardened configuration by one step is noticed by a check that names what
// was changed, and each that changes nothing is noticed by none.
func TestEveryMutantIsKilled(t *testing.T) {
	paths := pathsOf(t, copied(t, "hardened"))
	paths.TLS = tlsFolder(t)
	s, err := regress.Read(paths)
	if err != nil {
		t.Fatal(err)
	}
	o := regress.MutateOptions{Options: options(t), Jobs: mutantsAtOnce}
	o.Begun = func(_ int, base finding.Report) {
		sum := finding.Summarize(base.Findings)
		_, _ = fmt.Fprintf(t.Output(), "the configuration itself: %s\n", sum)
		if sum.Broken > 0 || sum.NotCarriedOut > 0 {
			for _, f := range base.Findings {
				if f.Verdict == finding.Broken || f.Verdict == finding.NotCarriedOut {
					t.Errorf("without any change, %s at %s is %s: %s", f.ID, f.Node, f.Verdict, f.Reason)
				}
			}
		}
	}
	o.Tell = func(r regress.Result) {
		_, _ = fmt.Fprintf(t.Output(), "%-18s %s (%.1f s): %s%s\n", r.Fate, r.Mutation.ID, r.Took.Seconds(), strings.Join(r.By[:min(3, len(r.By))], ", "), r.Reason)
	}
	run, err := regress.Mutate(t.Context(), o, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range run.Results {
		switch m := r.Mutation; {
		case r.Fate == regress.Killed, r.Fate == regress.Equivalent:
		case r.Fate == regress.Inapplicable && (cannotBeTriedHere(m.ID, o.Engine.Name()) || m.ID == noSecrets):
		default:
			t.Errorf("%s (%s): %s %v %s", m.ID, m.Line, r.Fate, r.By, r.Reason)
		}
	}
	killed, of := run.Score()
	_, _ = fmt.Fprintf(t.Output(), "%d of %d killed, in %s\n", killed, of, run.Took.Round(time.Second))
	if killed != of || of < fewest {
		t.Errorf("%d of %d mutants were killed, want all, and at least %d", killed, of, fewest)
	}
}

// noSecrets is the mutant that is none, as the clients' files of the configuration hold no secret.
const noSecrets = "client-secrets-for-everybody"

// mutantsAtOnce is how many clusters are up at the same time: each spends much of its time waiting.
const mutantsAtOnce = 5

// needsContainers is the mutant that is none for agents on this machine's loopback, where nobody is offered raw_exec.
const needsContainers = "client-raw-exec"

// cannotBeTriedHere says whether the mutant is none for the engine.
func cannotBeTriedHere(id, engine string) bool { return engine == "process" && id == needsContainers }

// TestTheMutantThatNeedsContainers is killed in containers, and told not to apply without them.
func TestTheMutantThatNeedsContainers(t *testing.T) {
	o := regress.MutateOptions{Options: options(t), Only: []string{needsContainers}}
	run, err := regress.Mutate(t.Context(), o, source(t, "hardened"))
	if err != nil {
		t.Fatal(err)
	}
	r := run.Results[0]
	switch {
	case cannotBeTriedHere(needsContainers, o.Engine.Name()):
		if r.Fate != regress.Inapplicable || !strings.Contains(r.Reason, "--engine docker") {
			t.Errorf("%s: %s", r.Fate, r.Reason)
		}
	case r.Fate != regress.Killed || !slices.Contains(r.By, "client-offers-no-raw-exec"):
		t.Errorf("%s by %v: %s", r.Fate, r.By, r.Reason)
	}
}
