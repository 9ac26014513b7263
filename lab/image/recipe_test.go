package image_test

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/image"
)

func TestRecipeVersions(t *testing.T) {
	for _, part := range image.Parts() {
		versions := part.Versions()
		if !slices.Contains(versions, part.DefaultVersion()) {
			t.Errorf("the default version %s of %s is not among the versions with a recipe: %v", part.DefaultVersion(), part, versions)
		}
		for _, version := range versions {
			rec, known, err := image.ReadRecipeOf(fixtures.Images, part, version)
			if err != nil || !known {
				t.Fatalf("recipe of %s %s: known %v, %v", part, version, known, err)
			}
			if want := "github.com/hashicorp/" + string(part) + "@v" + version; rec.Unpacked != want {
				t.Errorf("the recipe of %s %s builds %q, want %q", part, version, rec.Unpacked, want)
			}
			if !strings.HasPrefix(rec.Go, "go1.") {
				t.Errorf("the recipe of %s %s needs Go %q", part, version, rec.Go)
			}
			if rec.Packages < 100 || rec.Minutes < 1 || slices.Min(rec.Bytes) < 100_000_000 {
				t.Errorf("the recipe of %s %s was not measured: %+v", part, version, rec)
			}
		}
	}
}

// TestNomadRecipeIsUnchanged: another hash makes every user build Nomad again, so that it must not change by accident.
func TestNomadRecipeIsUnchanged(t *testing.T) {
	rec, _, err := image.ReadRecipe(fixtures.Images, "1.11.3")
	if err != nil || rec.Hash != "f5b48424ad" {
		t.Errorf("the recipe of Nomad 1.11.3 has the hash %s (%v)", rec.Hash, err)
	}
}

func TestNoRecipe(t *testing.T) {
	if _, known, err := image.ReadRecipe(fixtures.Images, "1.11.4"); known || err != nil {
		t.Errorf("a version without a recipe: known %v, %v", known, err)
	}
}

// copyRecipes returns the embedded recipes as files that a test can change.
func copyRecipes(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(fixtures.Images, ".", func(name string, item fs.DirEntry, err error) error {
		if err != nil || item.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fixtures.Images, name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRecipeHash(t *testing.T) {
	for _, part := range image.Parts() {
		t.Run(string(part), func(t *testing.T) { testRecipeHash(t, part) })
	}
}

func testRecipeHash(t *testing.T, part image.Part) {
	version := part.DefaultVersion()
	embedded, _, err := image.ReadRecipeOf(fixtures.Images, part, version)
	if err != nil {
		t.Fatal(err)
	}
	hashWith := func(change func(fstest.MapFS)) string {
		files := copyRecipes(t)
		change(files)
		rec, known, err := image.ReadRecipeOf(files, part, version)
		if err != nil || !known {
			t.Fatalf("known %v, %v", known, err)
		}
		return rec.Hash
	}
	if got := hashWith(func(fstest.MapFS) {}); got != embedded.Hash {
		t.Errorf("the hash of a copy is %s, that of the original %s", got, embedded.Hash)
	}
	for _, name := range slices.Sorted(maps.Keys(copyRecipes(t))) {
		got := hashWith(func(files fstest.MapFS) { files[name].Data = append(files[name].Data, '\n') })
		own := "images/" + string(part) + "/"
		ofVersion := name == own+"changes" || strings.HasPrefix(name, own+version+"/") || strings.HasPrefix(name, "images/rootfs/")
		switch want := ofVersion && path.Base(name) != "cost.json"; {
		case want && got == embedded.Hash:
			t.Errorf("%s is not in the hash", name)
		case !want && got != embedded.Hash:
			t.Errorf("%s is in the hash", name)
		}
	}
	added := hashWith(func(files fstest.MapFS) { files["images/rootfs/etc/motd"] = &fstest.MapFile{Data: []byte("hi")} })
	if added == embedded.Hash {
		t.Error("a file that is added to the image is not in the hash")
	}
	other := hashWith(func(files fstest.MapFS) {
		files["images/"+string(part)+"/9.9.9/recipe.json"] = &fstest.MapFile{Data: []byte("{}")}
	})
	if other != embedded.Hash {
		t.Error("the recipe of another version is in the hash")
	}
}

func TestCleanVersion(t *testing.T) {
	for name, want := range map[string]string{
		"": image.DefaultVersion, "1.10.5": "1.10.5", "v1.10.5": "1.10.5", "1.11.0-beta.1": "1.11.0-beta.1", "1.11.0-rc.1": "1.11.0-rc.1",
	} {
		got, err := image.CleanVersion(name)
		if err != nil || got != want {
			t.Errorf("version %q is %q (%v), want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"latest", "1.11", "1", "1.11.3+ent", "../1.11.3", "1.11.3/x", "1.11-rc.1.2", " 1.11.3"} {
		got, err := image.CleanVersion(name)
		var unknown *image.UnknownVersionError
		if !errors.Is(err, image.ErrUnknownVersion) || !errors.As(err, &unknown) || !strings.Contains(err.Error(), image.DefaultVersion) {
			t.Errorf("version %q is %q (%v), want an error that tells what is known", name, got, err)
		}
	}
}

func TestCleanFlags(t *testing.T) {
	always := "-mod=readonly -buildvcs=false"
	for flags, want := range map[string]string{
		"":                                   always,
		"-mod=vendor -race -tags=x":          always,
		"-ldflags=-X=a=b --modcacherw -p=1":  always + " --modcacherw -p=1",
		"-modfile=other.mod -v -modcacherw ": always + " -modcacherw",
	} {
		if diff := cmp.Diff(want, image.CleanFlags(flags)); diff != "" {
			t.Errorf("GOFLAGS %q (-want +got):\n%s", flags, diff)
		}
	}
}

// TestSpaceIsTheRecipes: a build that needs more disk than there is does not begin. The control is the same recipe, which
// TestPartsAreNotMixedUp builds.
func TestSpaceIsTheRecipes(t *testing.T) {
	t.Setenv("PATH", withoutProgram(t, "vault"))
	for what, need := range map[string]string{
		"Go's build cache": "build_cache_bytes", "Go's module cache": "module_cache_bytes", "temporary files": "work_tree_bytes",
	} {
		recipe := newPartRecipe(t, image.Vault, partSource(image.Vault, version), true)
		cost := "images/vault/" + version + "/cost.json"
		recipe.recipes.(fstest.MapFS)[cost].Data = []byte(`{"packages": 12, "minutes": 3, "` + need + `": 8000000000000000000}`)
		l := newBuilder(t, recipe)
		_, seen, err := l.binary(t.Context(), image.Request{Part: image.Vault, Version: version, Environment: recipe.environment})
		wants(t, err, image.ErrNoSpace, "8000000000.0 GB for "+what, "--vault-binary")
		if len(seen) != 0 {
			t.Errorf("%s: the build began: %s", what, seen)
		}
		l.wantNoWork(t)
	}
}

func TestRecipeWithoutCost(t *testing.T) {
	recipe := newTestRecipe(t, testSource(version), true)
	delete(recipe.recipes.(fstest.MapFS), "images/nomad/"+version+"/cost.json")
	if _, _, err := image.ReadRecipe(recipe.recipes, version); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "recipe of Nomad "+version) {
		t.Errorf("got %v", err)
	}
}
