package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/bench/contest"
	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/observe"
)

// outcome is what one cluster has shown.
type outcome struct {
	seconds map[measure.Milestone]float64
	memory  measure.Memory
	steps   []measure.Step
	err     error
}

// bootOnce brings up one cluster and removes it, and counts its memory in between if that is wanted.
func bootOnce(ctx context.Context, c contest.Contestant, clients int, timeout time.Duration, weigh bool) outcome {
	bringing, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it was not up within %s", timeout))
	defer cancel()
	a, err := c.Prepare(bringing, clients)
	if err != nil {
		return outcome{err: err}
	}
	o := watched(bringing, a, clients)
	if heavy, can := a.(contest.Weighable); can && weigh && o.err == nil {
		o.memory, o.err = heavy.Memory(bringing)
	}
	ordered := time.Now()
	if err := a.Remove(ctx); err != nil {
		o.err = errors.Join(o.err, err)
		return o
	}
	if o.err == nil {
		o.seconds[measure.Removed] = time.Since(ordered).Seconds()
	}
	return o
}

// watched brings up one cluster. The clock starts in observe.Start.
func watched(ctx context.Context, a contest.Attempt, clients int) outcome {
	w := observe.Start(ctx, a, observe.Want{Servers: contest.Servers, Clients: clients})
	err := a.Begin(ctx)
	returned := w.Elapsed()
	if err == nil {
		err = w.Wait(ctx)
	}
	w.Stop()
	o := outcome{seconds: w.Seen(), steps: w.Steps(), err: err}
	if own, has := a.(contest.Witness); has {
		o.seconds[measure.Returned] = returned.Seconds()
		o.steps = append(o.steps, own.Told()...)
		o.steps = append(o.steps, measure.Step{At: returned.Seconds(), Source: "lab", Text: "Up returned"})
		slices.SortStableFunc(o.steps, func(a, b measure.Step) int {
			switch {
			case a.At < b.At:
				return -1
			case a.At > b.At:
				return 1
			default:
				return 0
			}
		})
	}
	return o
}

// as makes an entry of the results of it.
func (o outcome) as(c contest.Contestant, round, place int) measure.Boot {
	b := measure.Boot{Contestant: c.About().Name, Round: round, Place: place, Seconds: o.seconds}
	if o.err != nil {
		b.Error = o.err.Error()
	}
	return b
}
