package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/adrg/xdg"

	"nomadlab.internal/fixtures"
)

// workshop is where nomad binaries are built and kept, for images and for those who run them as they are.
type workshop struct {
	progress Progress
	children children
	recipes  cookbook
	cache    string // folder of the lock, of the builds' work folders, and of the binaries that they made
	instead  string // what the user can name where nothing can be built
}

// What the user can name where nothing can be built.
const (
	insteadOfImage  = "name an image (--image) or a nomad binary (--nomad-binary)"
	insteadOfBinary = "name a nomad binary (--nomad-binary)"
)

func newWorkshop(r Request, p Progress, instead string) workshop {
	return workshop{
		progress: p,
		children: children{environment: r.Environment, patience: briefly},
		recipes:  cookbook{fixtures.Images},
		cache:    cacheFolder(),
		instead:  instead,
	}
}

func cacheFolder() string { return filepath.Join(xdg.CacheHome, "nomadlab", "image") }

// target is one binary that can be built: that of a recipe, for a platform.
type target struct {
	recipe   recipe
	platform platform
}

// platform is what a binary runs on, in Go's words.
type platform struct{ os, arch string }

func here() platform { return platform{runtime.GOOS, runtime.GOARCH} }

// runsHere says whether this machine can run a Linux binary of that architecture.
func runsHere(arch string) bool { return platform{"linux", arch} == here() }

// versionOf asks a binary of this machine for its version.
func (w *workshop) versionOf(ctx context.Context, path string) (string, error) {
	out, err := w.children.ask(ctx, path, "version")
	if err != nil {
		return "", fmt.Errorf("ask it for its version: %w", err)
	}
	first, _, _ := strings.Cut(out, "\n")
	version, isNomad := strings.CutPrefix(first, "Nomad v")
	if !isNomad {
		return "", fmt.Errorf("asked for its version it says %q: this is not nomad", first)
	}
	version, _, _ = strings.Cut(version, " ") // its revision may follow (version/version.go:88 of Nomad 1.4.3)
	return strings.TrimSpace(version), nil
}

// passing says whether an error is that of the moment, and says nothing about the binary that was asked.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, errNoAnswer)
}
