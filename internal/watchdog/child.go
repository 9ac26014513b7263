package watchdog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

// pace is how the watchdog sweeps.
type pace struct {
	Every time.Duration // between two passes
	Quiet time.Duration // how long nothing may have turned up before it ends
	Limit time.Duration // after this it gives up
}

// usualPace: an object that turns up later than Quiet after the owner's death, and after everything else that turned up,
// is missed. Docker 20.10 took 60 ms to create each of three containers of a 106 MB image at once, on two busy cores.
func usualPace() pace {
	return pace{Every: 500 * time.Millisecond, Quiet: 5 * time.Second, Limit: 2 * deadline.Removal}
}

// Exit codes of the watchdog; Release shows them to the owner.
const (
	exitReleased = 0 // after a goodbye
	exitNoOrder  = 3 // the pipe closed before the order was whole
	exitSwept    = 4 // everything is gone
	exitLeft     = 5 // something is left; see LogFolder
)

// init turns a program that Start started again into a watchdog, before its main or its tests begin.
func init() {
	if pipe := inheritedPipe(); pipe != nil {
		os.Exit(watch(pipe))
	}
}

// inheritedPipe is nil in every program but a watchdog. The environment variable alone is not enough, somebody may have
// exported it; nor is a pipe alone, as make and shells hand them down as well.
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
			lastWords(o, fmt.Errorf("the watchdog itself failed: %v\n%s", fault, debug.Stack()))
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
		lastWords(o, err)
		return exitLeft
	}
	return exitSwept
}

// released waits for what ends the watch, and reports whether it was a goodbye.
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
	// go waits for what it runs, so an owner that outlives it is an orphan. The pipe still has the last word: the owner
	// may have ended first, or said goodbye a moment ago.
	_ = o.Owner.kill()
	select {
	case bye := <-said:
		return bye
	case <-time.After(deadline.Hang):
		return false
	}
}

// sweepUntilQuiet returns what could not be removed.
func sweepUntilQuiet(o order) error {
	ctx, cancel := context.WithTimeout(context.Background(), o.Pace.Limit)
	defer cancel()
	quietPasses, quietSince := 0, time.Now()
	var left error
	late := poll.Every(ctx, o.Pace.Every, func() (quiet bool) {
		swept, err := Sweep(ctx, o.Target)
		if ctx.Err() == nil {
			left = err // not the error of a pass that the limit cut short
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
