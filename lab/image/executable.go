package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Executable is a nomad binary that runs on this machine.
type Executable struct {
	// Path is absolute.
	Path string
	// Version is what the binary prints, such as "1.11.3".
	Version string
	// Source says where it came from: Named, Local (in PATH, or built by an earlier run) or Built.
	Source Source
}

// ResolveBinary returns the nomad binary that the request asks for, and builds it if it has to. It needs no Docker. p may be
// nil. It is called by one goroutine at a time, and not after ResolveBinary has returned.
//
// When ctx ends, nothing stays: the child processes of a build are killed, and its files are removed.
//
// Errors: ErrNeedsDocker, *UnknownVersionError (which is ErrUnknownVersion), ErrUnusableBinary, ErrNoGo, ErrNoSpace,
// and those of ctx.
func ResolveBinary(ctx context.Context, r Request, p Progress) (Executable, error) {
	w := newBuilder(r, p, alternativeToBinary)
	return w.resolve(ctx, r)
}

func (w *builder) resolve(ctx context.Context, r Request) (Executable, error) {
	w.removeStaleWork()
	if err := r.check(); err != nil {
		return Executable{}, err
	}
	switch {
	case r.Image != "":
		return Executable{}, fmt.Errorf("%w, and agents are to run without it: instead of %s name a nomad binary (--nomad-binary), or use --engine docker",
			ErrNeedsDocker, r.Image)
	case r.Binary != "":
		return w.namedBinary(ctx, r.Binary)
	}
	version, err := cleanVersion(r.Version)
	if err != nil {
		return Executable{}, &UnknownVersionError{Version: r.Version, Buildable: w.recipes.versions(), WithoutDocker: true}
	}
	return w.binaryOf(ctx, version)
}

func (w *builder) binaryOf(ctx context.Context, version string) (Executable, error) {
	rec, known, err := w.recipes.recipe(version)
	if err != nil {
		return Executable{}, err
	}
	if known {
		if path, found, err := w.cached(ctx, target{rec, thisMachine()}); err != nil {
			return Executable{}, err
		} else if found {
			return Executable{Path: path, Version: version, Source: Local}, nil
		}
	}
	path, pathErr := w.inPath(ctx, version)
	switch {
	case pathErr == nil:
		return Executable{Path: path, Version: version, Source: Local}, nil
	case ctx.Err() != nil:
		return Executable{}, pathErr
	case !known:
		return Executable{}, &UnknownVersionError{Version: version, Buildable: w.recipes.versions(), Cause: pathErr, WithoutDocker: true}
	}
	built, err := w.buildBinary(ctx, target{rec, thisMachine()})
	if err != nil {
		return Executable{}, fmt.Errorf("%w\n(it was to be built here because of: %w)", err, pathErr)
	}
	return built, nil
}

// inPath returns the nomad in PATH if it has that version, or an error that says what is in PATH.
func (w *builder) inPath(ctx context.Context, version string) (string, error) {
	path, err := exec.LookPath("nomad")
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", errors.New("there is no nomad in PATH")
	}
	switch got, err := w.versionOf(ctx, path); {
	case err != nil:
		return "", fmt.Errorf("the nomad in PATH, %s, cannot be used: %w", path, err)
	case got != version:
		return "", fmt.Errorf("the nomad in PATH, %s, is %s", path, got)
	}
	return path, nil
}

// buildBinary returns the binary of a recipe. It builds it unless another run has just done so.
func (w *builder) buildBinary(ctx context.Context, t target) (Executable, error) {
	e := Executable{Version: t.recipe.version, Source: Built}
	err := w.withLock(ctx, "Nomad "+t.recipe.version, func(work string) error {
		prepared, err := w.prepare(ctx, t, work)
		if err != nil {
			return err
		}
		if prepared.path != "" {
			e.Source = Local
		}
		e.Path, err = w.finish(ctx, prepared)
		return err
	})
	if err != nil {
		return Executable{}, fmt.Errorf("build Nomad %s: %w", t.recipe.version, err)
	}
	return e, nil
}

// namedBinary returns the binary that the user named, if this machine can run it.
func (w *builder) namedBinary(ctx context.Context, path string) (Executable, error) {
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = checkFile(absolute)
	}
	var version string
	if err == nil {
		version, err = w.versionOf(ctx, absolute)
	}
	switch {
	case ctx.Err() != nil:
		return Executable{}, fmt.Errorf("try %s: %w", path, ctx.Err())
	case err != nil:
		return Executable{}, fmt.Errorf("%w on this machine: %s: %w", ErrUnusableBinary, path, explainStart(absolute, err))
	}
	return Executable{Path: absolute, Version: version, Source: Named}, nil
}

// checkFile returns why a file cannot be executed, with a better text than the kernel's "permission denied".
func checkFile(path string) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder")
	case info.Mode()&0o111 == 0:
		return errors.New("it is not marked as executable: chmod +x")
	}
	return nil
}
