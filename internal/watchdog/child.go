package watchdog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

// pace is how the watchdog sweeps.
type pace struct {
	Every time.Duration // between two passes
	Quiet time.Duration // how long passes must find nothing before it ends
	Limit time.Duration // after this it gives up
}

// usualPace returns the pace of Start. An object that appears later than Quiet after the owner's death, and after all others, is
// missed. Docker 20.10 took 60 ms to create each of three containers of a 106 MB image at once, on two busy cores.
func usualPace() pace {
	return pace{Every: 500 * time.Millisecond, Quiet: 5 * time.Second, Limit: 2 * deadline.Removal}
}

// Exit codes of the watchdog; Release shows them to the owner.
const (
	exitReleased = 0 // after a goodbye
	exitNoOrder  = 3 // the pipe closed before the order was complete
	exitSwept    = 4 // everything is gone
	exitLeft     = 5 // something is left; see LogFolder
)

// init turns a program that Start started again into a watchdog, before its main or its tests begin.
func init() {
	if pipe := inheritedPipe(); pipe != nil {
		os.Exit(watch(pipe))
	}
}

// inheritedPipe returns nil in every program but a watchdog. The environment variable alone is not enough, as a user may have
// exported it; nor is a pipe alone, as make and shells pass pipes on as well.
func inheritedPipe() *os.File {
	want := os.Getenv(guard)
	if want == "" {
		return nil
	}
	if id, err := pipeID(pipeFD); err != nil || id != want {
		return nil
	}
	return os.NewFile(pipeFD, "owner")
}

func watch(pipe *os.File) (code int) {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	closeInherited()
	var o order
	defer func() {
		if fault := recover(); fault != nil {
			writeLog(o, fmt.Errorf("the watchdog itself failed: %v\n%s", fault, debug.Stack()))
			code = exitLeft
		}
	}()
	words := bufio.NewReader(pipe)
	line, err := words.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &o) != nil {
		return exitNoOrder // Start has not returned, so nothing of the target exists
	}
	debug.FreeOSMemory() // what the initialisation of other packages used
	if released(o, words) {
		return exitReleased
	}
	if err := sweepUntilQuiet(o); err != nil {
		writeLog(o, err)
		return exitLeft
	}
	return exitSwept
}

// released waits for the end of the watch, and reports whether the owner said goodbye.
func released(o order, words *bufio.Reader) bool {
	said := make(chan bool, 1)
	go func() {
		line, _ := words.ReadString('\n')
		said <- line == goodbye
	}()
	var runnerEnded <-chan struct{}
	if o.Runner != nil {
		runnerEnded = o.Runner.ended()
	}
	select {
	case bye := <-said:
		return bye
	case <-runnerEnded:
	}
	// The go command waits for what it runs, so an owner that outlives it is an orphan. The pipe still decides: the owner may
	// have ended first, or said goodbye a moment ago.
	_ = o.Owner.kill()
	select {
	case bye := <-said:
		return bye
	case <-time.After(deadline.Hang):
		return false
	}
}

// sweepUntilQuiet sweeps until nothing is found any more, and returns what could not be removed.
func sweepUntilQuiet(o order) error {
	ctx, cancel := context.WithTimeout(context.Background(), o.Pace.Limit)
	defer cancel()
	quietPasses, quietSince := 0, time.Now()
	var left error
	late := poll.Every(ctx, o.Pace.Every, func() (quiet bool) {
		swept, err := Sweep(ctx, o.Target)
		if ctx.Err() == nil {
			left = err // not the error of a pass that the limit interrupted
		}
		if quietPasses++; err != nil || swept.Total() > 0 {
			quietPasses, quietSince = 0, time.Now()
		}
		return quietPasses >= 2 && time.Since(quietSince) >= deadline.Stretch(o.Pace.Quiet)
	})
	if late == nil {
		return nil
	}
	_, err := removeFolders(o.Target.Folders)
	return errors.Join(left, err, fmt.Errorf("gave up after %s", o.Pace.Limit))
}

// LogFolder returns the folder in which a watchdog that could not remove everything writes a file named watchdog-*.log: nomadlab
// in the user's state folder ($XDG_STATE_HOME, else ~/.local/state), or in the temporary folder if the user has no home. It need
// not exist.
func LogFolder() string {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "nomadlab")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "nomadlab")
	}
	return filepath.Join(os.TempDir(), "nomadlab")
}

// writeLog writes what is left and how to remove it. Its own errors are dropped, as no process is left to report them to.
func writeLog(o order, left error) {
	folder := LogFolder()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return
	}
	name := fmt.Sprintf("watchdog-%s-%d.log", time.Now().UTC().Format("20060102T150405Z"), os.Getpid())
	// A new file, and not the target of a link: other users may write to the temporary folder.
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(logText(o, left))
	_ = file.Close()
}

func logText(o order, left error) string {
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
