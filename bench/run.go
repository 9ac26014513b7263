package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/bench/contest"
	"nomadlab.internal/bench/machine"
	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/report"
)

// bench is one run.
type bench struct {
	settings settings
	errs     io.Writer
	results  measure.Results
	// steps are those of each boot of the rounds, for the traces.
	steps map[string]map[int][]measure.Step
}

// run measures everything, and writes down what was measured also when it was interrupted.
func run(ctx context.Context, s settings, out, errs io.Writer) (err error) {
	b := &bench{settings: s, errs: errs, steps: map[string]map[int][]measure.Step{}}
	b.results.Date = time.Now()
	f, err := gather(ctx, s, func(text string) { b.say("%s", text) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	b.results.Machine = machine.Describe(ctx, f.dockerHost())
	b.results.Machine.Nomad = f.version
	rounds, sizes := f.contestants(s.contestants, s), f.contestants(s.engines, s)
	b.introduce(rounds, sizes)
	b.rounds(ctx, rounds)
	b.sizes(ctx, sizes)
	b.results.Interrupted = ctx.Err() != nil
	b.results.Traces = b.traces()
	// Written down first: to print may fail, or end this process, when nobody reads to the end.
	if err := b.save(); err != nil {
		return err
	}
	if err := report.Terminal(out, b.results); err != nil {
		return err
	}
	return b.verdict(ctx)
}

// introduce lists everybody once.
func (b *bench) introduce(groups ...[]contest.Contestant) {
	for _, group := range groups {
		for _, c := range group {
			same := func(x measure.Contestant) bool { return x.Name == c.About().Name }
			if !slices.ContainsFunc(b.results.Contestants, same) {
				b.results.Contestants = append(b.results.Contestants, c.About())
			}
		}
	}
}

// rounds lets everybody bring up a small cluster, again and again. Who begins changes with each round.
func (b *bench) rounds(ctx context.Context, all []contest.Contestant) {
	for round := 1; round <= b.settings.rounds && ctx.Err() == nil; round++ {
		var told []string
		for place, c := range rotated(all, round-1) {
			o := bootOnce(ctx, c, measure.BootClients, b.settings.timeout, false)
			if ctx.Err() != nil {
				break // what an interrupt ended says nothing about a contestant
			}
			b.results.Boots = append(b.results.Boots, o.as(c, round, place+1))
			b.remember(c.About().Name, round, o.steps)
			told = append(told, c.About().Title+" "+o.brief())
		}
		b.say("round %d/%d: %s", round, b.settings.rounds, strings.Join(told, ", "))
	}
}

// rotated begins with another one each time.
func rotated(all []contest.Contestant, by int) []contest.Contestant {
	if len(all) == 0 {
		return nil
	}
	by %= len(all)
	return slices.Concat(all[by:], all[:by])
}

// sizes lets our engines bring up larger and larger clusters. An engine that fails at one size is not asked for more.
func (b *bench) sizes(ctx context.Context, all []contest.Contestant) {
	beaten := map[string]bool{}
	for _, clients := range b.settings.sizes {
		for round := 1; round <= b.settings.sizeRounds; round++ {
			for place, c := range rotated(all, round-1) {
				name := c.About().Name
				if beaten[name] || ctx.Err() != nil {
					continue
				}
				o := bootOnce(ctx, c, clients, b.settings.timeout, true)
				if ctx.Err() != nil {
					continue
				}
				beaten[name] = o.err != nil
				b.results.Sizes = append(b.results.Sizes, measure.Size{Boot: o.as(c, round, place+1), Clients: clients, Memory: o.memory})
				b.say("%d clients, round %d/%d: %s %s", clients, round, b.settings.sizeRounds, c.About().Title, o.brief())
			}
		}
	}
}

// brief is an outcome in a few words.
func (o outcome) brief() string {
	if o.err != nil {
		return "failed: " + strings.ReplaceAll(o.err.Error(), "\n", "; ")
	}
	return fmt.Sprintf("%.2f s", o.seconds[measure.Ready])
}

func (b *bench) remember(contestant string, round int, steps []measure.Step) {
	if b.steps[contestant] == nil {
		b.steps[contestant] = map[int][]measure.Step{}
	}
	b.steps[contestant][round] = steps
}

// traces are those of the boots that were nearest to the median: neither the best nor the worst.
func (b *bench) traces() []measure.Trace {
	var out []measure.Trace
	for _, c := range b.results.Contestants {
		seconds := b.results.Seconds(c.Name, measure.Returned)
		if len(seconds) == 0 {
			continue // a script, which does not tell what it does
		}
		median := b.results.Summary(c.Name, measure.Returned).Median
		var rounds []int
		for round := range seconds {
			rounds = append(rounds, round)
		}
		typical := slices.MinFunc(rounds, func(x, y int) int {
			return cmp.Or(cmp.Compare(math.Abs(seconds[x]-median), math.Abs(seconds[y]-median)), x-y)
		})
		out = append(out, measure.Trace{Contestant: c.Name, Steps: b.steps[c.Name][typical]})
	}
	return out
}

// result is the error of a run in which something failed.
func (b *bench) verdict(ctx context.Context) error {
	failed := 0
	for _, x := range b.results.Boots {
		if x.Error != "" {
			failed++
		}
	}
	for _, x := range b.results.Sizes {
		if x.Error != "" {
			failed++
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed > 0:
		return fmt.Errorf("%d clusters failed: results.md in %s says why", failed, b.settings.out)
	default:
		return nil
	}
}

func (b *bench) say(format string, values ...any) {
	_, _ = fmt.Fprintf(b.errs, format+"\n", values...)
}
