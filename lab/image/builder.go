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

// builder builds binaries of one part and keeps them in the cache.
type builder struct {
	part        Part
	progress    Progress
	children    children
	recipes     recipeSet
	cache       string // folder of the lock, of the builds' work folders, and of the binaries
	alternative string // what the user can do if nothing can be built
}

func newBuilder(r Request, p Progress, asImage bool) builder {
	return builder{
		part:        r.Part.orNomad(),
		progress:    p,
		children:    children{environment: r.Environment, timeout: askTimeout},
		recipes:     recipeSet{fixtures.Images},
		cache:       cacheFolder(),
		alternative: "name " + r.Part.nameable(asImage),
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
	known := w.part.facts()
	out, err := w.children.ask(ctx, path, known.ask...)
	if err != nil {
		return "", fmt.Errorf("ask it for its version: %w", err)
	}
	first, _, _ := strings.Cut(out, "\n")
	version, isPart := strings.CutPrefix(first, known.answer)
	if !isPart {
		return "", fmt.Errorf("asked for its version it says %q: this is not %s", first, w.part)
	}
	// The revision may follow, as in "Nomad v1.4.3 (f464aca7…)" and "consul-template v0.41.1 ()", or the time of the build, as in
	// "Vault v1.21.0, built …".
	if end := strings.IndexAny(version, " ,"); end >= 0 {
		version = version[:end]
	}
	return strings.TrimSpace(version), nil
}

// isTransient reports whether an error says nothing about the binary that was asked.
func isTransient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, errNoAnswer)
}
