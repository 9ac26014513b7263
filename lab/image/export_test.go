package image

import (
	"cmp"
	"context"
	"io/fs"
	"time"

	"github.com/moby/moby/client"
)

// Sources are what Resolve uses, to be replaced by a test.
type Sources struct {
	Official, Ours string // repositories
	Cache          string // folder
	Recipes        fs.FS
	Timeout        time.Duration // with a nomad that is asked for its version. Zero: the package's
}

// Resolve is the package's Resolve with these sources in place of the real ones.
func (s Sources) Resolve(ctx context.Context, docker client.APIClient, r Request, p Progress) (Image, error) {
	resolver := newResolver(docker, r, p)
	resolver.official, resolver.ours, resolver.cache, resolver.recipes = s.Official, s.Ours, s.Cache, recipeSet{s.Recipes}
	return resolver.resolve(ctx, r)
}

// ResolveBinary is the package's, with these sources.
func (s Sources) ResolveBinary(ctx context.Context, r Request, p Progress) (Executable, error) {
	w := newBuilder(r, p, alternativeToBinary)
	w.cache, w.recipes, w.children.timeout = s.Cache, recipeSet{s.Recipes}, cmp.Or(s.Timeout, askTimeout)
	return w.resolve(ctx, r)
}

// Binaries is the package's, with these sources.
func (s Sources) Binaries() ([]Executable, error) { return binaries(s.Cache) }

// Recipe is the part of a recipe that tests check.
type Recipe struct{ Hash, Go, Unpacked string }

// ReadRecipe reads the recipe of one version.
func ReadRecipe(recipes fs.FS, version string) (Recipe, bool, error) {
	rec, known, err := recipeSet{recipes}.recipe(version)
	if err != nil || !known {
		return Recipe{}, known, err
	}
	goVersion, unpacked, err := rec.needs()
	return Recipe{rec.hash, goVersion, unpacked}, true, err
}

// SpaceNeed is a need for disk space.
type SpaceNeed struct {
	Path  string
	Bytes uint64
}

// CheckSpace is checkSpace.
func CheckSpace(needs ...SpaceNeed) error {
	var all []spaceNeed
	for _, n := range needs {
		all = append(all, spaceNeed{"a test", n.Path, n.Bytes})
	}
	return checkSpace(all, "name another")
}

// ReadTranscript feeds a command's output to a transcript in pieces.
func ReadTranscript(pieces ...string) (packages, downloads int, quote string) {
	var t transcript
	for _, piece := range pieces {
		t.Write([]byte(piece))
	}
	packages, downloads = t.counts()
	return packages, downloads, t.quote()
}

var (
	CleanVersion = cleanVersion
	CleanFlags   = cleanFlags
	CheckStatic  = checkStatic
	OutOfSpace   = outOfSpace
)
