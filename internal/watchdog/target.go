package watchdog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Target is what belongs to one lab or one start, and so what is removed. Its zero value names nothing and is refused.
type Target struct {
	// DockerHost is the address of the Docker daemon, such as unix:///var/run/docker.sock.
	// Zero: there are no Docker objects.
	DockerHost string

	// Label is the key=value that containers, networks and volumes of the lab bear, and nothing else on that daemon.
	// Both parts must be there: a filter on a bare key, or on nothing, would select other people's objects.
	// Zero: only allowed without DockerHost.
	Label string

	// Marker is the NAME=value that the lab's processes bear in their environment, and no other process. It is compared
	// with whole entries of /proc/PID/environ, that is with the environment a process was started with. What descends from
	// such a process belongs to the lab too, whatever its own environment says.
	// Zero: there are no processes. Linux only; elsewhere no process is found.
	Marker string

	// Folders are removed last, after everything else is gone. They must be absolute paths, not a top-level folder, and
	// must not contain the home folder or the temporary folder. Zero: there are none.
	Folders []string
}

// Swept counts what a [Sweep] found and removed, or tried to remove where it also returned an error.
// Its zero value: nothing was found.
type Swept struct {
	Processes  int
	Containers int
	Networks   int
	Volumes    int
	Folders    int
}

// Total is the number of all objects that were found.
func (s Swept) Total() int {
	return s.Processes + s.Containers + s.Networks + s.Volumes + s.Folders
}

// check reports every reason not to sweep t, because a wrong Target removes what is not ours.
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
	for _, precious := range keep {
		if contains(clean, precious) || contains(realPath(clean), realPath(precious)) {
			return fmt.Errorf("folder %q contains %s: give a folder of the lab's own", folder, precious)
		}
	}
	return nil
}

// contains reports whether path is folder or lies below it.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// realPath follows symbolic links where it can: the home folder is often behind one.
func realPath(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}
