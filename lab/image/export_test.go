package image

import (
	"cmp"
	"context"
	"io/fs"
	"runtime"
	"time"

	"github.com/moby/moby/client"
)

// Sources are what Resolve uses, to be replaced by a test.
type Sources struct {
	Official, Ours string // repositories of Nomad. Those of another part have its name at their end
	Cache          string // folder
	Recipes        fs.FS
	Timeout        time.Duration // with a nomad that is asked for its version. Zero: the package's
}

// Resolve is the package's Resolve with these sources in place of the real ones.
func (s Sources) Resolve(ctx context.Context, docker client.APIClient, r Request, p Progress) (Image, error) {
	return s.resolver(docker, r, p, true).resolve(ctx, r)
}

// ResolveFile is the package's, with these sources.
func (s Sources) ResolveFile(ctx context.Context, docker client.APIClient, r Request, p Progress) (Executable, error) {
	return s.resolver(docker, r, p, false).file(ctx, r)
}

// Cached is the package's, with these sources. Without a Docker client it asks for a binary.
func (s Sources) Cached(ctx context.Context, docker client.APIClient, r Request) (bool, error) {
	if docker == nil {
		return s.builder(r, nil).here(ctx, r, binarySources{on: thisMachine()})
	}
	return s.resolver(docker, r, nil, !r.Part.AsFile()).here(ctx, r)
}

// CopyName returns the name of the container out of which a version for this machine's architecture is copied.
func (s Sources) CopyName(p Part, version string) string {
	return s.resolver(nil, Request{Part: p}, nil, false).copyName(officialTarget(p, version, platform{"linux", runtime.GOARCH}))
}

func (s Sources) resolver(docker client.APIClient, r Request, p Progress, asImage bool) *resolver {
	resolver := newResolver(docker, r, p, asImage)
	resolver.official, resolver.ours = s.OfficialOf(r.Part), s.Ours
	if r.Part.orNomad() != Nomad {
		resolver.ours += "-" + r.Part.Name()
	}
	resolver.cache, resolver.recipes = s.Cache, recipeSet{s.Recipes}
	return resolver
}

// OfficialOf returns the repository of the part's official images.
func (s Sources) OfficialOf(p Part) string {
	if p.orNomad() == Nomad {
		return s.Official
	}
	return s.Official + "-" + p.Name()
}

func (s Sources) builder(r Request, p Progress) *builder {
	w := newBuilder(r, p, false)
	w.cache, w.recipes, w.children.timeout = s.Cache, recipeSet{s.Recipes}, cmp.Or(s.Timeout, askTimeout)
	return &w
}

// ResolveBinary is the package's, with these sources.
func (s Sources) ResolveBinary(ctx context.Context, r Request, p Progress) (Executable, error) {
	return s.builder(r, p).resolve(ctx, r)
}

// Binaries is the package's, with these sources.
func (s Sources) Binaries() ([]Executable, error) { return binaries(s.Cache) }

// Recipe is what tests check of a recipe.
type Recipe struct {
	Hash, Go, Unpacked string
	Packages, Minutes  int
	Bytes              []uint64 // that a build takes on disk
}

// ReadRecipe reads the recipe of one version of Nomad.
func ReadRecipe(recipes fs.FS, version string) (Recipe, bool, error) {
	return ReadRecipeOf(recipes, Nomad, version)
}

// ReadRecipeOf reads the recipe of one version of a part.
func ReadRecipeOf(recipes fs.FS, p Part, version string) (Recipe, bool, error) {
	rec, known, err := recipeSet{recipes}.recipe(p, version)
	if err != nil || !known {
		return Recipe{}, known, err
	}
	goVersion, unpacked, err := rec.needs()
	c := rec.cost
	return Recipe{rec.hash, goVersion, unpacked, c.Packages, c.Minutes, []uint64{c.BuildCache, c.ModuleCache, c.WorkTree}}, true, err
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

// Licence returns the licence of a version of a part.
func Licence(p Part, version string) string { return p.licence(version) }

var (
	CleanVersion = Nomad.cleanVersion
	CleanFlags   = cleanFlags
	CheckStatic  = checkStatic
	OutOfSpace   = outOfSpace
)
