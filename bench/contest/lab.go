package contest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// Lab is a contestant that calls lab.Up.
type Lab struct {
	// Contestant says who it is.
	Contestant measure.Contestant
	// Engine is where its nodes run.
	Engine engine.Engine
	// Nomad is what they run. It must be on this machine already, or the time to get it would count.
	Nomad spec.Nomad
	// Name returns a name for the next lab.
	Name func() string
	// Timeout bounds a start. Zero: that of lab.Up.
	Timeout time.Duration
}

// About says who it is.
func (l Lab) About() measure.Contestant { return l.Contestant }

// Prepare does nothing: all that lab.Up does counts.
func (l Lab) Prepare(_ context.Context, clients int) (Attempt, error) {
	spec := spec.Spec{Name: l.Name(), Nomad: l.Nomad}.With(spec.Servers(Servers), spec.Clients(clients))
	return &attempt{by: l, spec: spec}, nil
}

// attempt is a lab that comes up.
type attempt struct {
	by   Lab
	spec spec.Spec

	mu     sync.Mutex
	began  time.Time
	lab    *lab.Lab
	config *tls.Config
	steps  []measure.Step
}

var (
	_ Witness   = (*attempt)(nil)
	_ Weighable = (*attempt)(nil)
)

// sweepAfter is when the next start on this machine may remove a lab of a benchmark that was killed together with its
// watchdog.
const sweepAfter = time.Hour

// Begin returns when lab.Up does.
func (a *attempt) Begin(ctx context.Context) error {
	a.mu.Lock()
	a.began = time.Now()
	a.mu.Unlock()
	var unusable error
	l, err := lab.Up(ctx, a.by.Engine, a.spec, lab.UpOptions{
		Timeout: a.by.Timeout, Expires: time.Now().Add(sweepAfter), Progress: a.tell,
		Begun: func(l *lab.Lab) { unusable = a.take(l) },
	})
	if err != nil {
		a.forget() // lab.Up has removed it
		return errors.Join(err, unusable)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lab = l
	return unusable
}

// take notes the lab as soon as its keys are there, so that it can be looked at.
func (a *attempt) take(l *lab.Lab) error {
	config, err := l.Credential().ClientTLS(l.Servers()[0].ServerName())
	if err != nil {
		return fmt.Errorf("the lab's cli certificate: %w", err)
	}
	a.tell(lab.Event{Text: "keys and certificates are made", Done: true})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lab, a.config = l, config
	return nil
}

func (a *attempt) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lab = nil
}

func (a *attempt) tell(e lab.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.steps = append(a.steps, measure.Step{At: time.Since(a.began).Seconds(), Source: "lab", Text: e.Text})
}

// Told are lab.Up's events.
func (a *attempt) Told() []measure.Step {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]measure.Step(nil), a.steps...)
}

func (a *attempt) current() *lab.Lab {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lab
}

// TLS has the lab's cli certificate, as soon as there is one.
func (a *attempt) TLS() *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.config
}

// Servers are those that have an address, which they get when they are started.
func (a *attempt) Servers() []netip.AddrPort {
	l := a.current()
	if l == nil {
		return nil
	}
	var out []netip.AddrPort
	for _, n := range l.Servers() {
		if at := n.HTTP(); at.IsValid() {
			out = append(out, at)
		}
	}
	return out
}

// Remove is Lab.Down.
func (a *attempt) Remove(ctx context.Context) error {
	l := a.current()
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalWithin)
	defer cancel()
	if err := l.Down(ctx); err != nil {
		return fmt.Errorf("remove lab %s: %w", a.spec.Name, err)
	}
	return nil
}

// Memory asks where the lab's engine has its agents.
func (a *attempt) Memory(ctx context.Context) (measure.Memory, error) {
	f := a.by.Engine.Footprint("lab", a.spec.Name)
	if f.Label != "" {
		return containerMemory(ctx, f.DockerHost, f.Label)
	}
	return processMemory(f.Marker)
}
