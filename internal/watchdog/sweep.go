package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

const (
	// retryTime is how long a sweep tries again to remove objects of one kind before it reports them, on a machine that is not
	// busy (see deadline.Fair): long enough for another client's removal to finish, short enough to go on with the other kinds
	// if a daemon does not answer.
	retryTime = 5 * time.Second
	// askEvery is the pause between two questions to the Docker daemon.
	askEvery = 10 * time.Millisecond
)

// Target is what belongs to one lab or one start, and so what is removed. The zero Target names nothing and is refused.
type Target struct {
	// DockerHost is the address of the Docker daemon, such as unix:///var/run/docker.sock.
	// Zero: there are no Docker objects.
	DockerHost string

	// Label is the key=value that the containers, networks and volumes of the lab have, and nothing else on that daemon. Both
	// parts are required: a filter on a key alone, or on nothing, would select other users' objects.
	// Zero: only allowed without DockerHost.
	Label string

	// Marker is the NAME=value that the lab's processes have in their environment, and no other process. It is compared with
	// whole entries of /proc/PID/environ, the environment that a process was started with. Descendants of such a process belong
	// to the lab too, with any environment.
	// Zero: there are no processes. Linux only; elsewhere no process is found.
	Marker string

	// Folders are removed last, after everything else is gone. They must be absolute paths, not a top-level folder, and must not
	// contain the home folder or the temporary folder. Zero: there are none.
	Folders []string
}

// Swept counts what a [Sweep] found and removed, or tried to remove if it also returned an error. Zero: nothing was found.
type Swept struct {
	Processes  int
	Containers int
	Networks   int
	Volumes    int
	Folders    int
}

// Total returns the number of all objects that were found.
func (s Swept) Total() int {
	return s.Processes + s.Containers + s.Networks + s.Volumes + s.Folders
}

// Sweep removes all of t once: it kills the marked processes until none is left, removes the containers (by force, with their
// anonymous volumes, in parallel), then networks and volumes, then the folders.
//
// It may be repeated, and several may run at once: it is no error if an object is already gone, or if another client is removing
// it; Sweep then waits for the end of that removal.
//
// Descendants of a marked process are killed with it, as a task may have cleared its environment. A descendant without a marked
// ancestor that still exists is not found. Sweep never kills its own process or one of its ancestors. As root it also kills
// another user's process that has the marker: a marker is no secret and proves no owner.
//
// A container without the label is disconnected from a labelled network, so that the network can be removed. Mounts below a
// folder are detached before its files are removed: a removal never reaches through a mount.
//
// The error joins everything that could not be removed, or says why t is refused; then nothing was touched. Folders are kept if
// anything else is left. The counts are valid with an error too.
func Sweep(ctx context.Context, t Target) (Swept, error) {
	var swept Swept
	if err := t.check(); err != nil {
		return swept, err
	}
	var failed []error
	if t.Marker != "" {
		found, err := killMarked(ctx, t.Marker)
		swept.Processes = found
		failed = append(failed, err)
	}
	if t.DockerHost != "" {
		failed = append(failed, sweepDocker(ctx, t, &swept))
	}
	if err := errors.Join(failed...); err != nil {
		return swept, fmt.Errorf("sweep (folders are kept until the rest is gone): %w", err)
	}
	found, err := removeFolders(t.Folders)
	swept.Folders = found
	if err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	return swept, nil
}

// retry calls try until it reports that it is done, retryTime is over or ctx ends, and returns the last error.
func retry(ctx context.Context, every time.Duration, try func() (done bool, err error)) error {
	trying, cancel := deadline.Fair(ctx, retryTime)
	defer cancel()
	var last error
	late := poll.Every(trying, every, func() (done bool) {
		done, last = try()
		return done
	})
	switch {
	case late == nil:
		return last
	case ctx.Err() != nil:
		return errors.Join(last, ctx.Err())
	default:
		return errors.Join(last, fmt.Errorf("not gone: %w", context.Cause(trying)))
	}
}

// removeFolders removes the folders, and returns how many of them existed.
func removeFolders(folders []string) (int, error) {
	found := 0
	var failed []error
	for _, folder := range folders {
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		found++
		if err := unmountBelow(folder); err != nil {
			failed = append(failed, fmt.Errorf("keep folder %s, something is mounted in it: %w", folder, err))
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			failed = append(failed, fmt.Errorf("remove folder %s: %w", folder, err))
		}
	}
	return found, errors.Join(failed...)
}

// check returns every reason not to sweep t: a wrong Target would remove what does not belong to the lab.
func (t Target) check() error {
	var faults []error
	if t.DockerHost == "" && t.Label == "" && t.Marker == "" && len(t.Folders) == 0 {
		faults = append(faults, errors.New("it names nothing: set DockerHost and Label, Marker or Folders"))
	}
	if t.DockerHost != "" && t.Label == "" {
		faults = append(faults, errors.New("DockerHost without Label would select every object of the daemon: set Label"))
	}
	faults = append(faults, checkPair("Label", t.Label), checkPair("Marker", t.Marker))
	for _, folder := range t.Folders {
		faults = append(faults, checkFolder(folder))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("refuse the target of a sweep: %w", err)
	}
	return nil
}

func checkPair(field, pair string) error {
	if pair == "" {
		return nil
	}
	name, value, _ := strings.Cut(pair, "=")
	if name == "" || value == "" || strings.ContainsRune(pair, 0) {
		return fmt.Errorf("%s %q is too wide: give it as name=value with both parts", field, pair)
	}
	return nil
}

func checkFolder(folder string) error {
	if !filepath.IsAbs(folder) {
		return fmt.Errorf("folder %q is not absolute: give its full path", folder)
	}
	clean := filepath.Clean(folder)
	if parent := filepath.Dir(clean); parent == filepath.Dir(parent) {
		return fmt.Errorf("folder %q is a top-level folder: give a folder of the lab's own", folder)
	}
	keep := []string{os.TempDir()}
	if home, err := os.UserHomeDir(); err == nil {
		keep = append(keep, home)
	}
	for _, kept := range keep {
		if contains(clean, kept) || contains(realPath(clean), realPath(kept)) {
			return fmt.Errorf("folder %q contains %s: give a folder of the lab's own", folder, kept)
		}
	}
	return nil
}

// contains reports whether path is folder or lies below it.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// realPath follows symbolic links if it can: the home folder is often behind one.
func realPath(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}
