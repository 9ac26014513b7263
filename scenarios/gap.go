package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
)

const (
	// writeEvery is how often a write is sent in the gap.
	writeEvery = 100 * time.Millisecond
	// writeWithin is how long a write may wait for its answer, where the machine is not busy (see deadline.Fair): servers hold
	// it until there is a leader.
	writeWithin = 5 * time.Second
)

// attempt is a write that was sent while there may have been no leader.
type attempt struct {
	began time.Time
	// err is nil if a server has acknowledged it.
	err error
}

// tally counts the writes of the gap.
type tally struct{ sent, refused int }

// inGap counts those that were begun when the old leader was gone, and before there was a new one. The others are ordinary writes.
func inGap(attempts []attempt, from, until time.Time) tally {
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

// suffice is an error if nothing can be said about writes in the gap.
func (t tally) suffice() error {
	if t.sent == 0 {
		return fmt.Errorf("%w: no write was sent in the gap, so that nothing is known about them", errUnclear)
	}
	return nil
}

// await returns the new leader as soon as all survivors agree on it, with what they have logged of its election. It does not
// wait for one that is late already: the error says so.
func (e *election) await(ctx context.Context, l *lab.Lab) (leader *lab.Node, log electionLog, err error) {
	var late error
	err = poll.Until(ctx, "a new leader", func(ctx context.Context) string {
		var err error
		if log, err = electionSince(e.marks); err != nil {
			return err.Error()
		}
		if err = log.kept(e.killed, e.bound); log.won.IsZero() && !errors.Is(err, errNoLeaderYet) {
			late = err
			return "" // nothing that comes now would be in time
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

// writeUntil sends one write after another, none waiting for the one before, until there are enough; then it awaits all
// answers.
func (e *election) writeUntil(ctx context.Context, enough <-chan struct{}, nodes []*lab.Node) []attempt {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	var all []*attempt
	var answers sync.WaitGroup
	for {
		name, node := fmt.Sprintf("gap-%d", len(all)), nodes[len(all)%len(nodes)]
		a := &attempt{began: time.Now()}
		all = append(all, a)
		answers.Go(func() {
			ctx, cancel := deadline.Fair(ctx, writeWithin)
			defer cancel()
			a.err = e.write(ctx, node, name)
		})
		select {
		case <-enough:
			answers.Wait()
			return values(all)
		case <-ctx.Done():
			answers.Wait()
			return values(all)
		case <-ticker.C:
		}
	}
}

func values(all []*attempt) []attempt {
	out := make([]attempt, len(all))
	for i, a := range all {
		out[i] = *a
	}
	return out
}

// write writes a variable, and remembers it once the server has acknowledged it.
func (e *election) write(ctx context.Context, n *lab.Node, name string) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	path := "nomadlab/" + name
	v := api.NewVariable(path)
	v.Items["value"] = name
	if _, _, err := client.Variables().Create(v, writing(ctx)); err != nil {
		return fmt.Errorf("write %s through %s: %w", path, n.Name(), err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acknowledged[path] = name
	return nil
}
