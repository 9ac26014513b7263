package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
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
		return preparedBuild{}, fmt.Errorf("remove a %s that cannot be used: %w", w.part, err)
	}
	goVersion, unpacked, err := t.recipe.needs()
	if err != nil {
		return preparedBuild{}, err
	}
	tools, err := w.findGo(ctx, goVersion)
	if err != nil {
		return preparedBuild{}, err
	}
	if err := w.checkC(ctx, t, tools, work); err != nil {
		return preparedBuild{}, err
	}
	if err := checkSpace(buildNeeds(t.recipe.cost, tools, unpacked, work), w.alternative); err != nil {
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
		return "", fmt.Errorf("try the %s that was built: %w", w.part, err)
	}
	return w.store(built, p.target)
}

func buildNeeds(c cost, tools goTools, unpacked, work string) []spaceNeed {
	needs := []spaceNeed{
		{"Go's build cache", tools.cache, c.BuildCache},
		{"temporary files", work, c.WorkTree},
	}
	if _, err := os.Stat(filepath.Join(tools.modules, unpacked)); err != nil {
		needs = append(needs, spaceNeed{"Go's module cache", tools.modules, c.ModuleCache})
	}
	return needs
}

// compile builds the program in the work folder and returns its path.
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
	program := filepath.Join(work, w.part.Name())
	args := append([]string{"build", "-v", "-o", program}, rec.Flags...)
	cmd := w.children.command(ctx, module, p.tools.path, append(args, rec.Package)...)
	cmd.Env = append(cmd.Env, rec.Environment...)
	cmd.Env = append(cmd.Env, p.tools.environment()...)
	cmd.Env = append(cmd.Env, "GOOS="+p.target.platform.os, "GOARCH="+p.target.platform.arch, "TMPDIR="+temporary, "GOTMPDIR="+temporary)
	var stderr transcript
	cmd.Stderr = &stderr
	w.progress.tell(licence(rec))
	stop := w.progress.every(time.Second, func(elapsed time.Duration) Event {
		return buildEvent(rec, &stderr, elapsed)
	})
	err := run(ctx, cmd)
	stop()
	if err != nil {
		return "", compileError(ctx, rec, err, stderr.quote(), work)
	}
	return program, nil
}

// buildEvent counts the modules until the first package is compiled. go lists neither the modules nor the packages that are in
// its caches already, so that the counts need not come to the numbers of the recipe.
func buildEvent(rec recipe, stderr *transcript, elapsed time.Duration) Event {
	packages, downloads := stderr.counts()
	done := fmt.Sprintf("%d of about %d packages", packages, rec.cost.Packages)
	if downloads > 0 && packages == 0 {
		done = fmt.Sprintf("%d of about %d modules downloaded", downloads, rec.modules())
	}
	return Event{
		Stage: StageBuild, Elapsed: elapsed, Packages: packages, AboutPackages: rec.cost.Packages,
		Text: fmt.Sprintf("building %s from its Go module, about %d min on two cores: %s, %s", rec.title(), rec.cost.Minutes, done, clock(elapsed)),
	}
}

func compileError(ctx context.Context, rec recipe, err error, stderr, work string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("go build %s: %w", rec.Package, err)
	}
	err = fmt.Errorf("go build %s: %w%s", rec.Package, err, stderr)
	if strings.Contains(stderr, "unknown revision") {
		return fmt.Errorf("%w: %s: %w", ErrUnknownVersion, rec.title(), err)
	}
	return outOfSpace(err, work+" or of Go's caches")
}
