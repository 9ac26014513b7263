package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
)

const (
	// redraw is how often the live line is written: often enough for tenths of a second.
	redraw = 100 * time.Millisecond
	// repeatAfter is the time between two lines about the same stage where lines are not overwritten.
	repeatAfter = 10 * time.Second
)

// progress shows the progress of a command: on a terminal a line for each finished stage and a live line for the current
// one, elsewhere a line for each event. newProgress makes one.
type progress struct {
	to    stream
	began time.Time

	mu    sync.Mutex
	now   string
	stage string
	last  time.Time
	end   chan struct{}
	ended sync.WaitGroup
}

// newProgress returns a progress that writes to the stream. The caller calls stop when the command has ended.
func newProgress(to stream) *progress {
	p := &progress{to: to, began: time.Now(), end: make(chan struct{})}
	if to.terminal {
		p.ended.Go(p.live)
	}
	return p
}

// live draws the live line again every redraw, until stop is called.
func (p *progress) live() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		case <-p.end:
			return
		}
	}
}

// stop removes the live line. No line is written after it has returned.
func (p *progress) stop() {
	close(p.end)
	p.ended.Wait()
	p.clear()
}

func (p *progress) elapsed() time.Duration { return time.Since(p.began) }

// event shows an event of lab.Up.
func (p *progress) event(e lab.Event) {
	if e.Done {
		p.done(e.Text)
	} else {
		p.doing(e.Phase, e.Text)
	}
}

// doing shows the current stage.
func (p *progress) doing(stage, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := stage == p.stage && time.Since(p.last) < repeatAfter
	p.now, p.stage = text, stage
	if p.to.terminal {
		p.draw()
		return
	}
	if !again {
		p.last = time.Now()
		p.to.printf("%s  %s", p.clock(), text)
	}
}

// counting returns a function that counts findings and shows their number. It may be called concurrently.
func (p *progress) counting() func(finding.Finding) {
	var done atomic.Int64
	return func(finding.Finding) {
		p.doing("check", fmt.Sprintf("checking: %s", count(int(done.Add(1)), "result")))
	}
}

// done shows a finished stage.
func (p *progress) done(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.stage = "", ""
	if p.to.terminal {
		p.clear()
		p.to.printf("  %s %s  %s", p.to.mark(true), p.to.faint(p.clock()), text)
		return
	}
	p.to.printf("%s  %s", p.clock(), text)
}

// interleave calls write while the live line is removed.
func (p *progress) interleave(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	write()
	if p.to.terminal {
		p.draw()
	}
}

// draw writes the live line. The caller holds the lock.
func (p *progress) draw() {
	if p.now == "" {
		return
	}
	line := fmt.Sprintf("    %s  %s …", p.clock(), p.now)
	if width := p.to.width(); width > 0 && utf8.RuneCountInString(line) >= width {
		line = string([]rune(line)[:width-1]) // a line that wraps cannot be overwritten
	}
	p.clear()
	_, _ = fmt.Fprint(p.to, p.to.faint(line))
}

// clear removes the live line from a terminal. The caller holds the lock.
func (p *progress) clear() {
	if p.to.terminal {
		_, _ = fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// clock returns the time since the beginning, right-aligned, as a line shows it.
func (p *progress) clock() string { return fmt.Sprintf("%6s", brief(p.elapsed())) }
