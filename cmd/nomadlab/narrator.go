package main

import (
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
)

// narrator writes a scenario down while it happens. It is a scenario.Narrator for one scenario.
type narrator struct {
	to stream
	// live is where the time of the step that is being carried out is shown.
	live  stream
	clock *progress
	// done counts the steps that were carried out wholly.
	done int
}

var _ scenario.Narrator = (*narrator)(nil)

// margin is where what a step tells begins, below its title.
const margin = "     "

func (n *narrator) Begin(s scenario.Step, number, of int) {
	n.to.printf("%s  %s", n.to.faint(fmt.Sprintf("%d/%d", number, of)), n.to.bold(s.Title))
	n.wait()
}

func (n *narrator) Say(text string) {
	n.between(func() { n.to.printf("%s%s", margin, n.to.wrapped(text, margin)) })
}

func (n *narrator) Found(f finding.Finding) {
	n.between(func() {
		mark := n.to.tick()
		if f.Result != finding.Pass {
			mark = n.to.cross()
		}
		n.to.printf("%s%s %s: %s: %s  %s", margin, mark, f.Node, f.Title, f.Result, n.to.faint(took(f.Took)))
		n.to.printf("%s    %s", margin, n.to.faint(seen(f)))
		if f.Result != finding.Pass {
			n.to.printf("%s    %s", margin, n.to.bad(n.to.wrapped(f.Reason, margin+"    ")))
		}
	})
}

func (n *narrator) End(_ scenario.Step, d time.Duration, err error) {
	n.rest()
	mark, word := n.to.tick(), "done"
	if err == nil {
		n.done++
	}
	if err != nil {
		mark, word = n.to.cross(), "failed"
	}
	n.to.printf("%s%s %s", margin, mark, n.to.faint(word+" in "+took(d)))
}

// wait shows on a terminal that the step is still going on.
func (n *narrator) wait() {
	if n.live.terminal && n.to.terminal {
		n.clock = newProgress(n.live)
		n.clock.doing("step", "working")
	}
}

func (n *narrator) rest() {
	if n.clock != nil {
		n.clock.stop()
		n.clock = nil
	}
}

// between writes while no live line is in the way. The step's clock goes on.
func (n *narrator) between(write func()) {
	if n.clock == nil {
		write()
		return
	}
	n.clock.interleave(write)
}

// seen is what a check saw, beside what its control saw: the one without the other proves nothing.
func seen(f finding.Finding) string {
	words := []string{"saw " + orDash(f.Outcome)}
	for _, e := range f.Evidence {
		if e.Part == finding.ControlBefore || e.Part == finding.ControlAfter {
			words = append(words, fmt.Sprintf("%s: %s", e.Part, orDash(e.Outcome)))
		}
	}
	return strings.Join(words, ", ")
}

// took is a short time, to the millisecond.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return brief(d)
}
