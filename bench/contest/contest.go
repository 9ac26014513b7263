// Package contest has the contestants of the benchmark: the ways to bring up a cluster that are measured side by side.
package contest

import (
	"context"

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/observe"
)

// Contestant is one way to bring up clusters.
type Contestant interface {
	// About says who it is.
	About() measure.Contestant
	// Prepare does what is done before the clock starts. The cluster is to have three servers, and that many clients. An
	// attempt must be removed, also one that was never begun.
	Prepare(ctx context.Context, clients int) (Attempt, error)
}

// Attempt is one cluster that a contestant brings up. An observer can look at it from its beginning.
type Attempt interface {
	observe.Source
	// Begin brings the cluster up. It returns when the contestant thinks that it has done its part, which need not mean
	// that the cluster is ready.
	Begin(ctx context.Context) error
	// Remove removes everything, whatever there is, and returns when it is gone. It does so also when ctx has ended
	// already.
	Remove(ctx context.Context) error
}

// Sample job is an attempt that tells itself what it does.
type Witness interface {
	// Told are the steps that it has told so far.
	Told() []measure.Step
}

// Weighable is an attempt whose agents' memory can be counted.
type Weighable interface {
	// Memory counts the memory of all agents that run now.
	Memory(ctx context.Context) (measure.Memory, error)
}

// Servers are how many servers each cluster has.
const Servers = 3
