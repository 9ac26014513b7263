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

// builder builds nomad binaries and keeps them in the cache.
type builder struct {
	progress    Progress
	children    children
	recipes     recipeSet
	cache       string // folder of the lock, of the builds' work folders, and of the binaries
	alternative string // what the user can name if nothing can be built
}

// What the user can name if nothing can be built.
const (
	alternativeToImage  = "name an image (--image) or a nomad binary (--nomad-binary)"
	alternativeToBinary = "name a nomad binary (--nomad-binary)"
)

func newBuilder(r Request, p Progress, alternative string) builder {
	return builder{
		progress:    p,
		children:    children{environment: r.Environment, timeout: askTimeout},
		recipes:     recipeSet{fixtures.Images},
		cache:       cacheFolder(),
		alternative: alternative,
	}
}

func cacheFolder() string { return filepath.Join(xdg.CacheHome, "nomadlab", "image") }

// target is a binary that can be built: that of a recipe for a platform.
type target struct {
	recipe   recipe
	platform platform
}

// platform is a GOOS and GOARCH.
type platform struct{ os, arch string }

func thisMachine() platform { return platform{runtime.GOOS, runtime.GOARCH} }

// runsHere reports whether this machine can run a Linux binary of that architecture.
func runsHere(arch string) bool { return platform{"linux", arch} == thisMachine() }

// versionOf runs a binary and returns its version.
func (w *builder) versionOf(ctx context.Context, path string) (string, error) {
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

// isTransient reports whether an error says nothing about the binary that was asked.
func isTransient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, errNoAnswer)
}
