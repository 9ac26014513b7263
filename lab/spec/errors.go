package spec

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is what every error about the user's input wraps: nothing was started.
var ErrInvalid = errors.New("invalid input")

// InputError is the text of a kind of invalid input: errors.Is(err, ErrInvalid) holds for each.
type InputError string

func (e InputError) Error() string { return string(e) }

// Is makes every InputError one of ErrInvalid.
func (e InputError) Is(target error) bool { return target == ErrInvalid }

// Problem is one thing wrong with a Spec.
type Problem struct {
	// Field is where it is, as in the YAML file: "regions[0].servers".
	Field string
	// Found is what stands there.
	Found string
	// Mend is what would do.
	Mend string
}

func (p Problem) String() string { return fmt.Sprintf("%s is %s: %s", p.Field, p.Found, p.Mend) }

// InvalidError has all that is wrong with a Spec, not only the first thing. It wraps ErrInvalid.
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

const (
	// ErrTaken is returned when a lab of that name exists already, or is being started. It is an ErrInvalid.
	ErrTaken = InputError("the name is taken")
	// ErrDamaged is returned when a lab's folder cannot be read as it was written. The lab itself may well run. It is an
	// ErrInvalid.
	ErrDamaged = InputError("the lab's folder is damaged")
	// ErrOtherState is returned for a lab whose folder is in another state folder than this process uses: it was brought up by
	// another user, or with another HOME or XDG_STATE_HOME. It is an ErrInvalid.
	ErrOtherState = InputError("the lab's folder is another state folder's")
)

// ErrNoFolder is returned when labs' folders cannot be made where they belong. It is an ErrInvalid.
const ErrNoFolder = InputError("no folder for labs")

// ErrNoSpace is returned when the disk of the lab's folder is too full for a lab. It is an ErrInvalid.
const ErrNoSpace = InputError("not enough disk space")
