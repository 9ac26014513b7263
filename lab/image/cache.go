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

// file returns the name of the target's binary in the cache, such as "nomad-1.11.3-359b41f39c-linux-amd64".
func (t target) file() string {
	return strings.Join([]string{t.recipe.part.Name(), t.recipe.version, t.recipe.hash, t.platform.os, t.platform.arch}, "-")
}

// officialTarget returns what a binary that was copied out of the official image is kept as. Its hash is no recipe's.
func officialTarget(p Part, version string, on platform) target {
	return target{recipe{part: p, version: version, hash: "official"}, on}
}

// ofFile returns the part and the version in such a name. ok is false for another platform. A version may contain dashes.
func ofFile(name string, on platform) (part Part, version string, ok bool) {
	name, isOurs := strings.CutSuffix(name, "-"+on.os+"-"+on.arch)
	dash := strings.LastIndex(name, "-") // before the hash
	if !isOurs || dash < 0 {
		return "", "", false
	}
	for _, part := range Parts() {
		if version, isPart := strings.CutPrefix(name[:dash], part.Name()+"-"); isPart && semver.IsValid("v"+version) {
			return part, version, true
		}
	}
	return "", "", false
}

// Binaries returns the binaries for this machine in the cache, in the order of Parts and oldest version first, each with the
// Source Local. It does not run them; ResolveBinary returns only one that works.
func Binaries() ([]Executable, error) { return binaries(cacheFolder()) }

func binaries(cache string) ([]Executable, error) {
	entries, err := os.ReadDir(cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the binaries that were built here: %w", err)
	}
	var found []Executable
	for _, e := range entries {
		if part, version, ok := ofFile(e.Name(), thisMachine()); ok && e.Type().IsRegular() {
			found = append(found, Executable{Part: part, Path: filepath.Join(cache, e.Name()), Version: version, Source: Local})
		}
	}
	parts := Parts()
	slices.SortFunc(found, func(a, b Executable) int {
		return cmp.Or(
			cmp.Compare(slices.Index(parts, a.Part), slices.Index(parts, b.Part)),
			semver.Compare("v"+a.Version, "v"+b.Version), cmp.Compare(a.Path, b.Path))
	})
	return found, nil
}

// cached returns the path of the binary of an earlier build. found is false if running it does not print the wanted version:
// a full disk or a power cut may have damaged it.
func (w *builder) cached(ctx context.Context, t target) (path string, found bool, err error) {
	path = filepath.Join(w.cache, t.file())
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if wasTried(path) {
		return path, true, nil
	}
	switch err := w.try(ctx, path, t); {
	case err == nil:
		recordTry(path)
		return path, true, nil
	case isTransient(ctx, err):
		return "", false, fmt.Errorf("try the %s of an earlier build (should this stay so, remove it and it is built again): %w", w.part, err)
	default:
		return "", false, nil
	}
}

// triedSuffix ends the name of the file that records the state in which a binary was last tried with success. Trying it
// takes a tenth of the time in which a lab comes up.
const triedSuffix = ".tried"

// wasTried reports whether a binary was tried in its present state.
func wasTried(path string) bool {
	then, err := os.ReadFile(path + triedSuffix)
	return err == nil && string(then) == fileState(path)
}

// recordTry records that a binary was tried. If that fails, the next run tries it again.
func recordTry(path string) {
	if err := os.WriteFile(path+triedSuffix, []byte(fileState(path)), 0o600); err != nil {
		_ = os.Remove(path + triedSuffix)
	}
}

// fileState returns a text that changes when the file is written to or replaced. It is empty if the file does not exist.
func fileState(path string) string {
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

// try returns an error if the binary is not the target's. A binary for another platform is not run.
func (w *builder) try(ctx context.Context, path string, t target) error {
	if t.platform.os == "linux" {
		if err := checkStatic(path, t.platform.arch); err != nil {
			return err
		}
	}
	if t.platform != thisMachine() {
		return nil
	}
	got, err := w.versionOf(ctx, path)
	if err == nil && got != t.recipe.version {
		err = fmt.Errorf("it has version %q, want %q", got, t.recipe.version)
	}
	return err
}

// store moves a finished binary from the work folder to the cache, atomically.
func (w *builder) store(built string, t target) (path string, err error) {
	path = filepath.Join(w.cache, t.file())
	_ = os.Remove(path + triedSuffix) // it is about the binary that was there before
	if err := syncFile(built); err != nil {
		return "", fmt.Errorf("keep the %s that was built: %w", w.part, outOfSpace(err, w.cache))
	}
	if err := os.Rename(built, path); err != nil {
		return "", fmt.Errorf("keep the %s that was built: %w", w.part, err)
	}
	return path, nil
}

// syncFile returns when a file's content is on the disk: otherwise a power cut could leave its name without it. It opens the
// file for reading only, because a file that is open for writing cannot be executed.
func syncFile(path string) error {
	if err := os.Chmod(path, 0o755); err != nil { // whatever the user's umask has made of it
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
