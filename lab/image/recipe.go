package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// layoutVersion is part of every recipe's hash. It stands for the code in rootfs.go: raise it when that makes another image
// from the same recipe.
const layoutVersion = "1"

// recipesRoot is the folder of all recipes in a recipeSet.
const recipesRoot = "images"

// recipeSet is a tree of recipes, as fixtures.Images describes it.
type recipeSet struct{ fs.FS }

// recipe is how one version of a part is built.
type recipe struct {
	part    Part
	version string
	cost    cost
	hash    string // short hash of everything that the image depends on
	goMod   []byte
	goSum   []byte

	Package     string   `json:"package"`     // import path of the main package
	Environment []string `json:"environment"` // KEY=value for go build
	Flags       []string `json:"flags"`       // of go build
}

// title returns what the recipe builds, such as "Nomad 1.11.3".
func (r recipe) title() string { return r.part.Title() + " " + r.version }

// cost is what a build takes, measured with empty caches and rounded up. It is in no hash, because a better measurement does
// not change what is built.
type cost struct {
	Packages int `json:"packages"` // Go packages that are compiled
	Minutes  int `json:"minutes"`  // on two cores, downloads included
	// Bytes on disk: in Go's build cache; in Go's module cache, archives included; and for go build's temporary files together
	// with the binary.
	BuildCache  uint64 `json:"build_cache_bytes"`
	ModuleCache uint64 `json:"module_cache_bytes"`
	WorkTree    uint64 `json:"work_tree_bytes"`
}

func (c recipeSet) folder(p Part) string { return path.Join(recipesRoot, p.Name()) }

func (c recipeSet) versions(p Part) []string {
	found, err := fs.Glob(c, path.Join(c.folder(p), "*", "recipe.json"))
	if err != nil { // only a malformed pattern, which this one is not
		return nil
	}
	versions := make([]string, 0, len(found))
	for _, name := range found {
		versions = append(versions, path.Base(path.Dir(name)))
	}
	slices.SortFunc(versions, func(a, b string) int { return semver.Compare("v"+a, "v"+b) })
	return versions
}

// recipe returns the recipe of a version. known is false if there is none.
func (c recipeSet) recipe(p Part, version string) (rec recipe, known bool, err error) {
	folder := path.Join(c.folder(p), version)
	text, err := fs.ReadFile(c, path.Join(folder, "recipe.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return recipe{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	rec.part, rec.version = p.orNomad(), version
	if err == nil {
		rec.cost, err = c.cost(folder)
	}
	if err == nil {
		rec.goMod, err = fs.ReadFile(c, path.Join(folder, "go.mod.txt"))
	}
	if err == nil {
		rec.goSum, err = fs.ReadFile(c, path.Join(folder, "go.sum.txt"))
	}
	if err == nil {
		rec.hash, err = c.hash(p, version)
	}
	if err != nil {
		return recipe{}, false, fmt.Errorf("read the recipe of %s %s: %w", p.Title(), version, err)
	}
	return rec, true, nil
}

// costFile is the name of the file with a recipe's cost.
const costFile = "cost.json"

func (c recipeSet) cost(folder string) (cost, error) {
	var found cost
	text, err := fs.ReadFile(c, path.Join(folder, costFile))
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	return found, err
}

// hash returns a hash of everything that an image of this version ("": of a named binary) depends on. Names count from the
// part's folder.
func (c recipeSet) hash(p Part, version string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "layout %s\n", layoutVersion)
	add := func(root, base string) error {
		return fs.WalkDir(c, root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == costFile {
				return err
			}
			text, err := fs.ReadFile(c, name)
			fmt.Fprintf(sum, "%s %d\n%s", strings.TrimPrefix(name, base), len(text), text)
			return err
		})
	}
	folder := c.folder(p)
	err := add(path.Join(folder, changesFile), folder)
	if err == nil {
		err = add(path.Join(recipesRoot, rootfsFolder), recipesRoot)
	}
	if err == nil && version != "" {
		err = add(path.Join(folder, version), folder)
	}
	if err != nil {
		return "", fmt.Errorf("hash the recipe: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:10], nil
}

const (
	changesFile  = "changes" // in each part's folder
	rootfsFolder = "rootfs"  // common to all parts
)

// changes returns the Dockerfile instructions of the part's images.
func (c recipeSet) changes(p Part) ([]string, error) {
	text, err := fs.ReadFile(c, path.Join(c.folder(p), changesFile))
	if err != nil {
		return nil, fmt.Errorf("read what the image declares: %w", err)
	}
	var changes []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			changes = append(changes, line)
		}
	}
	return changes, nil
}

// rootfs returns the files that every image has.
func (c recipeSet) rootfs() (fs.FS, error) { return fs.Sub(c, path.Join(recipesRoot, rootfsFolder)) }

// writeModule writes the module that the program is built from into a folder.
func (r recipe) writeModule(folder string) error {
	for name, text := range map[string][]byte{"go.mod": r.goMod, "go.sum": r.goSum} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return fmt.Errorf("write the recipe of %s: %w", r.title(), err)
		}
	}
	return nil
}

// needs returns the oldest Go that can build it, such as "go1.26", and the folder of its module below the module cache.
func (r recipe) needs() (goVersion, unpacked string, err error) {
	mod, err := modfile.ParseLax("go.mod.txt", r.goMod, nil)
	if err != nil {
		return "", "", fmt.Errorf("read the recipe of %s: %w", r.title(), err)
	}
	if mod.Go != nil {
		goVersion = "go" + mod.Go.Version
	}
	for _, require := range mod.Require {
		if require.Mod.Path != r.Package {
			continue
		}
		escaped, err := module.EscapePath(require.Mod.Path)
		if err != nil {
			return "", "", fmt.Errorf("read the recipe of %s: %w", r.title(), err)
		}
		unpacked = filepath.FromSlash(escaped) + "@" + require.Mod.Version
	}
	return goVersion, unpacked, nil
}

// needsC reports whether the build compiles C.
func (r recipe) needsC() bool { return slices.Contains(r.Environment, "CGO_ENABLED=1") }

// modules returns about how many modules a build with an empty module cache downloads: those whose content has a checksum.
func (r recipe) modules() int {
	contents := 0
	for line := range strings.Lines(string(r.goSum)) {
		if strings.TrimSpace(line) != "" && !strings.Contains(line, "/go.mod h1:") {
			contents++
		}
	}
	return contents
}
