package regress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Fate says what became of a mutation.
type Fate string

// The fates.
const (
	// Killed: a check that names a setting of the mutation among those that its promise rests on is broken, and was not.
	Killed Fate = "killed"
	// KilledByOthers: only checks whose promises rest on other settings are broken, and were not: somebody noticed, and would
	// have told the wrong reason.
	KilledByOthers Fate = "killed by others"
	// Refused: an agent does not start with it.
	Refused Fate = "refused by the agent"
	// Survived: of all checks that there are, none is broken that was not.
	Survived Fate = "survived"
	// Equivalent: it is known to change nothing, and every check saw the very same.
	Equivalent Fate = "equivalent"
	// NotEquivalent: it was taken for one that changes nothing, and something has changed.
	NotEquivalent Fate = "not equivalent"
	// Inapplicable: the configuration has nothing that it could change.
	Inapplicable Fate = "does not apply"
	// Failed: it could not be tried.
	Failed Fate = "failed"
)

// Result is what became of one mutation.
type Result struct {
	Mutation Mutation
	Fate     Fate
	// By are the checks that are broken with the mutation and were not without, those first that name its setting. Of an
	// equivalent one they are those that saw something else.
	By []string
	// Reason says in words why it does not apply, how an agent refused it, or what failed; of an equivalent one, what proves it.
	Reason string
	// Whole is true where the whole posture was tried, and not only what takes a moment.
	Whole bool
	// Took is how long it took.
	Took time.Duration
}

// MutateOptions say which mutations are tried, and how.
type MutateOptions struct {
	Options
	// Only are patterns of IDs as path.Match has them. Empty: all.
	Only []string
	// Jobs is how many clusters are up at the same time. Zero: one.
	Jobs int
	// Begun is told how many mutations are tried, once the configuration itself has been looked at. Nil is fine.
	Begun func(count int, base finding.Report)
	// Tell is given each result as soon as it is there, one at a time. Nil is fine.
	Tell func(Result)
}

// MutationRun is what came of all mutations.
type MutationRun struct {
	// Base is what the checks found of the configuration itself.
	Base finding.Report
	// Results are in the order of Mutations.
	Results []Result
	// Took is how long it took in all.
	Took time.Duration
}

// ErrNoMutation is wrapped by Mutate's error for a pattern that no mutation has.
var ErrNoMutation = errors.New("there is no such mutation")

// Chosen are the mutations that the patterns mean, in order. The error is an ErrNoMutation.
func Chosen(only []string) ([]Mutation, error) {
	all := Mutations()
	if len(only) == 0 {
		return all, nil
	}
	var chosen []Mutation
	used := map[string]bool{}
	for _, m := range all {
		for _, pattern := range only {
			if ok, err := path.Match(pattern, m.ID); err != nil {
				return nil, fmt.Errorf("%w: %q: %w", ErrNoMutation, pattern, err)
			} else if ok && !slices.ContainsFunc(chosen, func(c Mutation) bool { return c.ID == m.ID }) {
				chosen = append(chosen, m)
				used[pattern] = true
			} else if ok {
				used[pattern] = true
			}
		}
	}
	for _, pattern := range only {
		if !used[pattern] {
			return nil, fmt.Errorf("%w: %q: --list shows all", ErrNoMutation, pattern)
		}
	}
	return chosen, nil
}

