package lab

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/watchdog"
)

const (
	// labelRun tells one run of a lab from others.
	labelRun = "run"
	// labelExpires is when a lab that nobody removed may be swept.
	labelExpires = "expires"
	// labelVersion and labelCreated tell about a lab whose folder was lost.
	labelVersion, labelCreated = "nomad-version", "created"
	// labelJoiner is on the nodes that stay outside until they are started.
	labelJoiner = "joiner"
)

// labels are on everything that the lab has in the engine.
func (l *Lab) labels(o UpOptions) map[string]string {
	labels := map[string]string{
		labelRun: l.record.Run, labelVersion: l.record.Version, labelCreated: l.record.Created.UTC().Format(time.RFC3339),
	}
	if !o.Expires.IsZero() {
		labels[labelExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return labels
}

// watch starts the watchdog: from here on, whatever this process makes goes when it dies.
func (l *Lab) watch(ctx context.Context) error {
	guard, err := watchdog.Start(ctx, l.target(l.folder.path, reservationFile(l.Name())))
	if err != nil {
		return fmt.Errorf("start the watchdog of lab %s: %w", l.Name(), err)
	}
	l.guard = guard
	return nil
}

// target is what this run of the lab has, and no other.
func (l *Lab) target(folders ...string) watchdog.Target {
	f := l.engine.Footprint(labelRun, l.record.Run)
	return watchdog.Target{DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: folders}
}

// marker is in the environment of the processes that are started for a lab.
func marker(run string) string { return "NOMADLAB_RUN=" + run }

// sweepExpired removes labs whose time is over: those of a machine that lost power in the middle of a test, say.
func sweepExpired(ctx context.Context, e engine.Engine) error {
	labs, err := e.Labs(ctx)
	if err != nil {
		return err
	}
	for name, states := range labs {
		if len(states) == 0 {
			continue
		}
		until, err := time.Parse(time.RFC3339, states[0].Labels[labelExpires])
		if err != nil || time.Now().Before(until) {
			continue
		}
		if err := Remove(ctx, e, name); err != nil {
			return fmt.Errorf("sweep lab %s, which expired at %s: %w", name, until, err)
		}
	}
	return nil
}
