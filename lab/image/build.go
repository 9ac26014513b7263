package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What a build of Nomad 1.11.3 takes on disk with empty caches, measured with Go 1.26.8 and rounded up.
const (
	goCacheBytes  = 1_600_000_000
	modulesBytes  = 2_300_000_000 // 1.9 GB unpacked and 0.35 GB of archives
	workTreeBytes = 1_700_000_000 // go build's temporary files and the binary
)

// preparedBuild is a binary in the cache, or what it takes to build it.
type preparedBuild struct {
	target target
	path   string  // of the binary in the cache: "" if it must be built
	tools  goTools // to build it with
	work   string
}

// prepare does everything that fails fast, so that finish does only what takes minutes. The caller holds the lock for both.
func (w *builder) prepare(ctx context.Context, t target, work string) (preparedBuild, error) {
	path, found, err := w.cached(ctx, t)
	if err != nil || found {
		return preparedBuild{target: t, path: path}, err
	}
	// A binary in the cache cannot be used, and must not stay even if the build fails.
	if err := os.RemoveAll(filepath.Join(w.cache, t.file())); err != nil {
		return preparedBuild{}, fmt.Errorf("remove a nomad that cannot be used: %w", err)
	}
	goVersion, unpacked, err := t.recipe.needs()
	if err != nil {
		return preparedBuild{}, err
	}
	tools, err := w.findGo(ctx, goVersion)
	if err != nil {
		return preparedBuild{}, err
	}
	if err := checkSpace(buildNeeds(tools, unpacked, work), w.alternative); err != nil {
		return preparedBuild{}, err
	}
	return preparedBuild{target: t, tools: tools, work: work}, nil
}

// finish returns the path of the binary, in the cache.
func (w *builder) finish(ctx context.Context, p preparedBuild) (string, error) {
	if p.path != "" {
		return p.path, nil
	}
	built, err := w.compile(ctx, p)
	if err != nil {
		return "", err
	}
	if err := w.try(ctx, built, p.target); err != nil { // a recipe may be wrong
		return "", fmt.Errorf("try the nomad that was built: %w", err)
	}
	return w.store(built, p.target)
}

func buildNeeds(tools goTools, unpacked, work string) []spaceNeed {
	needs := []spaceNeed{
		{"Go's build cache", tools.cache, goCacheBytes},
		{"temporary files", work, workTreeBytes},
	}
	if _, err := os.Stat(filepath.Join(tools.modules, unpacked)); err != nil {
		needs = append(needs, spaceNeed{"Go's module cache", tools.modules, modulesBytes})
	}
	return needs
}

// compile builds nomad in the work folder and returns its path.
func (w *builder) compile(ctx context.Context, p preparedBuild) (string, error) {
	rec, work := p.target.recipe, p.work
	module, temporary := filepath.Join(work, "module"), filepath.Join(work, "tmp")
	for _, folder := range []string{module, temporary} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return "", fmt.Errorf("make a folder for the build: %w", outOfSpace(err, work))
		}
	}
	if err := rec.writeModule(module); err != nil {
		return "", outOfSpace(err, work)
	}
	nomad := filepath.Join(work, "nomad")
	args := append([]string{"build", "-v", "-o", nomad}, rec.Flags...)
	cmd := w.children.command(ctx, module, p.tools.path, append(args, rec.Package)...)
	cmd.Env = append(cmd.Env, rec.Environment...)
	cmd.Env = append(cmd.Env, p.tools.environment()...)
	cmd.Env = append(cmd.Env, "GOOS="+p.target.platform.os, "GOARCH="+p.target.platform.arch, "TMPDIR="+temporary, "GOTMPDIR="+temporary)
	var stderr transcript
	cmd.Stderr = &stderr
	w.progress.tell(licence(rec.version))
	stop := w.progress.every(time.Second, func(elapsed time.Duration) Event {
		return buildEvent(rec.version, &stderr, elapsed)
	})
	err := run(ctx, cmd)
	stop()
	if err != nil {
		return "", compileError(ctx, rec, err, stderr.quote(), work)
	}
	return nomad, nil
}

func buildEvent(version string, stderr *transcript, elapsed time.Duration) Event {
	packages, downloads := stderr.counts()
	text := fmt.Sprintf("building Nomad %s from its Go module: ", version)
	if downloads > 0 && packages == 0 {
		text += fmt.Sprintf("%d modules downloaded, ", downloads)
	} else {
		text += fmt.Sprintf("%d packages, ", packages)
	}
	return Event{Stage: StageBuild, Text: text + clock(elapsed), Elapsed: elapsed, Packages: packages}
}

func compileError(ctx context.Context, rec recipe, err error, stderr, work string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("go build %s: %w", rec.Package, err)
	}
	err = fmt.Errorf("go build %s: %w%s", rec.Package, err, stderr)
	if strings.Contains(stderr, "unknown revision") {
		return fmt.Errorf("%w %q: %w", ErrUnknownVersion, rec.version, err)
	}
	return outOfSpace(err, work+" or of Go's caches")
}
