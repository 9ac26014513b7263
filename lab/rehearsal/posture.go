package rehearsal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress/lock"
	"nomadlab.internal/lab/timeline"
)

// Stage is a posture at one moment of an attempt.
type Stage struct {
	// When is the moment, such as "before" or "after server-1".
	When string `json:"when"`
	// Checks counts the results of the checks that were run then.
	Checks finding.Summary `json:"checks"`
	// Fails has the checks that failed, with the nodes at which they did.
	Fails map[string][]string `json:"fails,omitempty"`
	Took  time.Duration       `json:"took_ns"`
}

// The moments at which the whole posture is taken. At the others it is a subset that is fast and harms no load.
const (
	before = "before"
	after  = "after"
	// whereItBroke is the moment after a step that failed. Many agents may answer nothing any more, so the time is bounded.
	whereItBroke = "where it broke"
)

// brokenWait bounds the posture of a cluster that broke, as deadline.Fair does.
const brokenWait = 3 * time.Second

// betweenSteps returns the checks that are run between two steps: a few for each plane, none of which waits or leaves anything behind.
// They are what a caller without a certificate, with another role's and over plaintext gets, and whether the servers have each other.
func betweenSteps() inspect.Options {
	return inspect.Options{NoMatrix: true, Only: []string{
		"*-https-refuses-plaintext", "*-https-refuses-no-certificate",
		"rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-cli-certificate", "raft-refuses-plaintext", "raft-refuses-client-certificate",
		"gossip-refuses-no-key",
	}}
}

// posture takes the posture of the lab as it is now. Before and after the change it is the whole one.
func (a *attempt) posture(ctx context.Context, when string) error {
	began := time.Now()
	o, source := betweenSteps(), a.to.Source
	whole := a.Check.Inspect
	whole.Quick = true
	switch when {
	case before:
		o, source = whole, a.from.Source
	case after:
		o = whole
	}
	a.tell("check", "taking the posture "+when)
	asking := ctx
	if when == whereItBroke {
		var cancel context.CancelFunc
		asking, cancel = deadline.Fair(ctx, brokenWait)
		defer cancel()
	}
	r, err := source.Inspect(asking, a.lab, o)
	if err != nil && len(r.Findings) == 0 {
		if when != before && ctx.Err() == nil { // a cluster that broke may not answer
			a.out.Stages = append(a.out.Stages, Stage{When: when, Took: time.Since(began)})
			return nil
		}
		return fmt.Errorf("take the posture %s: %w", when, err)
	}
	s := Stage{When: when, Checks: finding.Summarize(r.Findings), Fails: map[string][]string{}, Took: time.Since(began)}
	for _, f := range r.Findings {
		if f.Result == finding.Fail && !slices.Contains(s.Fails[f.ID], f.Node) {
			s.Fails[f.ID] = append(s.Fails[f.ID], f.Node)
		}
	}
	a.out.Stages = append(a.out.Stages, s)
	a.recorder.Add(timeline.Event{At: began, End: time.Now(), Kind: timeline.Posture, Text: fmt.Sprintf("posture %s: %d pass, %d fail", when, s.Checks.Pass, s.Checks.Fail)})
	switch when {
	case before:
		a.out.Before = r
	case after:
		compared := lock.Compare(lock.Of(a.out.Before), lock.Of(r), a.from.Name)
		r.Comparison = &compared
		a.out.After = r
	}
	return nil
}
