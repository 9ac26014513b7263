package image

import (
	"fmt"
	"sync"
	"time"
)

// Progress is called with what is being done. It must return soon, because the work waits for it.
type Progress func(Event)

// Event is one piece of progress.
type Event struct {
	// Stage is what is being done.
	Stage Stage
	// Text is a line for a terminal, without a line end, such as
	// "building Nomad 1.11.3 from its Go module, about 4 min on two cores: 412 of about 1590 packages, 1m12s".
	Text string
	// Elapsed is the time since the stage began.
	Elapsed time.Duration
	// Packages is the number of Go packages that this build compiled so far; those in Go's build cache
	// are not compiled again, nor counted. Zero outside StageBuild.
	Packages int
	// AboutPackages is about how many a build with an empty cache compiles. Zero outside StageBuild.
	AboutPackages int
}

// Stage is a part of the work.
type Stage string

// The stages, in the order in which they can occur.
const (
	// StagePull is the pull of an image.
	StagePull Stage = "pull"
	// StageCopy is the copying of a program out of an image.
	StageCopy Stage = "copy"
	// StageWait is the wait for another run, which makes a binary or an image now.
	StageWait Stage = "wait"
	// StageBusybox is the search for a static BusyBox.
	StageBusybox Stage = "busybox"
	// StageLicence comes once, before a build: its text says under which licence the program is, and how
	// long the build takes. Show it, and leave it.
	StageLicence Stage = "licence"
	// StageBuild is the build of the program by Go.
	StageBuild Stage = "build"
	// StageImport is the hand-over of the finished image to the Docker daemon.
	StageImport Stage = "import"
)

// licence returns the notice about what is built.
func licence(rec recipe) Event {
	return Event{Stage: StageLicence, Text: fmt.Sprintf("%s is HashiCorp's, under %s; it is built here unmodified, is no part of nomadlab, "+
		"and stays on this machine; the build takes about %d min on two cores, once", rec.title(), rec.part.licence(rec.version), rec.cost.Minutes)}
}

// tell calls p unless it is nil.
func (p Progress) tell(e Event) {
	if p != nil {
		p(e)
	}
}

// every reports one stage now and at each interval, until stop is called. When stop returns, no call is under way.
func (p Progress) every(interval time.Duration, event func(elapsed time.Duration) Event) (stop func()) {
	start := time.Now()
	p.tell(event(0))
	var wait sync.WaitGroup
	done := make(chan struct{})
	wait.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.tell(event(time.Since(start)))
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wait.Wait()
	}
}

// clock returns a duration in whole seconds.
func clock(d time.Duration) string { return fmt.Sprint(d.Truncate(time.Second)) }
