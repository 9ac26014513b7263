package image

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons for which there is no Nomad, to be told apart by errors.Is.
var (
	// ErrUnknownVersion: no source has a Nomad of this version. See UnknownVersionError.
	ErrUnknownVersion = errors.New("unknown Nomad version")
	// ErrNoRegistry: no registry answered the Docker daemon in time.
	ErrNoRegistry = errors.New("no image registry answers")
	// ErrNotInRegistry: a registry answered, and has no such image or does not give it to strangers.
	ErrNotInRegistry = errors.New("the image registry has no such image")
	// ErrNoGo: there is no Go toolchain, or one that is too old for the recipe.
	ErrNoGo = errors.New("no suitable Go toolchain")
	// ErrNoBusybox: no static BusyBox for the Docker daemon's architecture can be had.
	ErrNoBusybox = errors.New("no static BusyBox")
	// ErrNoSpace: the disk is full, or has less space than a build needs.
	ErrNoSpace = errors.New("not enough disk space")
	// ErrUnusableBinary: the nomad binary that was named cannot run where it is to: in a container, or on this machine.
	ErrUnusableBinary = errors.New("unusable nomad binary")
	// ErrNeedsDocker: an image was named where a binary is wanted.
	ErrNeedsDocker = errors.New("an image can only be used with Docker")
)

// UnknownVersionError says that no source has a version, and what there is instead. It is ErrUnknownVersion.
type UnknownVersionError struct {
	// Version is what was asked for.
	Version string
	// Buildable are the versions with an embedded recipe, oldest first.
	Buildable []string
	// Cause is why the version could not be had, such as ErrNoRegistry or ErrNotInRegistry; for a binary it says what is
	// in PATH. Nil: the version's text is not one of a version.
	Cause error
	// WithoutDocker says that a binary was wanted, and so no image was looked for.
	WithoutDocker bool
}

// Error tells what can be had instead.
func (e *UnknownVersionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %q", ErrUnknownVersion, e.Version)
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	} else {
		b.WriteString(`: want one such as "` + DefaultVersion + `"`)
	}
	buildable := strings.Join(e.Buildable, ", ")
	if e.WithoutDocker {
		fmt.Fprintf(&b, ". Without Docker, these can be built: %s. With Docker (--engine docker) and a registry, any official version can be pulled. "+
			"Or name a nomad binary (--nomad-binary)", buildable)
	} else {
		fmt.Fprintf(&b, ". Without a registry, these can be built: %s. With a registry, any official version can be pulled. "+
			"Or name an image (--image) or a nomad binary (--nomad-binary)", buildable)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrUnknownVersion) true.
func (e *UnknownVersionError) Is(target error) bool { return target == ErrUnknownVersion }

// Unwrap returns the Cause.
func (e *UnknownVersionError) Unwrap() error { return e.Cause }

// outOfSpace says plainly that a disk is full, when that is what a tool's or the daemon's words mean.
func outOfSpace(err error, where string) error {
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || errors.Is(err, ErrNoSpace) {
		return err
	}
	return fmt.Errorf("%w: the disk of %s is full: %w", ErrNoSpace, where, err)
}
