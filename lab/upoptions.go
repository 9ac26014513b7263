package lab

import (
	"fmt"
	"time"

	"nomadlab.internal/lab/engine"
)

// Wait says what Up waits for before it returns.
type Wait string

// What Up can wait for.
const (
	// Ready is a leader, every server a voter, every client ready, every agent healthy. It is the zero value's meaning.
	Ready Wait = "ready"
	// Elected is a leader; clients are started, and get ready by themselves.
	Elected Wait = "leader"
	// Started is only that every agent was started. Clients that find no leader try again after 15 to 30 s. A lab whose ACL
	// system is to be bootstrapped needs a leader for that all the same.
	Started Wait = "none"
)

// UpOptions say how to bring a lab up, not what it is. The zero value waits until the lab is ready.
type UpOptions struct {
	// Wait says what to wait for. Zero: Ready.
	Wait Wait
	// Timeout bounds the start once the image is there. Zero: deadline.Start.
	Timeout time.Duration
	// Patience is how long to wait for each thing before the lab is returned as it is, with Lab.Unready: for a cluster that
	// may never get ready, and is to be looked at all the same. An agent that ends is an error nevertheless. Zero: Up waits
	// until the Timeout is over, and fails.
	ReadyTimeout time.Duration
	// Expires is when the next start on this machine may remove the lab, should nobody have done so. Zero: never.
	Expires time.Time
	// Others are further engines that this machine has: the names of their labs are taken too. Nil: there are none.
	Others []engine.Engine
	// Progress is told what happens. Nil is fine.
	Progress func(Event)
	// Begun is given the lab once its keys exist and before its first node is started, for those who watch it come up. It
	// must return at once. Nil is fine.
	Begun func(*Lab)
}

// Event is one line of progress.
type Event struct {
	// Stage is one of Phases; who brings up several labs may put a word before it.
	Stage string
	// Text says it in words.
	Text string
	// Done is true when the stage has ended.
	Done bool
}

// all are all engines.
func (o UpOptions) all(e engine.Engine) []engine.Engine {
	return append([]engine.Engine{e}, o.Others...)
}

func (o UpOptions) tell(e Event) {
	if o.Progress != nil {
		o.Progress(e)
	}
}

// stage tells of something before and after it is done.
func (o UpOptions) stage(name, doing, done string, do func() error) error {
	o.tell(Event{Stage: name, Text: doing})
	if err := do(); err != nil {
		return err
	}
	o.tell(Event{Stage: name, Text: done, Done: true})
	return nil
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
