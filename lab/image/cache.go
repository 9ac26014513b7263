package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/mod/semver"
)

// keptPrefix is the beginning of the names of the binaries in the cache.
const keptPrefix = "nomad-"

// file is the name of the target's binary in the cache, such as "nomad-1.11.3-359b41f39c-linux-amd64".
func (t target) file() string {
	return keptPrefix + strings.Join([]string{t.recipe.version, t.recipe.hash, t.platform.os, t.platform.arch}, "-")
}

// versionOfFile returns the version in such a name, if it is one of that platform. A version may hold dashes itself.
func versionOfFile(name string, p platform) (version string, ok bool) {
	name, isKept := strings.CutPrefix(name, keptPrefix)
	name, isOurs := strings.CutSuffix(name, "-"+p.os+"-"+p.arch)
	dash := strings.LastIndex(name, "-") // before the hash
	if !isKept || !isOurs || dash < 0 || !semver.IsValid("v"+name[:dash]) {
		return "", false
	}
	return name[:dash], true
}

// Binaries returns the nomad binaries that builds have left in the cache and that are for this machine, oldest
// version first. Each has the Source Local. They are not run: that one can be used is known when ResolveBinary returns it.
func Binaries() ([]Executable, error) { return binaries(cacheFolder()) }

func binaries(cache string) ([]Executable, error) {
	entries, err := os.ReadDir(cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the nomad binaries that were built here: %w", err)
	}
	var found []Executable
	for _, e := range entries {
		if version, ok := versionOfFile(e.Name(), here()); ok && e.Type().IsRegular() {
			found = append(found, Executable{Path: filepath.Join(cache, e.Name()), Version: version, Source: Local})
		}
	}
	slices.SortFunc(found, func(a, b Executable) int {
		return cmp.Or(semver.Compare("v"+a.Version, "v"+b.Version), cmp.Compare(a.Path, b.Path))
	})
	return found, nil
}

// kept returns the path of the binary that an earlier build has left. One that does not say that it is of the wanted
// version is as good as none: a disk that was full, or a machine that lost its power, has damaged it.
func (w *workshop) kept(ctx context.Context, t target) (path string, found bool, err error) {
	path = filepath.Join(w.cache, t.file())
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if tried(path) {
		return path, true, nil
	}
	switch err := w.try(ctx, path, t); {
	case err == nil:
		remember(path)
		return path, true, nil
	case passing(ctx, err):
		return "", false, fmt.Errorf("try the nomad of an earlier build (should this stay so, remove it and it is built again): %w", err)
	default:
		return "", false, nil
	}
}

// triedSuffix ends the name of the file that says of which state of a binary it was that a try went well. A try starts
// the binary, which takes a tenth of the time in which a lab is up.
const triedSuffix = ".tried"

// tried is true for a binary that was tried as it is now.
func tried(path string) bool {
	then, err := os.ReadFile(path + triedSuffix)
	return err == nil && string(then) == state(path)
}

// remember notes that a binary was tried. Where it cannot be noted, the next run tries again.
func remember(path string) {
	if err := os.WriteFile(path+triedSuffix, []byte(state(path)), 0o600); err != nil {
		_ = os.Remove(path + triedSuffix)
	}
}

// state changes when somebody writes to the file, or puts another in its place. Empty for none.
func state(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	own := ""
	if stat, known := info.Sys().(*syscall.Stat_t); known {
		own = fmt.Sprint(stat.Ino)
	}
	return fmt.Sprintf("%s %d %d %s", info.Mode(), info.Size(), info.ModTime().UnixNano(), own)
}

// try returns nil for a binary that is the target's, as far as this machine can run it.
func (w *workshop) try(ctx context.Context, path string, t target) error {
	if t.platform.os == "linux" {
		if err := examine(path, t.platform.arch); err != nil {
			return err
		}
	}
	if t.platform != here() {
		return nil
	}
	got, err := w.versionOf(ctx, path)
	if err == nil && got != t.recipe.version {
		err = fmt.Errorf("it has version %q, want %q", got, t.recipe.version)
	}
	return err
}

// keep moves a finished binary from the build's work folder to its place, in one step: who is killed leaves all of
// it or none.
func (w *workshop) keep(built string, t target) (path string, err error) {
	path = filepath.Join(w.cache, t.file())
	_ = os.Remove(path + triedSuffix) // it tells of the one that was there before
	if err := onDisk(built); err != nil {
		return "", fmt.Errorf("keep the nomad that was built: %w", outOfSpace(err, w.cache))
	}
	if err := os.Rename(built, path); err != nil {
		return "", fmt.Errorf("keep the nomad that was built: %w", err)
	}
	return path, nil
}

// onDisk returns when a file's content is on the disk: else its name could survive a loss of power without it.
// The file is opened for reading only, as one that is open for writing cannot be run.
func onDisk(path string) error {
	if err := os.Chmod(path, 0o755); err != nil { // whatever the user's umask has made of it
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
