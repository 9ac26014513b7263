// Package poll waits until a condition holds: it is the only loop that checks a condition again and again.
package poll

import (
	"context"
	"fmt"
	"time"
)

// tick is the shortest pause between two checks: short compared with an election, long compared with an answer of the API.
const tick = 10 * time.Millisecond

// pauseShare is the part of the time so far, one of pauseShare, that the next pause lasts at least: after ten seconds a tenth of
// a second.
const pauseShare = 100

// Until calls condition until it returns "" or ctx ends. Otherwise condition returns what it saw. The error says what was
// awaited and what was seen last. The condition takes at most half of the time, because what is awaited needs the same
// machine.
func Until(ctx context.Context, what string, condition func(context.Context) (seen string)) error {
	began, pause := time.Now(), time.NewTimer(tick)
	defer pause.Stop()
	last := "nothing yet"
	for {
		checked := time.Now()
		seen := condition(ctx)
		pause.Reset(max(tick, time.Since(checked), time.Since(began)/pauseShare))
		if seen == "" {
			return nil
		}
		if ctx.Err() == nil {
			last = seen // a call that ctx has ended says nothing about the cluster
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s, last seen: %s: %w", time.Since(began).Round(10*time.Millisecond), what, last, context.Cause(ctx))
		case <-pause.C:
		}
	}
}

// Every calls look at once and then once per interval, until look returns true or ctx ends. It returns the error of ctx
// if look never returned true. Unlike Until it keeps its interval, and leaves the words of an error to the caller.
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
