package watchdog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LogFolder is where a watchdog that could not remove everything writes a file named watchdog-*.log: the folder nomadlab
// in the user's state folder ($XDG_STATE_HOME, else ~/.local/state), or in the temporary folder where the user has no
// home. It need not exist.
func LogFolder() string {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "nomadlab")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "nomadlab")
	}
	return filepath.Join(os.TempDir(), "nomadlab")
}

// lastWords says what is left and how to remove it. Where even that fails nobody is left to tell.
func lastWords(o order, left error) {
	folder := LogFolder()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return
	}
	name := fmt.Sprintf("watchdog-%s-%d.log", time.Now().UTC().Format("20060102T150405Z"), os.Getpid())
	// A new file, and none that a link leads to: the temporary folder is everybody's.
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(words(o, left))
	_ = file.Close()
}

func words(o order, left error) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Process %d ended without cleaning up, and its watchdog could not remove everything.\n\n%v\n", o.Owner.PID, left)
	if t := o.Target; t.DockerHost != "" {
		docker := "docker -H " + t.DockerHost
		fmt.Fprintf(&text, "\nTo remove it by hand:\n")
		for _, kind := range []struct{ list, remove string }{
			{"ps -aq", "rm -fv"}, {"network ls -q", "network rm"}, {"volume ls -q", "volume rm"},
		} {
			fmt.Fprintf(&text, "  %s %s --filter label=%s | xargs -r %s %s\n", docker, kind.list, t.Label, docker, kind.remove)
		}
	}
	if o.Target.Marker != "" {
		fmt.Fprintf(&text, "\nProcesses to end are those with %s in /proc/PID/environ.\n", o.Target.Marker)
	}
	return text.String()
}
