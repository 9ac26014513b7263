package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
)

const (
	// writeEvery is the time between two writes.
	writeEvery = 100 * time.Millisecond
	// writeWithin bounds a write, as deadline.Fair does: servers hold it until they have a leader.
	writeWithin = 5 * time.Second
)

// attempt is a write that was sent around the kill.
type attempt struct {
	began time.Time
	// err is nil if a server acknowledged the write.
	err error
}

// tally counts the writes of the gap, in which the cluster had no leader.
type tally struct{ sent, refused int }

// inGap counts the attempts that began after the old leader was gone and before a new one won. The others are ordinary writes.
func inGap(attempts []*attempt, from, until time.Time) tally {
	var t tally
	for _, a := range attempts {
		if a.began.Before(from) || !a.began.Before(until) {
			continue
		}
		t.sent++
		if a.err != nil {
			t.refused++
		}
	}
	return t
}

// suffice returns errUnclear, wrapped, if no write was sent in the gap.
func (t tally) suffice() error {
	if t.sent == 0 {
		return fmt.Errorf("%w: no write was sent in the gap, so that nothing is known about them", errUnclear)
	}
	return nil
}

// await returns the new leader as soon as all survivors agree on it, with what they logged of its election. It stops waiting
// as soon as a leader would be late: the error says so.
func (e *election) await(ctx context.Context, l *lab.Lab) (leader *lab.Node, log electionLog, err error) {
	var late error
	err = poll.Until(ctx, "a new leader", func(ctx context.Context) string {
		var err error
		if log, err = electionSince(e.marks); err != nil {
			return err.Error()
		}
		if err = log.inTime(e.killed, e.bound); log.won.IsZero() && !errors.Is(err, errNoLeaderYet) {
			late = err
			return "" // a leader that is elected now would be late
		}
		if log.won.IsZero() {
			return err.Error()
		}
		if leader, err = l.Leader(ctx, ""); err != nil {
			return err.Error()
		}
		if leader == e.old {
			return e.old.Name() + " is still named"
		}
		return ""
	})
	return leader, log, errors.Join(err, late)
}

// writeUntil sends a write every writeEvery, without waiting for the one before, until enough is closed. It returns after all
// answers.
func (e *election) writeUntil(ctx context.Context, enough <-chan struct{}, nodes []*lab.Node) []*attempt {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	var all []*attempt
	var answers sync.WaitGroup
	for {
		name, node := fmt.Sprintf("gap-%d-%d", e.kills, len(all)), nodes[len(all)%len(nodes)]
		a := &attempt{began: time.Now()}
		all = append(all, a)
		answers.Go(func() {
			ctx, cancel := deadline.Fair(ctx, writeWithin)
			defer cancel()
			a.err = e.write(ctx, node, name)
		})
		select {
		case <-ticker.C:
			continue
		case <-enough:
		case <-ctx.Done():
		}
		answers.Wait()
		return all
	}
}
