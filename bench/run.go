package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/spec"
)

// roundClients is the number of clients in the clusters of results.rounds.
const roundClients = 2

// bench is one run.
type bench struct {
	settings settings
	on       *environment
	progress io.Writer
	results  results
}

// run measures everything, and writes down what was measured even if it was interrupted.
func run(ctx context.Context, s settings, out, progress io.Writer) (err error) {
	b := &bench{settings: s, progress: progress, results: results{date: time.Now()}}
	b.on, err = newEnvironment(ctx, s, func(text string) { b.say("%s", text) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.on.close()) }()
	b.results.machine = describe(ctx, b.on.docker)
	b.results.machine.nomad = b.on.version
	b.results.leftOut = b.on.leftOut
	b.rounds(ctx)
	b.sources(ctx)
	b.sizes(ctx)
	b.results.interrupted = ctx.Err() != nil
	// Saved first: printing may fail, or end this process, if its reader stops early.
	if err := b.save(); err != nil {
		return err
	}
	// benchstat reads the measurements and passes over the tables.
	if _, err := io.WriteString(out, benchmarkFormat(b.results)+"\n"+markdown(b.results, true)); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	return b.failure(ctx)
}

// chosen returns the contestants with these names.
func chosen(names []string) []contestant {
	return slices.DeleteFunc(contestants(), func(c contestant) bool { return !slices.Contains(names, c.name) })
}

// rounds lets the scripts and the engines bring up small clusters.
func (b *bench) rounds(ctx context.Context) {
	b.results.rounds = b.rotate(ctx, "round", chosen(b.settings.contestants), b.settings.rounds)
}

// rotate lets every contestant bring up a small cluster, again and again. The first contestant changes with each round. what
// names a round in the progress.
func (b *bench) rotate(ctx context.Context, what string, all []contestant, rounds int) []boot {
	var out []boot
	for round := 1; round <= rounds && len(all) > 0 && ctx.Err() == nil; round++ {
		var brief []string
		for _, c := range rotated(all, round-1) {
			x := b.boot(ctx, boot{by: c, round: round, clients: roundClients}, false)
			if ctx.Err() != nil {
				break // a boot that was interrupted says nothing about its contestant
			}
			out = append(out, x)
			brief = append(brief, x.String())
		}
		b.say("%s %d/%d: %s", what, round, rounds, strings.Join(brief, ", "))
	}
	return out
}

// rotated returns the list with its first elements moved to the end.
func rotated(all []contestant, by int) []contestant {
	if len(all) == 0 {
		return nil
	}
	by %= len(all)
	return slices.Concat(all[by:], all[:by])
}

// sizes lets the engines bring up larger and larger clusters. An engine that fails once is not tried again.
func (b *bench) sizes(ctx context.Context) {
	all, failed := chosen(b.settings.engines), map[string]bool{}
	for _, clients := range b.settings.sizes {
		for round := 1; round <= b.settings.sizeRounds; round++ {
			for _, c := range rotated(all, round-1) {
				if failed[c.name] || ctx.Err() != nil {
					continue
				}
				x := b.boot(ctx, boot{by: c, round: round, clients: clients}, true)
				if ctx.Err() != nil {
					continue
				}
				failed[c.name] = x.err != nil
				b.results.sizes = append(b.results.sizes, x)
				b.say("%d clients, round %d/%d: %s", clients, round, b.settings.sizeRounds, x)
			}
		}
	}
}

// String returns the boot in a few words.
func (x boot) String() string {
	if x.err != nil {
		return x.by.title + " failed: " + oneLine(x.err)
	}
	return fmt.Sprintf("%s %.2f s", x.by.title, x.seconds[ready])
}

// boot brings up one cluster and removes it, and returns x with what it has seen.
func (b *bench) boot(ctx context.Context, x boot, withMemory bool) boot {
	timeout := b.settings.timeout
	upCtx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it was not up within %s", timeout))
	defer cancel()
	a, err := b.on.prepare(upCtx, x.by, x.clients)
	if err != nil {
		x.err = err
		return x
	}
	x.watch(upCtx, a)
	if l, ok := a.(*labAttempt); ok && withMemory && x.err == nil {
		x.memory, x.err = l.memory(upCtx)
	}
	ordered := time.Now()
	if err := a.remove(ctx); err != nil {
		x.err = errors.Join(x.err, err)
	}
	if x.err == nil {
		x.seconds[removed] = time.Since(ordered).Seconds()
	}
	return x
}

// watch brings up the cluster while an observer watches it, and notes what was seen.
func (x *boot) watch(ctx context.Context, a attempt) {
	o := observe(ctx, a, x.clients)
	x.err = a.begin(ctx)
	upReturned := o.elapsed()
	if x.err == nil {
		x.err = o.wait(ctx)
	}
	o.stop()
	x.seconds, x.steps = o.seen, o.steps
	if l, ok := a.(*labAttempt); ok {
		x.seconds[returned] = upReturned
		if x.by.source == spec.VaultSource && x.err == nil {
			x.seconds[vaultStart], x.err = vaultStartOf(l.told())
		}
		x.steps = append(append(x.steps, l.told()...), step{at: upReturned, source: "lab", text: "Up returned"})
		slices.SortStableFunc(x.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	}
}

// failure returns the error of a run in which a cluster failed, or which was interrupted.
func (b *bench) failure(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if n := len(failures(b.results)); n > 0 {
		return fmt.Errorf("%d clusters failed: results.md in %s says why", n, b.settings.out)
	}
	return nil
}

func (b *bench) say(format string, values ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", values...)
}
