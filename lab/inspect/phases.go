package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

// part parts the checks into those that can be tried at once, and those that are tried later: those that need a workload,
// and those that use up an agent's connections or harm the cluster, beside which nothing else can be tried.
func part(checks []posture.Check) (soon, later []posture.Check) {
	for _, c := range checks {
		if s := c.Spec(); s.Lacks == catalogue.LacksSampleJob || s.Lane == posture.Flooding || s.Kind == posture.Destructive {
			later = append(later, c)
		} else {
			soon = append(soon, c)
		}
	}
	return soon, later
}

// but are the checks without those others, by their IDs.
func but(checks, others []posture.Check) []posture.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c posture.Check) bool {
		return slices.ContainsFunc(others, func(o posture.Check) bool { return o.Spec().ID == c.Spec().ID })
	})
}

// inOrder puts findings into the order of their checks, and leaves those of one check in the order that they have.
func inOrder(checks []posture.Check, findings []finding.Finding) []finding.Finding {
	place := map[string]int{}
	for i, c := range checks {
		place[c.Spec().ID] = i
	}
	slices.SortStableFunc(findings, func(a, b finding.Finding) int { return place[a.ID] - place[b.ID] })
	return findings
}

// workload is a sample job that is being started: what is in it counts once it is ready.
type workload struct {
	ready chan struct{}
	// sample job is nil where none runs, lacks then says why, unless that is a property of the cluster, as of one without a
	// driver for it. stop removes it.
	sampleJob *catalogue.SampleJob
	lacks     string
	stop      func(context.Context) error
}

// begin starts a sample job, where one of the checks needs it and somebody could start it: one who has a management token, or
// anybody where there is no ACL system.
func (s subject) begin(ctx context.Context, checks []posture.Check) *workload {
	w := &workload{ready: make(chan struct{}), stop: func(context.Context) error { return nil }}
	needed := slices.ContainsFunc(checks, func(c posture.Check) bool { return c.Spec().Lacks == catalogue.LacksSampleJob })
	if !needed || s.sampleJob == nil || s.ingredients.Management == "" && !s.ingredients.NoACL {
		close(w.ready)
		return w
	}
	go func() {
		defer close(w.ready)
		sampleJob, stop, err := s.sampleJob(ctx)
		switch {
		case errors.Is(err, ErrNoDriver): // those checks are skipped, and say so
		case err != nil:
			w.lacks = fmt.Sprintf("no workload of the checks' own could be started: %v", err)
		default:
			w.sampleJob, w.stop = &sampleJob, func(ctx context.Context) error {
				if err := stop(ctx); err != nil {
					return fmt.Errorf("remove the workload that was looked at: %w", err)
				}
				return nil
			}
		}
	}()
	return w
}
