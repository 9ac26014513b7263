// Package poll waits until something holds: the one loop that looks, pauses and looks again.
package poll

import (
	"context"
	"fmt"
	"time"
)

// tick is how often a condition is looked at: short beside an election, long beside an answer of the API.
const tick = 10 * time.Millisecond

// patiently is which part of the time that was waited already may pass until the next look: one that waits for ten seconds
// looks each tenth of one.
const patiently = 100

// Until looks at a condition until it holds or ctx ends. The condition returns "" when it holds, else what it saw;
// the error of a wait in vain says what was awaited and what was seen last. Looking takes half of the time at most: what
// is awaited needs the same machine.
func Until(ctx context.Context, what string, condition func(context.Context) (seen string)) error {
	began, pause := time.Now(), time.NewTimer(tick)
	defer pause.Stop()
	last := "nothing yet"
	for {
		looked := time.Now()
		seen := condition(ctx)
		pause.Reset(max(tick, time.Since(looked), time.Since(began)/patiently))
		if seen == "" {
			return nil
		}
		if ctx.Err() == nil {
			last = seen // what a call says when its time is up tells nothing about the cluster
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s, last seen: %s: %w", time.Since(began).Round(10*time.Millisecond), what, last, context.Cause(ctx))
		case <-pause.C:
		}
	}
}

// Every looks at once, and then once in each interval, until look reports that it is done or ctx ends. It returns the error
// of ctx if look was never done, else nil. Unlike Until it keeps its interval however long it has waited: for those who count
// on it, or whose last look has words of its own.
func Every(ctx context.Context, interval time.Duration, look func() (done bool)) error {
	again := time.NewTicker(interval)
	defer again.Stop()
	for !look() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
	return nil
}
