package regress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// MutateOptions are the options of Mutate: the mutations that it tries, and how it tries them.
type MutateOptions struct {
	Options
	// Mutations are the table, or a part of it; see Mutations.
	Mutations []mutation.Mutation
	// Jobs is how many clusters are up at a time. Zero: one.
	Jobs int
	// Begun is called with the number of mutations, once the configuration itself has been checked. May be nil.
	Begun func(count int, base finding.Report)
	// Tell is called with each result as soon as it is known, one at a time. May be nil.
	Tell func(Result)
	// Timed is called with the times of each cluster that carried mutations, once it is removed. May be nil.
	Timed func(mutation.Pack, mutation.Times)
}

// MutationRun is the result of Mutate.
type MutationRun struct {
	// Base is what the checks found of the configuration itself.
	Base finding.Report
	// Results are in the order of MutateOptions.Mutations.
	Results []Result
	// Clusters is how many clusters were brought up, with that of the configuration itself.
	Clusters int
	// Took is the duration of the run.
	Took time.Duration
}

// Mutate checks the configuration, and then the configuration with each mutation. Mutations that show at one agent share a
// cluster, one at each agent. There it runs the checks that name a changed setting. A mutation is killed if one of them fails
// at the agent that carries it, and all of them pass at the agents without a mutation. The others, and all mutations of a
// cluster in which an agent without a mutation fails, get a cluster of their own and all checks. Equivalent mutations are
// carried out together, and one by one if anything differs.
//
// It returns an error if the configuration itself could not be checked or ctx ended; and, beside a complete run, if a cluster
// could not be removed. What goes wrong with one mutation is in its result.
func Mutate(ctx context.Context, o MutateOptions, s Source) (MutationRun, error) {
	began := time.Now()
	o.Inspect = inspect.Options{StandIns: true}
	r := &mutationRun{o: o, source: s, results: make([]Result, len(o.Mutations)), slots: make(chan struct{}, max(o.Jobs, 1))}
	base, err := Check(ctx, o.Options, s)
	if err != nil {
		return MutationRun{}, err
	}
	r.base = resultsOf(base, nil)
	r.clusters.Add(1)
	r.o.Progress = nil
	if o.Begun != nil {
		o.Begun(len(o.Mutations), base)
	}
	r.carryOut(ctx)
	return MutationRun{Base: base, Results: r.results, Clusters: int(r.clusters.Load()), Took: time.Since(began)},
		errors.Join(ctx.Err(), r.removeErr)
}

// mutationRun is the state of Mutate.
type mutationRun struct {
	o        MutateOptions
	source   Source
	base     checkResults
	clusters atomic.Int32
	// slots has one element for each running cluster.
	slots chan struct{}

	mu      sync.Mutex
	results []Result
	// removeErr is why clusters could not be removed.
	removeErr error
}

// carryOut tries every mutation.
func (r *mutationRun) carryOut(ctx context.Context) {
	var packed, equivalent []mutation.Mutation
	for _, m := range r.o.Mutations {
		switch reason := r.source.inapplicable(m); {
		case reason != "":
			r.tell(ctx, Result{Mutation: m, Fate: Inapplicable, Reason: reason})
		case m.File != nil:
			r.tell(ctx, r.checkFiles(ctx, m))
		case m.Equivalent != "":
			equivalent = append(equivalent, m)
		default:
			m.Everywhere = false // if it does not show at one agent, alone tries it at all of them
			packed = append(packed, m)
		}
	}
	var g sync.WaitGroup
	for _, p := range mutation.Packs(packed, r.source.size()) {
		g.Go(func() { r.carry(ctx, p) })
	}
	if len(equivalent) > 0 {
		g.Go(func() { r.prove(ctx, equivalent, "") })
	}
	g.Wait()
}

// tell stores the result of a mutation and reports it.
func (r *mutationRun) tell(ctx context.Context, result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result.Mutation = r.row(result.Mutation)
	r.results[r.place(result.Mutation)] = result
	if r.o.Tell != nil && ctx.Err() == nil {
		r.o.Tell(result)
	}
}

// row returns the mutation as the caller of Mutate gave it.
func (r *mutationRun) row(m mutation.Mutation) mutation.Mutation { return r.o.Mutations[r.place(m)] }

// place returns the index of the mutation in MutateOptions.Mutations.
func (r *mutationRun) place(m mutation.Mutation) int {
	return slices.IndexFunc(r.o.Mutations, func(row mutation.Mutation) bool { return row.ID == m.ID })
}

// checkFiles judges a mutation of files that no agent reads, by the checks of the user's own files.
func (r *mutationRun) checkFiles(ctx context.Context, m mutation.Mutation) Result {
	s, _ := r.source.defective(m.Role, *m.File)
	found, err := checkFiles(ctx, s)
	if err != nil {
		return Result{Mutation: m, Fate: Failed, Reason: err.Error()}
	}
	if Holds(m.File.Holds) == HoldsSecrets { // every secret of the file can be read now
		for _, o := range s.Originals {
			for _, secret := range o.Secrets {
				m.Settings = append(slices.Clone(m.Settings), secret.Setting)
			}
		}
	}
	result := judge(m, r.base, resultsOf(finding.Report{Findings: found}, nil))
	result.Whole = true
	return result
}

// carry tries the mutations of a pack together, and those that survive in clusters of their own.
func (r *mutationRun) carry(ctx context.Context, p mutation.Pack) {
	killed, apart := r.together(ctx, p)
	var g sync.WaitGroup
	for _, placed := range p.Placed {
		if !slices.Contains(killed, placed.Mutation.ID) {
			g.Go(func() { r.alone(ctx, r.row(placed.Mutation), apart) })
		}
	}
	g.Wait()
}

