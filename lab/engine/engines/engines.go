// Package engines opens the engines of this machine, and chooses the one for new labs.
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

// Kind is the engine that a user asks for.
type Kind string

// The kinds.
const (
	// Auto is Docker if its daemon answers, otherwise processes. The zero value means the same.
	Auto Kind = "auto"
	// Docker is containers.
	Docker Kind = "docker"
	// Process is ordinary processes on loopback addresses.
	Process Kind = "process"
)

// Variable is the environment variable with the default kind.
const Variable = "NOMADLAB_ENGINE"

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Auto, Docker, Process} }

// ErrUnknown is returned for an unknown kind.
var ErrUnknown = errors.New("unknown engine")

// ErrAmbiguous is returned for a lab name that exists on two engines.
var ErrAmbiguous = errors.New("say which engine is meant, with --engine")

// Set is the engines of this machine: one for new labs, and others that may have labs.
type Set struct {
	home   engine.Engine
	others []engine.Engine
	note   string
	unseen error
}

// New returns a set of engines that are open already.
func New(home engine.Engine, others ...engine.Engine) *Set { return &Set{home: home, others: others} }

// Open opens the engines of that kind: only one for Docker or Process, and both for Auto, because labs may be on either. It
// returns ErrUnknown, or an error that wraps engine.ErrUnavailable if no engine can be used.
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
		if runtime.GOOS == "linux" { // other systems have no process engine
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

// note returns a line that says that Docker is not used, why, and what is missing without it.
func note(noDocker error, processes engine.Engine) string {
	why := strings.TrimPrefix(noDocker.Error(), engine.ErrUnavailable.Error()+": ")
	return fmt.Sprintf("agents run as processes on this machine: %s. For containers: %s", processes.Lacks(engine.Containment), why)
}

// Home returns the engine for new labs.
func (s *Set) Home() engine.Engine { return s.home }

// Others returns the other engines, which may have labs.
func (s *Set) Others() []engine.Engine { return s.others }

// All returns all of them, Home first.
func (s *Set) All() []engine.Engine { return append([]engine.Engine{s.home}, s.others...) }

// Note returns a line about Home that a user should read before a lab is created there, or "".
func (s *Set) Note() string { return s.note }

// Unseen returns why an engine that may have labs is not in the set, or nil if all are. It wraps engine.ErrDenied if that
// engine runs and this user may not use it.
func (s *Set) Unseen() error { return s.unseen }

// WithUnseen sets the error that Unseen returns, and returns the set.
func (s *Set) WithUnseen(err error) *Set {
	s.unseen = err
	return s
}

// Labs returns the labs of all engines, by name. Of two with one name it returns the one on the first engine.
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

// Of returns the engine that has the lab, or Home if none has. It returns ErrAmbiguous if several have it.
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
