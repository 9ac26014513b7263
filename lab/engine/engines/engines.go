// Package engines finds the engines that this machine has, and which of them is to be used.
package engines

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
	"nomadlab.internal/lab/engine/process"
)

// Kind is which engine a user asks for.
type Kind string

// The kinds.
const (
	// Auto is Docker where it answers, else processes. It is the zero value's meaning.
	Auto Kind = "auto"
	// Docker is containers.
	Docker Kind = "docker"
	// Process is ordinary processes on loopback addresses.
	Process Kind = "process"
)

// Variable is the environment variable that names the kind for those who do not say it otherwise.
const Variable = "NOMADLAB_ENGINE"

// Kinds are all kinds.
func Kinds() []Kind { return []Kind{Auto, Docker, Process} }

// ErrUnknown is returned for a kind that there is not.
var ErrUnknown = errors.New("unknown engine")

// ErrAmbiguous is returned for a lab's name that two engines have.
var ErrAmbiguous = errors.New("say which engine is meant, with --engine")

// Set are the engines of this machine: one where new labs go, and those that may have labs besides.
type Set struct {
	home   engine.Engine
	others []engine.Engine
	note   string
	unseen error
}

// New is a set of engines that are open already.
func New(home engine.Engine, others ...engine.Engine) *Set { return &Set{home: home, others: others} }

// Open connects to the engines of that kind. Of Docker or Process alone, only that one is looked at. Auto looks at both:
// labs may be in either. It returns ErrUnknown, or an error that wraps engine.ErrUnavailable when there is none.
func Open(ctx context.Context, k Kind) (*Set, error) {
	switch k {
	case Docker:
		return only(docker.New(ctx))
	case Process:
		return only(process.New())
	case Auto, "":
		return open(ctx)
	default:
		return nil, fmt.Errorf("%w %q: use one of %v", ErrUnknown, k, Kinds())
	}
}

func only[E engine.Engine](e E, err error) (*Set, error) {
	if err != nil {
		return nil, err
	}
	return New(e), nil
}

func open(ctx context.Context) (*Set, error) {
	containers, noDocker := docker.New(ctx)
	processes, noProcesses := process.New()
	switch {
	case noDocker == nil && noProcesses == nil:
		return New(containers, processes), nil
	case noDocker == nil:
		s := New(containers)
		if runtime.GOOS == "linux" { // elsewhere there can be no others
			s.note = fmt.Sprintf("labs without Docker are not looked at: %v", noProcesses)
			s.unseen = noProcesses
		}
		return s, nil
	case noProcesses == nil && errors.Is(noDocker, engine.ErrUnavailable):
		return &Set{home: processes, note: note(noDocker, processes), unseen: noDocker}, nil
	default:
		return nil, errors.Join(noDocker, noProcesses)
	}
}

// note says in one line that there is no Docker, and what is missing without it.
func note(noDocker error, processes engine.Engine) string {
	why := strings.TrimPrefix(noDocker.Error(), engine.ErrUnavailable.Error()+": ")
	return fmt.Sprintf("agents run as processes on this machine: %s. For containers: %s", processes.Lacks(engine.Containment), why)
}

// Home is where new labs go.
func (s *Set) Home() engine.Engine { return s.home }

// Others are the engines that may have labs besides.
func (s *Set) Others() []engine.Engine { return s.others }

// All are all of them, Home first.
func (s *Set) All() []engine.Engine { return append([]engine.Engine{s.home}, s.others...) }

// Note is a line about Home that a user should read before a lab is made there. Empty where there is nothing to say.
func (s *Set) Note() string { return s.note }

// Unseen is why an engine that may have labs was not asked for them. Nil: all of them were. It wraps engine.ErrDenied where that
// engine is there, and this user may not talk to it.
func (s *Set) Unseen() error { return s.unseen }

// WithUnseen is the set, beside which an engine was not asked, for that reason.
func (s *Set) WithUnseen(err error) *Set {
	s.unseen = err
	return s
}

// Labs are the labs of all engines, by name.
func (s *Set) Labs(ctx context.Context) (map[string]engine.LabState, error) {
	all := map[string]engine.LabState{}
	for _, e := range s.All() {
		labs, err := e.Labs(ctx)
		if err != nil {
			return nil, err
		}
		for name, state := range labs {
			if _, there := all[name]; !there {
				all[name] = state
			}
		}
	}
	return all, nil
}

// Of returns the engine that has the lab, and Home when none has. It returns ErrAmbiguous when several have one.
func (s *Set) Of(ctx context.Context, lab string) (engine.Engine, error) {
	var has engine.Engine
	for _, e := range s.All() {
		labs, err := e.Labs(ctx)
		if err != nil {
			return nil, err
		}
		if _, there := labs[lab]; !there {
			continue
		}
		if has != nil {
			return nil, fmt.Errorf("%w: there is a lab %s on each of %s and %s", ErrAmbiguous, lab, has.Name(), e.Name())
		}
		has = e
	}
	if has == nil {
		has = s.home
	}
	return has, nil
}

// Close closes all of them. Labs go on.
func (s *Set) Close() error {
	var errs []error
	for _, e := range s.All() {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}
