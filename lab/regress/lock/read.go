package lock

import (
	"errors"
	"fmt"
	"strconv"

	"nomadlab.internal/lab/spec"
)

// ErrLock is wrapped by every error about a lock that cannot be used. It is a spec.ErrInvalid.
var ErrLock error = lockError{}

type lockError struct{}

func (lockError) Error() string { return "posture lock" }

// Is makes it one of spec.ErrInvalid.
func (lockError) Is(target error) bool { return target == spec.ErrInvalid }

// mend is what helps against a lock that cannot be read.
const mend = "restore it from version control, or write it anew with --update"

// ReadLock reads what Lock has written; name is the file's, for errors. They wrap ErrLock, and say what to do: the text is
// not YAML or not in a lock's form (with the line), another nomadlab wrote it, a result is unknown, a check is in it
// twice, or it was edited by hand.
//
// Titles, severities, settings of promises, files and lines are empty in the result: they are not in a lock.
func ReadLock(name string, text []byte) (Posture, error) {
	p, err := readLock(text)
	if err != nil {
		return Posture{}, fmt.Errorf("%w %s: %w", ErrLock, name, err)
	}
	return p, nil
}

func readLock(text []byte) (Posture, error) {
	root, err := parse(text)
	if err != nil {
		return Posture{}, err
	}
	if err := root.checkVersion(); err != nil {
		return Posture{}, err
	}
	var p Posture
	var sum string
	for _, f := range root {
		switch f.key {
		case "version":
		case "nomad":
			p.Nomad, err = f.text()
		case "settings":
			p.Settings, err = f.settings()
		case "checks":
			p.Results, err = f.entries()
		case "checksum":
			sum, err = f.text()
		default:
			err = f.errorf("%q is nothing that a lock has: %s", f.key, mend)
		}
		if err != nil {
			return Posture{}, err
		}
	}
	if want := checksum(p.content()); sum != want {
		return Posture{}, fmt.Errorf("it was edited by hand: its checksum is %q, its content's is %q: %s", sum, want, mend)
	}
	return p, nil
}

// checkVersion looks at the version before anything else: in another one, all else may have another form.
func (root fields) checkVersion() error {
	for _, f := range root {
		if f.key != "version" {
			continue
		}
		text, err := f.text()
		if err != nil {
			return err
		}
		switch v, err := strconv.Atoi(text); {
		case err != nil || v < 1:
			return f.errorf("its version is %q, which is none: %s", text, mend)
		case v > lockVersion:
			return fmt.Errorf("it was written by a newer nomadlab: version %d, this one knows %d: use that nomadlab, or write the lock anew with --update", v, lockVersion)
		case v < lockVersion:
			return fmt.Errorf("it was written by an older nomadlab: version %d, this one knows %d: write it anew with --update", v, lockVersion)
		}
		return nil
	}
	return errors.New("it has no version, so it is no posture lock: name the file that --lock --update has written")
}