// Mutate looks at the configuration, and then at it with each mutation, every time on a cluster of its own with new data.
// First what takes a moment is tried; whatever has survived that meets the whole posture. Its error is that the
// configuration itself could not be looked at, or that a pattern means no mutation; what befalls one mutation is in its
// result. What ctx cuts short is an error.
func Mutate(ctx context.Context, o MutateOptions, s Source) (MutationRun, error) {
	began := time.Now()
	chosen, err := Chosen(o.Only)
	if err != nil {
		return MutationRun{}, err
	}
	run := MutationRun{Results: make([]Result, len(chosen))}
	o.Inspect = inspect.Options{}
	if run.Base, err = Check(ctx, o.Options, s); err != nil {
		return MutationRun{}, err
	}
	base := findings(run.Base)
	if o.Begun != nil {
		o.Begun(len(chosen), run.Base)
	}
	o.Progress = nil
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(max(o.Jobs, 1))
	for i, m := range chosen {
		g.Go(func() error {
			started := time.Now()
			r := o.try(ctx, m, s, base, i)
			r.Mutation, r.Took = m, time.Since(started)
			mu.Lock()
			defer mu.Unlock()
			run.Results[i] = r
			if o.Tell != nil && ctx.Err() == nil {
				o.Tell(r)
			}
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	run.Took = time.Since(began)
	return run, ctx.Err()
}

// try is what becomes of one mutation.
func (o MutateOptions) try(ctx context.Context, m Mutation, s Source, base map[string]seen, number int) Result {
	if ctx.Err() != nil {
		return Result{Fate: Failed, Reason: "the run was ended before"}
	}
	v, inapplicable := m.of(s)
	if inapplicable != "" {
		return Result{Fate: Inapplicable, Reason: inapplicable}
	}
	if v.onlyFiles(s) {
		found, err := lookAtFiles(ctx, v.source)
		if err != nil {
			return Result{Fate: Failed, Reason: err.Error()}
		}
		r := m.judge(base, findings(finding.Report{Findings: found}))
		r.Whole = true
		return r
	}
	o.Name = fmt.Sprintf("%s-%d", cmp.Or(o.Name, defaultName), number+1)
	if m.Equivalent != "" {
		return o.prove(ctx, m, v, base)
	}
	return o.meet(ctx, m, v, base)
}

// open says whether further checks may change the fate.
func (f Fate) open() bool { return f == Survived || f == KilledByOthers }

// stages are what a mutant meets, one after the other until it is killed: first what takes a moment, then what waits, then the
// matrix. Of a cluster that has not formed, whose agents leave most questions without an answer for seconds, the first look
// is at that, and at the agents' certificates.
func stages(unready bool) []inspect.Options {
	all := []inspect.Options{{Quick: true, NoMatrix: true}, {NoMatrix: true}, {Only: []string{inspect.MatrixName}}}
	if unready {
		all = append([]inspect.Options{{Only: []string{string(probe.PlaneCluster), "*-certificate-*"}}}, all...)
	}
	return all
}

// meet has the mutated configuration meet the checks, on one cluster.
func (o MutateOptions) meet(ctx context.Context, m Mutation, v variant, base map[string]seen) (r Result) {
	err := v.run(ctx, o.Options, func(l *lab.Lab) error {
		stages := stages(l.Unready() != nil)
		for i, stage := range stages {
			report, err := inspect.Lab(ctx, l, stage)
			if err != nil {
				return err
			}
			r = m.judge(base, findings(report)).after(r)
			if r.Whole = i == len(stages)-1; !r.Fate.open() {
				return nil
			}
		}
		return nil
	})
	return failed(r, err)
}

// prove has a configuration that is said to be no other meet all checks at once, as the one without the mutation has.
func (o MutateOptions) prove(ctx context.Context, m Mutation, v variant, base map[string]seen) Result {
	o.Inspect = inspect.Options{}
	report, err := v.judge(ctx, o.Options)
	r := m.judge(base, findings(report))
	r.Whole = true
	return failed(r, err)
}

// after adds what an earlier stage has seen: who is broken there may not be asked again.
func (r Result) after(earlier Result) Result {
	for _, id := range earlier.By {
		if !slices.Contains(r.By, id) {
			r.By = append(r.By, id)
		}
	}
	if r.Fate == Survived && len(r.By) > 0 {
		r.Fate = KilledByOthers
	}
	return r
}

// failed is the result where a mutant could not be brought up or looked at.
func failed(r Result, err error) Result {
	switch refused, is := errors.AsType[*RefusedError](err); {
	case err == nil:
		return r
	case is:
		return Result{Fate: Refused, Reason: fmt.Sprintf("%s: %s", refused.Node, lastWord(refused.LastWords))}
	case errors.Is(err, lab.ErrInvalid), errors.Is(err, pki.ErrNotPermitted):
		return Result{Fate: Inapplicable, Reason: "it cannot be tried here: " + err.Error()}
	default:
		return Result{Fate: Failed, Reason: err.Error()}
	}
}

func lastWord(lines []string) string {
	if len(lines) == 0 {
		return "it says nothing"
	}
	return lines[len(lines)-1]
}
