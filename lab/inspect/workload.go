package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

// workload is a sample job that is being started. Its other fields are set when ready is closed.
type workload struct {
	ready chan struct{}
	// sampleJob is nil if none runs. lacks then says why, unless the cluster has no driver for it. stop removes the job.
	sampleJob *catalogue.SampleJob
	lacks     string
	stop      func(context.Context) error
}

// begin starts a sample job in the background, if one of the checks needs it and it can be started: with a management token, or in
// a cluster without ACLs.
func (s subject) begin(ctx context.Context, checks []posture.Check) *workload {
	w := &workload{ready: make(chan struct{}), stop: func(context.Context) error { return nil }}
	needed := slices.ContainsFunc(checks, func(c posture.Check) bool { return c.Spec().Missing == catalogue.NoSampleJob })
	if !needed || s.sampleJob == nil || s.ingredients.Management == "" && !s.ingredients.NoACL {
		close(w.ready)
		return w
	}
	go func() {
		defer close(w.ready)
		sampleJob, stop, err := s.sampleJob(ctx)
		switch {
		case errors.Is(err, ErrNoDriver): // those checks are skipped for that reason
		case err != nil:
			w.lacks = fmt.Sprintf("no workload of the checks' own could be started: %v", err)
		default:
			w.sampleJob, w.stop = &sampleJob, stop
		}
	}()
	return w
}
