package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/watchdog"
)

const (
	// labelRun tells one run of a lab from others.
	labelRun = "run"
	// labelExpires is when a lab that nobody removed may be swept.
	labelExpires = "expires"
	// labelVersion and labelCreated tell about a lab whose folder was lost.
	labelVersion, labelCreated = "nomad-version", "created"
	// labelFolder is where whoever brought the lab up keeps its keys, and the lock that says whether they live.
	labelFolder = "folder"
	// labelMembers is how many nodes the lab began with, so that a list misses those that are gone.
	labelMembers = "members"
	// labelJoiner is on the nodes that stay outside until they are started.
	labelJoiner = "joiner"
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
		labelRun: l.record.Run, labelVersion: l.record.Version, labelCreated: l.record.Created.UTC().Format(time.RFC3339),
		labelMembers: strconv.Itoa(members), labelFolder: l.folder.path,
	}
	if !o.Expires.IsZero() {
		labels[labelExpires] = o.Expires.UTC().Format(time.RFC3339)
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
	f := l.engine.Footprint(labelRun, l.record.Run)
	return watchdog.Target{
		DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: append(f.Folders, l.folder.path),
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
