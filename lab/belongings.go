package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/plan"
)

// labels are on everything that the lab has in the engine.
func (l *Lab) labels(p plan.Plan, o UpOptions) map[string]string {
	members := 0
	for _, n := range p.Nodes {
		if !n.Joiner {
			members++
		}
	}
	labels := map[string]string{
		state.LabelRun: l.record.Run, state.LabelVersion: l.record.Version, state.LabelCreated: l.record.Created.UTC().Format(time.RFC3339),
		state.LabelMembers: strconv.Itoa(members), state.LabelFolder: l.folder.Path,
	}
	if !o.Expires.IsZero() {
		labels[state.LabelExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return labels
}

// watch starts the watchdog: from here on, whatever this process makes goes when it dies.
func (l *Lab) watch(ctx context.Context) error {
	guard, err := watchdog.Start(ctx, l.target())
	if err != nil {
		return fmt.Errorf("start the watchdog of lab %s: %w", l.Name(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guard = guard
	return nil
}

// target is what this run of the lab has. What another run of the same name has is none of its business.
func (l *Lab) target() watchdog.Target {
	f := l.engine.Footprint(state.LabelRun, l.record.Run)
	return watchdog.Target{
		DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: append(f.Folders, l.folder.Path),
	}
}

// marker is in the environment of all processes that are started for a lab, by an engine or beside it.
func marker(run string) string { return engine.RunVariable + "=" + run }

// watched is true while the lab ends with this process.
func (l *Lab) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.guard != nil
}

// dismiss says goodbye to the watchdog, and lets go of the folder: what there is of the lab stays when this process ends.
func (l *Lab) dismiss() error {
	l.mu.Lock()
	guard, owner := l.guard, l.owner
	l.guard, l.owner = nil, nil
	l.mu.Unlock()
	var errs []error
	if owner != nil {
		if err := os.Remove(owner.Path()); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		errs = append(errs, owner.Close())
	}
	if guard != nil {
		errs = append(errs, guard.Release())
	}
	return errors.Join(errs...)
}
