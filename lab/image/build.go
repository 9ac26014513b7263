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

// build makes the image of a recipe.
func (r *resolver) build(ctx context.Context, rec recipe) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	ref, made := r.tag(rec), false
	img, err := r.once(ctx, ref, func(work string) error {
		made = true
		return r.buildIn(ctx, rec, arch, work)
	})
	if err != nil {
		return Image{}, fmt.Errorf("build an image of Nomad %s: %w", rec.version, err)
	}
	if made {
		img.Source = Built
	}
	return img, nil
}

// buildIn does what may fail soon before what takes minutes.
func (r *resolver) buildIn(ctx context.Context, rec recipe, arch, work string) error {
	goVersion, unpacked, err := rec.needs()
	if err != nil {
		return err
	}
	tools, err := r.findGo(ctx, goVersion)
	if err != nil {
		return err
	}
	if err := checkSpace(buildNeeds(tools, unpacked, work)); err != nil {
		return err
	}
	box, err := r.busybox(ctx, arch, work)
	if err != nil {
		return err
	}
	nomad, err := r.compile(ctx, tools, rec, arch, work)
	if err != nil {
		return err
	}
	if err := examine(nomad, arch); err != nil {
		return fmt.Errorf("the nomad that was built cannot be used: %w", err)
	}
	if err := r.checkVersion(ctx, nomad, arch, rec.version); err != nil {
		return err
	}
	return r.importImage(ctx, r.tag(rec), rootfs{nomad: nomad, busybox: box}, map[string]string{
		labelVersion: rec.version,
		labelRecipe:  rec.hash,
	})
}

// checkVersion says no to a recipe that builds something else than it says.
func (r *resolver) checkVersion(ctx context.Context, nomad, arch, want string) error {
	got, err := r.versionOf(ctx, nomad, arch)
	if err == nil && got != want && runsHere(arch) {
		err = fmt.Errorf("it has version %q, want %q", got, want)
	}
	if err != nil {
		return fmt.Errorf("try the nomad that was built: %w", err)
	}
	return nil
}

func buildNeeds(tools goTools, unpacked, work string) []need {
	needs := []need{
		{"Go's build cache", tools.cache, goCacheBytes},
		{"temporary files", work, workTreeBytes},
	}
	if _, err := os.Stat(filepath.Join(tools.modules, unpacked)); err != nil {
		needs = append(needs, need{"Go's module cache", tools.modules, modulesBytes})
	}
	return needs
}

// compile builds nomad in work and returns its path.
func (r *resolver) compile(ctx context.Context, tools goTools, rec recipe, arch, work string) (string, error) {
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
	cmd := r.children.command(ctx, module, tools.path, append(args, rec.Package)...)
	cmd.Env = append(cmd.Env, rec.Environment...)
	cmd.Env = append(cmd.Env, tools.environment()...)
	cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+arch, "TMPDIR="+temporary, "GOTMPDIR="+temporary)
	var words transcript
	cmd.Stderr = &words
	stop := r.progress.every(time.Second, func(elapsed time.Duration) Event {
		return building(rec.version, &words, elapsed)
	})
	err := run(ctx, cmd)
	stop()
	if err != nil {
		return "", compileError(ctx, rec, err, words.quote(), work)
	}
	return nomad, nil
}

func building(version string, words *transcript, elapsed time.Duration) Event {
	packages, downloads := words.counts()
	text := fmt.Sprintf("building Nomad %s from its Go module: ", version)
	if downloads > 0 && packages == 0 {
		text += fmt.Sprintf("%d modules downloaded, ", downloads)
	} else {
		text += fmt.Sprintf("%d packages, ", packages)
	}
	return Event{Stage: StageBuild, Text: text + clock(elapsed), Elapsed: elapsed, Packages: packages}
}

func compileError(ctx context.Context, rec recipe, err error, words, work string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("go build %s: %w", rec.Package, err)
	}
	err = fmt.Errorf("go build %s: %w%s", rec.Package, err, words)
	if strings.Contains(words, "unknown revision") {
		return fmt.Errorf("%w %q: %w", ErrUnknownVersion, rec.version, err)
	}
	return outOfSpace(err, work+" or of Go's caches")
}
