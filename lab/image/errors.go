package image

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of Resolve, ResolveFile and ResolveBinary.
var (
	// ErrUnknownPart: there is no part of this name.
	ErrUnknownPart = errors.New("unknown part")
	// ErrUnknownVersion: no source has this version of the part. See UnknownVersionError.
	ErrUnknownVersion = errors.New("unknown version")
	// ErrNoRegistry: no registry answered the Docker daemon in time.
	ErrNoRegistry = errors.New("no image registry answers")
	// ErrNotInRegistry: a registry answered, and has no such image or requires a login for it.
	ErrNotInRegistry = errors.New("the image registry has no such image")
	// ErrNoGo: there is no Go toolchain, or one that is too old for the recipe.
	ErrNoGo = errors.New("no suitable Go toolchain")
	// ErrNoC: there is no C compiler, or no static C library, for a recipe that needs them.
	ErrNoC = errors.New("no suitable C compiler")
	// ErrNoBusybox: no static BusyBox for the Docker daemon's architecture can be had.
	ErrNoBusybox = errors.New("no static BusyBox")
	// ErrNoSpace: the disk is full, or has less space than a build needs.
	ErrNoSpace = errors.New("not enough disk space")
	// ErrUnusableBinary: the named binary cannot run in a container, or on this machine.
	ErrUnusableBinary = errors.New("unusable binary")
	// ErrNeedsDocker: an image was named, but a binary is needed.
	ErrNeedsDocker = errors.New("an image can only be used with Docker")
)

// UnknownVersionError means that no source has a version. It matches ErrUnknownVersion.
type UnknownVersionError struct {
	// Part is the program.
	Part Part
	// Version is what was asked for.
	Version string
	// Buildable are the versions with an embedded recipe, oldest first.
	Buildable []string
	// Cause is why no source has it, such as ErrNoRegistry or ErrNotInRegistry; for a binary it describes the program
	// in PATH. Nil: the text is not a version.
	Cause error
	// WithoutDocker is true if a binary was wanted, so that no image was looked for.
	WithoutDocker bool
}

// Error includes what can be used instead.
func (e *UnknownVersionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "unknown %s version %q", e.Part.Title(), e.Version)
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	} else {
		b.WriteString(`: want one such as "` + e.Part.DefaultVersion() + `"`)
	}
	missing, with := "a registry", "a "
	if e.WithoutDocker {
		missing, with = "Docker", "Docker (--engine docker) and a "
	}
	fmt.Fprintf(&b, ". Without %s, these can be built: %s. With %sregistry, any official version can be pulled. Or name %s",
		missing, strings.Join(e.Buildable, ", "), with, e.Part.nameable(!e.WithoutDocker))
	return b.String()
}

// Is makes errors.Is(err, ErrUnknownVersion) true.
func (e *UnknownVersionError) Is(target error) bool { return target == ErrUnknownVersion }

// Unwrap returns the Cause.
func (e *UnknownVersionError) Unwrap() error { return e.Cause }

// outOfSpace wraps err in ErrNoSpace if its text, from a tool or the daemon, means that a disk is full.
func outOfSpace(err error, where string) error {
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || errors.Is(err, ErrNoSpace) {
		return err
	}
	return fmt.Errorf("%w: the disk of %s is full: %w", ErrNoSpace, where, err)
}
