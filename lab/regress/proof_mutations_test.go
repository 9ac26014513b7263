package regress_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// fewest is the least number of weakening mutations that must apply to the hardened configuration.
const fewest = 80

// mutationsAtOnce is how many clusters are up at the same time. Each of them waits for most of its time.
const mutationsAtOnce = 6

// TestProofOfMutations: each way to weaken the hardened configuration by one step is noticed by a check that names what was
// changed, and each that changes nothing is noticed by none.
func TestProofOfMutations(t *testing.T) {
	s, err := regress.Read(hardenedWithKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	o := regress.MutateOptions{Options: options(t), Mutations: regress.Mutations(), Jobs: mutationsAtOnce}
	o.Begun = func(_ int, base finding.Report) {
		_, _ = fmt.Fprintf(t.Output(), "the configuration itself: %s\n", finding.Summarize(base.Findings))
		passes(t, base)
	}
	o.Tell = func(r regress.Result) {
		_, _ = fmt.Fprintf(t.Output(), "%-18s %s (%.1f s): %s%s\n", r.Fate, r.Mutation.ID, r.Took.Seconds(),
			strings.Join(r.By[:min(3, len(r.By))], ", "), r.Reason)
		if r.Apart != "" {
			_, _ = fmt.Fprintf(t.Output(), "    tried apart: %s\n", r.Apart)
		}
	}
	var times mutation.Timesheet
	o.Timed = func(p mutation.Pack, took mutation.Times) { _, _ = fmt.Fprintln(t.Output(), times.Add(p, took)) }
	run, err := regress.Mutate(t.Context(), o, s)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintln(t.Output(), &times)
	for _, r := range run.Results {
		if !asItShould(r, o.Engine.Name()) {
			t.Errorf("%s (%s): %s %v %s", r.Mutation.ID, r.Mutation, r.Fate, r.By, r.Reason)
		}
	}
	killed, of := run.Score()
	_, _ = fmt.Fprintf(t.Output(), "%d of %d killed, in %s, in %d clusters\n", killed, of, run.Took.Round(time.Second), run.Clusters)
	if killed != of || of < fewest {
		t.Errorf("%d of %d mutations were killed, want all, and at least %d", killed, of, fewest)
	}
}

// passes demands that nothing fails and nothing is inconclusive.
func passes(t *testing.T, r finding.Report) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Result == finding.Fail || f.Result == finding.Inconclusive {
			t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
}

const (
	// noSecrets is the mutation that does not apply, as the clients' files of the configuration hold no secret.
	noSecrets = "client-secrets-for-everybody"
	// needsContainers is the mutation that does not apply to agents on this machine's loopback, which does not offer raw_exec.
	needsContainers = "client-raw-exec"
)

// asItShould reports whether the result is the one that is wanted of the hardened configuration.
func asItShould(r regress.Result, engine string) bool {
	switch {
	case engine == "process" && r.Mutation.ID == needsContainers:
		return r.Fate == regress.Inapplicable && strings.Contains(r.Reason, "--engine docker")
	case r.Mutation.ID == needsContainers:
		return r.Fate == regress.Killed && slices.Contains(r.By, "client-offers-no-raw-exec")
	case r.Mutation.ID == noSecrets:
		return r.Fate == regress.Inapplicable
	case r.Mutation.Equivalent != "":
		return r.Fate == regress.Equivalent
	default:
		return r.Fate == regress.Killed
	}
}

// TestAsItShouldBe: the proof of mutations accepts what is right, and nothing else.
func TestAsItShouldBe(t *testing.T) {
	result := func(id string, fate regress.Fate, reason string, by ...string) regress.Result {
		return regress.Result{Mutation: mutation.Mutation{ID: id}, Fate: fate, Reason: reason, By: by}
	}
	equivalent := result("nothing", regress.Equivalent, "")
	equivalent.Mutation.Equivalent = "it is so (a.go:1)"
	killed := equivalent
	killed.Fate = regress.Killed
	for _, test := range []struct {
		result regress.Result
		engine string
		want   bool
	}{
		{result("m", regress.Killed, ""), "process", true},
		{result("m", regress.KilledByOthers, ""), "process", false},
		{result("m", regress.Survived, ""), "process", false},
		{result("m", regress.Inapplicable, "it is so as it is"), "process", false},
		{equivalent, "process", true},
		{killed, "process", false},
		{result(noSecrets, regress.Inapplicable, ""), "docker", true},
		{result(noSecrets, regress.Killed, ""), "docker", false},
		{result(needsContainers, regress.Inapplicable, "use --engine docker"), "process", true},
		{result(needsContainers, regress.Inapplicable, "for another reason"), "process", false},
		{result(needsContainers, regress.Killed, "", "client-offers-no-raw-exec"), "process", false},
		{result(needsContainers, regress.Killed, "", "client-offers-no-raw-exec"), "docker", true},
		{result(needsContainers, regress.Killed, "", "another"), "docker", false},
	} {
		if got := asItShould(test.result, test.engine); got != test.want {
			t.Errorf("%+v on %s: %t", test.result, test.engine, got)
		}
	}
}
