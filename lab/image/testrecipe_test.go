package image_test

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"

	"nomadlab.internal/lab/image"
)

// testRecipe is a recipe of a program that builds in a second, and the module proxy that has it. newTestRecipe makes one of
// Nomad; newPartRecipe makes one of a part.
type testRecipe struct {
	recipes     fs.FS
	environment []string
}

const tinyPath = "tiny.internal/"

// newTestRecipe returns the recipe of a main package with this source. The proxy has its version only if served is true.
func newTestRecipe(t *testing.T, source string, served bool) testRecipe {
	t.Helper()
	return newPartRecipe(t, image.Nomad, source, served)
}

func newPartRecipe(t *testing.T, part image.Part, source string, served bool) testRecipe {
	t.Helper()
	tinyModule := tinyPath + string(part)
	folder := t.TempDir()
	versions := filepath.Join(folder, "proxy", tinyModule, "@v")
	if err := os.MkdirAll(versions, 0o700); err != nil {
		t.Fatal(err)
	}
	goMod := []byte("module " + tinyModule + "\n\ngo 1.26\n")
	write(t, versions, "v"+version+".info", []byte(`{"Version":"v`+version+`"}`))
	write(t, versions, "v"+version+".mod", goMod)
	archive := zipModule(t, tinyModule, versions, map[string]string{"go.mod": string(goMod), "main.go": source})

	proxy := "file://" + filepath.Join(folder, "proxy")
	if !served {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not found: "+tinyModule+": unknown revision v"+version, http.StatusNotFound)
		}))
		t.Cleanup(server.Close)
		proxy = server.URL
	}
	recipe := "images/" + string(part) + "/" + version + "/"
	files := common(t)
	maps.Copy(files, fstest.MapFS{
		recipe + "recipe.json": {Data: []byte(`{"package": "` + tinyModule + `", "environment": ["CGO_ENABLED=0"], "flags": ["-trimpath"]}`)},
		recipe + "cost.json":   {Data: []byte(`{"packages": 12, "minutes": 3}`)},
		recipe + "go.mod.txt":  {Data: fmt.Appendf(nil, "module x\n\ngo 1.26\n\nrequire %s v%s\n", tinyModule, version)},
		recipe + "go.sum.txt": {Data: fmt.Appendf(nil, "%s v%s %s\n%[1]s v%[2]s/go.mod %[4]s\n", tinyModule, version,
			hashOf(t, func() (string, error) { return dirhash.HashZip(archive, dirhash.Hash1) }),
			hashOf(t, func() (string, error) { return hashGoMod(goMod) }))},
	})
	return testRecipe{files, []string{
		"GOPROXY=" + proxy, "GOMODCACHE=" + filepath.Join(folder, "modules"),
		// Of these settings of a user all but -modcacherw would make the build fail.
		"GOFLAGS=-modcacherw -mod=vendor -tags=x", "GOWORK=" + filepath.Join(folder, "none.work"), "GO111MODULE=off",
	}}
}

// newPartRecipes returns recipes of all parts, whose programs print the same version, and the environment of each part's build.
func newPartRecipes(t *testing.T) (fs.FS, map[image.Part][]string) {
	t.Helper()
	all, environments := fstest.MapFS{}, map[image.Part][]string{}
	for _, part := range image.Parts() {
		one := newPartRecipe(t, part, partSource(part, version), true)
		maps.Copy(all, one.recipes.(fstest.MapFS))
		environments[part] = one.environment
	}
	return all, environments
}

// common returns the files that all recipes share.
func common(t *testing.T) fstest.MapFS {
	t.Helper()
	files := copyRecipes(t)
	for _, part := range image.Parts() {
		for _, version := range part.Versions() {
			maps.DeleteFunc(files, func(name string, _ *fstest.MapFile) bool {
				return strings.HasPrefix(name, "images/"+string(part)+"/"+version+"/")
			})
		}
	}
	return files
}

func zipModule(t *testing.T, tinyModule, folder string, files map[string]string) (path string) {
	t.Helper()
	source := t.TempDir()
	for name, text := range files {
		write(t, source, name, []byte(text))
	}
	path = filepath.Join(folder, "v"+version+".zip")
	archive, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := zip.CreateFromDir(archive, module.Version{Path: tinyModule, Version: "v" + version}, source); err != nil {
		t.Fatal(err)
	}
	return path
}

func hashGoMod(text []byte) (string, error) {
	return dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(text))), nil
	})
}

func hashOf(t *testing.T, hash func() (string, error)) string {
	t.Helper()
	sum, err := hash()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// testSource returns the source of a program that prints a version as nomad does.
func testSource(version string) string { return printing("Nomad v" + version + `\nBuildDate never\n`) }

// partSource returns the source of a program that prints a version as the part does.
func partSource(part image.Part, version string) string {
	return printing(part.Title() + " v" + version + ` ()\n`)
}

func printing(text string) string {
	return "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"" + text + "\") }\n"
}

// buildTestProgram builds the test program, for this machine, into folder.
func buildTestProgram(t *testing.T, folder string) string {
	t.Helper()
	return buildProgram(t, folder, testSource(version))
}

// buildProgram builds a static program, for this machine, into folder.
func buildProgram(t *testing.T, folder, text string) string {
	t.Helper()
	source := write(t, folder, "program.go", []byte(text))
	path := filepath.Join(folder, "program")
	cmd := exec.Command("go", "build", "-o", path, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
