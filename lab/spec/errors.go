package spec

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is wrapped by every error about the user's input. Nothing was started.
var ErrInvalid = errors.New("invalid input")

// InputError is a kind of invalid input: errors.Is(err, ErrInvalid) holds for each.
type InputError string

func (e InputError) Error() string { return string(e) }

// Is makes errors.Is(err, ErrInvalid) hold.
func (e InputError) Is(target error) bool { return target == ErrInvalid }

// Problem is one thing wrong with a Spec.
type Problem struct {
	// Field is its place, as in the YAML file: "regions[0].servers".
	Field string
	// Found is the value that stands there.
	Found string
	// Mend says what to write instead.
	Mend string
}

func (p Problem) String() string { return fmt.Sprintf("%s is %s: %s", p.Field, p.Found, p.Mend) }

// InvalidError lists everything that is wrong with a Spec. It wraps ErrInvalid.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is(err, ErrInvalid) hold.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Errors about the name and the folder of a lab. Each is an ErrInvalid.
const (
	// ErrTaken is returned if a lab of that name exists already, or is being started.
	ErrTaken = InputError("the name is taken")
	// ErrDamaged is returned if a lab's folder cannot be read as it was written. The lab itself may still run.
	ErrDamaged = InputError("the lab's folder is damaged")
	// ErrOtherState is returned for a lab whose folder is in another state folder than that of this process: it was brought up
	// by another user, or with another HOME or XDG_STATE_HOME.
	ErrOtherState = InputError("the lab's folder is another state folder's")
	// ErrNoFolder is returned if the folder of labs cannot be made.
	ErrNoFolder = InputError("no folder for labs")
	// ErrNoSpace is returned if the disk of the lab's folder is too full for a lab.
	ErrNoSpace = InputError("not enough disk space")
)
