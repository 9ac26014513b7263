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

	"nomadlab.internal/fixtures"
)

// layoutVersion is part of every recipe's hash. It stands for the code in rootfs.go: raise it when that makes another image
// from the same recipe.
const layoutVersion = "1"

// recipesRoot is the folder of Nomad's recipes in a recipeSet.
const recipesRoot = "images/nomad"

// Versions returns the versions of Nomad that can be built without a registry, oldest first.
func Versions() []string { return recipeSet{fixtures.Images}.versions() }

// recipeSet is a tree of recipes, as fixtures.Images describes it.
type recipeSet struct{ fs.FS }

// recipe is how one version of Nomad is built.
type recipe struct {
	version string
	hash    string // short hash of everything that the image depends on
	goMod   []byte
	goSum   []byte

	Package     string   `json:"package"`     // import path of nomad's main package
	Environment []string `json:"environment"` // KEY=value for go build
	Flags       []string `json:"flags"`       // of go build
}

// cleanVersion returns a version without a leading "v". The result is safe in a path and in an image's tag.
func cleanVersion(version string) (string, error) {
	if version == "" {
		return DefaultVersion, nil
	}
	clean := strings.TrimPrefix(version, "v")
	// semver accepts "1" and "1.11" too, but tags of those names move.
	if !semver.IsValid("v"+clean) || strings.Count(strings.SplitN(clean, "-", 2)[0], ".") != 2 || semver.Build("v"+clean) != "" {
		return "", &UnknownVersionError{Version: version, Buildable: Versions()}
	}
	return clean, nil
}

func (c recipeSet) versions() []string {
	found, err := fs.Glob(c, path.Join(recipesRoot, "*", "recipe.json"))
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
func (c recipeSet) recipe(version string) (rec recipe, known bool, err error) {
	folder := path.Join(recipesRoot, version)
	text, err := fs.ReadFile(c, path.Join(folder, "recipe.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return recipe{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	rec.version = version
	if err == nil {
		rec.goMod, err = fs.ReadFile(c, path.Join(folder, "go.mod.txt"))
	}
	if err == nil {
		rec.goSum, err = fs.ReadFile(c, path.Join(folder, "go.sum.txt"))
	}
	if err == nil {
		rec.hash, err = c.hash(folder)
	}
	if err != nil {
		return recipe{}, false, fmt.Errorf("read the recipe of Nomad %s: %w", version, err)
	}
	return rec, true, nil
}

// hash returns a hash of the files in a folder ("": none) and of the common files.
func (c recipeSet) hash(folder string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "layout %s\n", layoutVersion)
	add := func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(c, name)
		fmt.Fprintf(sum, "%s %d\n%s", strings.TrimPrefix(name, recipesRoot), len(text), text)
		return err
	}
	common := []string{path.Join(recipesRoot, "changes"), path.Join(recipesRoot, "rootfs")}
	if folder != "" {
		common = append(common, folder)
	}
	for _, root := range common {
		if err := fs.WalkDir(c, root, add); err != nil {
			return "", fmt.Errorf("hash the recipe: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:10], nil
}

// changes returns the Dockerfile instructions of every image.
func (c recipeSet) changes() ([]string, error) {
	text, err := fs.ReadFile(c, path.Join(recipesRoot, "changes"))
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
func (c recipeSet) rootfs() (fs.FS, error) { return fs.Sub(c, path.Join(recipesRoot, "rootfs")) }

// writeModule writes the module that nomad is built from into a folder.
func (r recipe) writeModule(folder string) error {
	for name, text := range map[string][]byte{"go.mod": r.goMod, "go.sum": r.goSum} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return fmt.Errorf("write the recipe of Nomad %s: %w", r.version, err)
		}
	}
	return nil
}

// needs returns the oldest Go that can build it, such as "go1.26", and the folder of nomad's module below the module cache.
func (r recipe) needs() (goVersion, unpacked string, err error) {
	mod, err := modfile.ParseLax("go.mod.txt", r.goMod, nil)
	if err != nil {
		return "", "", fmt.Errorf("read the recipe of Nomad %s: %w", r.version, err)
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
			return "", "", fmt.Errorf("read the recipe of Nomad %s: %w", r.version, err)
		}
		unpacked = filepath.FromSlash(escaped) + "@" + require.Mod.Version
	}
	return goVersion, unpacked, nil
}