// together tries the mutations of a pack in one cluster. It returns the IDs of those that are killed, and why the others get
// clusters of their own. Both are empty if the pack has one mutation, or no check names a setting of any.
func (r *mutationRun) together(ctx context.Context, p mutation.Pack) (killed []string, apart string) {
	only := namedBy(p)
	if len(p.Placed) < 2 || len(only) == 0 {
		return nil, ""
	}
	err := r.with(ctx, p, func(ctx context.Context, l *lab.Lab, began time.Time) error {
		options := p.Inspect()
		options.Only, options.Destructive = only, false
		report, err := p.Check(ctx, l, options)
		if err != nil {
			return err
		}
		var results []Result
		results, apart = judgeTogether(p, r.base, report)
		for _, result := range results {
			result.Took = time.Since(began)
			killed = append(killed, result.Mutation.ID)
			r.tell(ctx, result)
		}
		return nil
	})
	if err != nil { // one of them is the cause, which shows when each is tried alone
		apart = "the cluster that it shared: " + err.Error()
	}
	return killed, apart
}

// alone tries the mutation in a cluster of its own. It runs one stage of checks after the other until its fate is decided, and
// so all of them if it survives. apart says why it shares no cluster.
func (r *mutationRun) alone(ctx context.Context, m mutation.Mutation, apart string) {
	result, p := Result{Mutation: m}, apartWith(m, r.source.size())
	err := r.with(ctx, p, func(ctx context.Context, l *lab.Lab, began time.Time) error {
		all := stages(p)
		for i, stage := range all {
			report, err := p.Check(ctx, l, stage)
			if err != nil {
				return err
			}
			result = judge(m, r.base, resultsOf(report, p.Placed[0].Carries)).after(result)
			result.Whole, result.Took = i == len(all)-1, time.Since(began)
			if !result.Fate.undecided() {
				return nil
			}
		}
		return nil
	})
	result = failed(result, err)
	if result.Apart = apart; apart != "" && m.Everywhere {
		result.Apart += "; all agents of its role carried it then"
	}
	r.tell(ctx, result)
}

// prove tries equivalent mutations with every check in one cluster, and each in its own if anything differs.
func (r *mutationRun) prove(ctx context.Context, all []mutation.Mutation, apart string) {
	release, err := r.slot(ctx)
	var now checkResults
	began := time.Now()
	if err == nil {
		o := r.o.Options
		o.Name = r.name()
		var report finding.Report
		report, err = r.source.with(all).check(ctx, o)
		now = resultsOf(report, nil)
		release()
	}
	proved, doubted := judgeEquivalents(all, r.base, now, err)
	for _, result := range proved {
		result.Took, result.Apart = time.Since(began), apart
		r.tell(ctx, result)
	}
	for _, result := range doubted {
		r.prove(ctx, []mutation.Mutation{result.Mutation}, "with other equivalent mutations: "+result.Reason)
	}
}

// name returns the name of the next cluster.
func (r *mutationRun) name() string {
	return fmt.Sprintf("%s-%d", cmp.Or(r.o.Name, defaultName), r.clusters.Add(1))
}

// slot waits until one more cluster may be up. The caller calls release when it is gone.
func (r *mutationRun) slot(ctx context.Context) (release func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the run was ended before: %w", context.Cause(ctx))
	}
}

// with brings the pack's cluster up, calls inspect, and removes the cluster. began is when there was a slot for it.
func (r *mutationRun) with(ctx context.Context, p mutation.Pack, inspect func(ctx context.Context, l *lab.Lab, began time.Time) error) error {
	release, err := r.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	began := time.Now()
	o := r.o.Options
	o.Name = r.name()
	p, overrides := r.source.sized(p)
	c := mutation.Clusters{
		Engine: o.Engine, Others: o.Others, Spec: variant{source: r.source, overrides: overrides}.spec(o), Up: o.up(), Timed: r.o.Timed,
	}
	inspected := false
	err = c.Run(ctx, p, func(ctx context.Context, l *lab.Lab, _ mutation.Pack) error {
		err := inspect(ctx, l, began)
		inspected = err == nil
		return err
	})
	if inspected && err != nil { // the results count; the cluster could not be removed
		r.mu.Lock()
		defer r.mu.Unlock()
		r.removeErr = errors.Join(r.removeErr, err)
		return nil
	}
	return r.source.explain(err)
}

// failed returns the result r, or the one that err means: the cluster could not be brought up or checked.
func failed(r Result, err error) Result {
	switch refused, is := errors.AsType[*RefusedError](err); {
	case err == nil:
		return r
	case is:
		return Result{Mutation: r.Mutation, Fate: Refused, Reason: fmt.Sprintf("%s: %s", refused.Node, lastWord(refused.LastWords))}
	case noSpace(err), errors.Is(err, spec.ErrTaken): // it says nothing of the mutation
		return Result{Mutation: r.Mutation, Fate: Failed, Reason: err.Error()}
	case errors.Is(err, spec.ErrInvalid), errors.Is(err, pki.ErrNotPermitted):
		return Result{Mutation: r.Mutation, Fate: Inapplicable, Reason: "it cannot be tried here: " + err.Error()}
	default:
		return Result{Mutation: r.Mutation, Fate: Failed, Reason: err.Error()}
	}
}

func lastWord(lines []string) string {
	if len(lines) == 0 {
		return "it says nothing"
	}
	return strings.TrimSpace(lines[len(lines)-1])
}
