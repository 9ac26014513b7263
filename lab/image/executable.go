package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Executable is a binary on this machine. It runs here, or, from ResolveFile, in the containers of a Docker daemon.
type Executable struct {
	// Part is the program.
	Part Part
	// Path is absolute.
	Path string
	// Version is what the binary prints, such as "1.11.3". It is empty for a named binary that this machine cannot run.
	Version string
	// Source says where it came from: Named, Local (in PATH, or of an earlier run), Pulled or Built.
	Source Source
}

// ResolveBinary returns the binary that the request asks for, and builds it if it has to. It needs no Docker. p may be nil. It
// is called by one goroutine at a time, and not after ResolveBinary has returned.
//
// When ctx ends, nothing stays: the child processes of a build are killed, and its files are removed.
//
// Errors: ErrUnknownPart, ErrNeedsDocker, *UnknownVersionError (which is ErrUnknownVersion), ErrUnusableBinary, ErrNoGo,
// ErrNoSpace, and those of ctx.
func ResolveBinary(ctx context.Context, r Request, p Progress) (Executable, error) {
	w := newBuilder(r, p, false)
	return w.resolve(ctx, r)
}

func (w *builder) resolve(ctx context.Context, r Request) (Executable, error) {
	w.removeStaleWork()
	if err := r.check(); err != nil {
		return Executable{}, err
	}
	switch {
	case r.Image != "":
		return Executable{}, fmt.Errorf("%w, and agents are to run without it: instead of %s %s, or use --engine docker",
			ErrNeedsDocker, r.Image, w.alternative)
	case r.Binary != "":
		return w.namedBinary(ctx, r.Binary)
	}
	version, err := w.part.cleanVersion(r.Version)
	if err != nil {
		return Executable{}, w.unknown(r.Version, nil, true)
	}
	return w.binaryOf(ctx, version, binarySources{on: thisMachine()})
}

// binarySources are where a binary may come from, besides the cache and a build.
type binarySources struct {
	on     platform
	static bool // only a static binary will do
	// fetch returns the binary from a registry. Nil: there is none.
	fetch func(ctx context.Context, version string) (Executable, error)
}

// binaryOf returns the binary of a version from the first source that has it.
func (w *builder) binaryOf(ctx context.Context, version string, from binarySources) (Executable, error) {
	rec, known, err := w.recipes.recipe(w.part, version)
	if err != nil {
		return Executable{}, err
	}
	if kept, found, err := w.kept(ctx, version, from.on); found || err != nil {
		return kept, err
	}
	found, whyNot := w.notBuilt(ctx, version, from)
	switch {
	case whyNot == nil:
		return found, nil
	case ctx.Err() != nil, errors.Is(whyNot, ErrNoSpace):
		return Executable{}, whyNot
	case !known:
		return Executable{}, w.unknown(version, whyNot, from.fetch == nil)
	}
	built, err := w.buildBinary(ctx, target{rec, from.on})
	if err != nil {
		return Executable{}, fmt.Errorf("%w\n(it was to be built here because of: %w)", err, whyNot)
	}
	return built, nil
}

// unknown returns the error that no source has a version. A nil cause means that the text is not a version.
func (w *builder) unknown(version string, cause error, withoutDocker bool) error {
	return &UnknownVersionError{
		Part: w.part, Version: version, Buildable: w.recipes.versions(w.part), Cause: cause, WithoutDocker: withoutDocker,
	}
}

// kept returns the binary of a version from the cache: one that was built, or one that was copied out of the official image.
func (w *builder) kept(ctx context.Context, version string, on platform) (e Executable, found bool, err error) {
	rec, known, err := w.recipes.recipe(w.part, version)
	if err != nil {
		return Executable{}, false, err
	}
	targets := []target{officialTarget(w.part, version, on)}
	if known {
		targets = slices.Insert(targets, 0, target{rec, on})
	}
	for _, t := range targets {
		path, found, err := w.cached(ctx, t)
		if err != nil {
			return Executable{}, false, err
		}
		if found {
			return Executable{Part: w.part, Path: path, Version: version, Source: Local}, true, nil
		}
	}
	return Executable{}, false, nil
}

// notBuilt returns the binary of a version from PATH or from a registry. The error says why neither has it.
func (w *builder) notBuilt(ctx context.Context, version string, from binarySources) (Executable, error) {
	path, pathErr := w.inPath(ctx, version, from)
	if pathErr == nil {
		return Executable{Part: w.part, Path: path, Version: version, Source: Local}, nil
	}
	if from.fetch == nil || ctx.Err() != nil {
		return Executable{}, pathErr
	}
	e, err := from.fetch(ctx, version)
	if err != nil {
		return Executable{}, fmt.Errorf("%w; %w", pathErr, err)
	}
	return e, nil
}

// inPath returns the program in PATH if it has that version, or an error that says what is in PATH.
func (w *builder) inPath(ctx context.Context, version string, from binarySources) (string, error) {
	if from.on != thisMachine() {
		return "", fmt.Errorf("PATH has programs for this machine, and a %s for %s/%s is needed", w.part, from.on.os, from.on.arch)
	}
	path, err := exec.LookPath(w.part.Name())
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("there is no %s in PATH", w.part)
	}
	var got string
	if from.static {
		err = checkStatic(path, from.on.arch)
	}
	if err == nil {
		got, err = w.versionOf(ctx, path)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("the %s in PATH, %s, cannot be used: %w", w.part, path, err)
	case got != version:
		return "", fmt.Errorf("the %s in PATH, %s, is %s", w.part, path, got)
	}
	return path, nil
}

// buildBinary returns the binary of a recipe. It builds it unless another run has just done so.
func (w *builder) buildBinary(ctx context.Context, t target) (Executable, error) {
	e := Executable{Part: w.part, Version: t.recipe.version, Source: Built}
	err := w.withLock(ctx, t.recipe.title(), func(work string) error {
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
		return Executable{}, fmt.Errorf("build %s: %w", t.recipe.title(), err)
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
	return Executable{Part: w.part, Path: absolute, Version: version, Source: Named}, nil
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
