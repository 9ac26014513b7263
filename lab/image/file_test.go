package image_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/image"
)

const ofTemplate = image.ConsulTemplate

// newFileSources returns sources of consul-template for a Docker daemon. host serves its official images ("": no registry).
func newFileSources(t *testing.T, host string) (testSources, image.Request) {
	t.Helper()
	l := newTestSources(t, host)
	recipe := newPartRecipe(t, ofTemplate, partSource(ofTemplate, version), true)
	l.Recipes = recipe.recipes
	return l, image.Request{Part: ofTemplate, Version: version, Environment: recipe.environment}
}

// file resolves a file, and also returns the stages.
func (l testSources) file(ctx context.Context, r image.Request) (image.Executable, stages, error) {
	var seen stages
	e, err := l.ResolveFile(ctx, l.docker, r, seen.add)
	return e, seen, err
}

// program builds consul-template as the tiny recipe has it, and returns its path.
func program(t *testing.T, version string) string {
	t.Helper()
	built := buildProgram(t, t.TempDir(), partSource(ofTemplate, version))
	path := filepath.Join(filepath.Dir(built), ofTemplate.Name())
	if err := os.Rename(built, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// officialFiles returns the files of an official image of consul-template that has this program.
func officialFiles(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return archiveWith(t, strings.TrimPrefix(ofTemplate.Path(), "/"), 0o755, text)
}

// wantNoContainer fails the test if a container is left.
func (l testSources) wantNoContainer(t *testing.T, version string) {
	t.Helper()
	all, err := l.docker.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("name", l.CopyName(ofTemplate, version))})
	if err != nil || len(all.Items) != 0 {
		t.Errorf("%d containers are left (%v)", len(all.Items), err)
	}
}

// TestFileSources adds one source after the other, each of which precedes those before.
func TestFileSources(t *testing.T) {
	l, r := newFileSources(t, "")
	t.Setenv("PATH", withoutProgram(t, ofTemplate.Name()))
	want := func(r image.Request, path string, source image.Source, by string) {
		t.Helper()
		e, seen, err := l.file(t.Context(), r)
		if err != nil || e != (image.Executable{Part: ofTemplate, Path: path, Version: version, Source: source}) || seen.String() != by {
			t.Errorf("got %+v by way of %q (%v), want %s, %s, by way of %q", e, seen, err, path, source, by)
		}
	}
	rec, _, err := image.ReadRecipeOf(l.Recipes, ofTemplate, version)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(l.Cache, "consul-template-"+version+"-"+rec.Hash+"-linux-"+runtime.GOARCH)
	want(r, kept, image.Built, "pull licence build")
	want(r, kept, image.Local, "")

	l.Cache = t.TempDir()
	l.load(t, l.OfficialOf(ofTemplate)+":"+version, officialFiles(t, program(t, version)))
	copied := filepath.Join(l.Cache, "consul-template-"+version+"-official-linux-"+runtime.GOARCH)
	want(r, copied, image.Pulled, "copy")
	l.wantNoContainer(t, version)
	if mode := stat(t, copied).Mode(); mode != 0o755 {
		t.Errorf("the mode of what was copied is %v", mode)
	}
	want(r, copied, image.Local, "")

	l.Cache = t.TempDir()
	inPath := program(t, version)
	t.Setenv("PATH", filepath.Dir(inPath)+string(os.PathListSeparator)+os.Getenv("PATH"))
	want(r, inPath, image.Local, "")
	if entries, err := os.ReadDir(l.Cache); err != nil || len(entries) != 0 {
		t.Errorf("the cache has %v (%v) for a program in PATH", entries, err)
	}

	named := program(t, "0.0.2")
	r.Binary = named
	e, seen, err := l.file(t.Context(), r)
	if err != nil || e != (image.Executable{Part: ofTemplate, Path: named, Version: "0.0.2", Source: image.Named}) || len(seen) != 0 {
		t.Errorf("named: got %+v by way of %q (%v)", e, seen, err)
	}
	l.wantNoWork(t)
}

// TestFileInPathMustBeStatic: a script runs here, and not in a container without its interpreter. The control is in
// TestFileSources.
func TestFileInPathMustBeStatic(t *testing.T) {
	l, r := newFileSources(t, "")
	folder := t.TempDir()
	write(t, folder, ofTemplate.Name(), []byte("#!/bin/sh\necho consul-template v"+version+"\n"))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	e, seen, err := l.file(t.Context(), r)
	if err != nil || e.Source != image.Built || seen.String() != "pull licence build" {
		t.Errorf("got %+v by way of %q (%v)", e, seen, err)
	}
	if e, _, err := l.binary(t.Context(), image.Request{Part: ofTemplate, Version: version}); err != nil || e.Source != image.Local {
		t.Errorf("control: without Docker it is %+v (%v)", e, err)
	}
}

func TestNamedFileRefused(t *testing.T) {
	t.Parallel()
	l, r := newFileSources(t, "")
	script := write(t, t.TempDir(), "script", []byte("#!/bin/sh\necho consul-template v0.0.1\n"))
	r.Binary = script
	_, _, err := l.file(t.Context(), r)
	wants(t, err, image.ErrUnusableBinary, script, "ELF")
	r.Binary = buildTestProgram(t, t.TempDir())
	_, _, err = l.file(t.Context(), r)
	wants(t, err, image.ErrUnusableBinary, r.Binary, "this is not consul-template")
	r.Binary, r.Image = "", "some/image:1"
	_, _, err = l.file(t.Context(), r)
	wants(t, err, image.ErrUnusableBinary, "some/image:1", "--consul-template-binary")
	r.Image = ""
	r.Version = "latest"
	_, _, err = l.file(t.Context(), r)
	wants(t, err, image.ErrUnknownVersion, "latest", "Without a registry")
}

func TestFileOfPulledImage(t *testing.T) {
	t.Parallel()
	const v = "0.0.4" // without a recipe
	// The registry serves one image under every name, and so under that of consul-template's repository too.
	l, r := newFileSources(t, serve(t, v, officialFiles(t, program(t, v)), 0))
	r.Version = v
	e, seen, err := l.file(t.Context(), r)
	if err != nil || e.Source != image.Pulled || e.Version != v || seen.String() != "pull copy" {
		t.Fatalf("got %+v by way of %q (%v)", e, seen, err)
	}
	if got := says(t, e.Path); got != "consul-template v"+v {
		t.Errorf("it says %q", got)
	}
	again, seen, err := l.file(t.Context(), r)
	if err != nil || again.Path != e.Path || again.Source != image.Local || len(seen) != 0 {
		t.Errorf("the second time: got %+v by way of %q (%v)", again, seen, err)
	}
	l.wantNoContainer(t, v)
	l.wantNoWork(t)
}

// TestUnusableOfficialImage has its control in TestFileOfPulledImage. What cannot be copied is built, if there is a recipe.
func TestUnusableOfficialImage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files func(t *testing.T) []byte
		word  string
	}{
		"without the program": {func(t *testing.T) []byte { t.Helper(); return archiveOf(t, "nothing") }, "bin/consul-template"},
		"a folder": {func(t *testing.T) []byte {
			t.Helper()
			return archiveWith(t, "bin/consul-template/file", 0o644, []byte("text"))
		}, "no ordinary file"},
		"another version": {func(t *testing.T) []byte { t.Helper(); return officialFiles(t, program(t, "0.0.9")) }, `it has version "0.0.9"`},
		"not static": {func(t *testing.T) []byte {
			t.Helper()
			return archiveWith(t, "bin/consul-template", 0o755, []byte("#!/bin/sh\n"))
		}, "ELF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const v = "0.0.4" // without a recipe
			l, r := newFileSources(t, "")
			l.load(t, l.OfficialOf(ofTemplate)+":"+v, c.files(t))
			r.Version = v
			_, seen, err := l.file(t.Context(), r)
			wants(t, err, image.ErrUnknownVersion, c.word, l.OfficialOf(ofTemplate)+":"+v)
			if seen.String() != "copy" {
				t.Errorf("stages: %s", seen)
			}
			l.wantNoContainer(t, v)
			l.wantNoWork(t)
			if found, err := l.Binaries(); err != nil || len(found) != 0 {
				t.Errorf("it was kept: %+v (%v)", found, err)
			}
		})
	}
}

// TestContainerOfKilledCopyIsRemoved: the next copy of the same version removes the container that a killed run left.
func TestContainerOfKilledCopyIsRemoved(t *testing.T) {
	t.Parallel()
	const v = "0.0.4" // without a recipe
	l, r := newFileSources(t, "")
	ref := l.OfficialOf(ofTemplate) + ":" + v
	l.load(t, ref, officialFiles(t, program(t, v)))
	left, err := l.docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: l.CopyName(ofTemplate, v), Config: &container.Config{Image: ref, Entrypoint: []string{"none"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.docker.ContainerRemove(context.Background(), left.ID, client.ContainerRemoveOptions{Force: true})
	r.Version = v
	if e, _, err := l.file(t.Context(), r); err != nil || e.Source != image.Pulled {
		t.Errorf("got %+v (%v)", e, err)
	}
	l.wantNoContainer(t, v)
}

func TestInterruptedCopy(t *testing.T) {
	t.Parallel()
	const v = "0.0.4" // without a recipe
	l, r := newFileSources(t, "")
	l.load(t, l.OfficialOf(ofTemplate)+":"+v, officialFiles(t, program(t, v)))
	r.Version = v
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	_, err := l.ResolveFile(ctx, l.docker, r, func(e image.Event) {
		if e.Stage == image.StageCopy {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, image.ErrUnknownVersion) {
		t.Errorf("got %v", err)
	}
	l.wantNoContainer(t, v)
	l.wantNoWork(t)
	if found, err := l.Binaries(); err != nil || len(found) != 0 {
		t.Errorf("left: %+v (%v)", found, err)
	}
}

// TestCached asks before and after each way in which a part comes to a machine. It also demands that asking makes nothing.
func TestCached(t *testing.T) {
	l, r := newFileSources(t, "")
	t.Setenv("PATH", withoutProgram(t, ofTemplate.Name()))
	vault := newPartRecipe(t, image.Vault, partSource(image.Vault, version), true)
	files := l.Recipes.(fstest.MapFS)
	maps.Copy(files, vault.recipes.(fstest.MapFS))
	rv := image.Request{Part: image.Vault, Version: version, Environment: vault.environment}
	cache := filepath.Join(l.Cache, "cache")
	l.Cache = cache
	want := func(when string, docker client.APIClient, r image.Request, want bool) {
		t.Helper()
		if got, err := l.Cached(t.Context(), docker, r); err != nil || got != want {
			t.Errorf("%s: %s is here: %v (%v), want %v", when, r.Part, got, err, want)
		}
	}
	for _, r := range []image.Request{r, rv} {
		want("at first", nil, r, false)
		want("at first, on Docker", l.docker, r, false)
		named := r
		named.Binary = "/bin/true"
		want("named", l.docker, named, true)
	}
	if _, err := os.Stat(cache); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("asking made the cache: %v", err)
	}
	for _, r := range []image.Request{r, rv} {
		if _, _, err := l.binary(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want("after a build of the binary", nil, r, true)
		// What is left to do for an image is no build.
		want("after a build of the binary, on Docker", l.docker, r, true)
	}
	l.Cache = t.TempDir()
	for _, r := range []image.Request{r, rv} {
		want("another cache", nil, r, false)
		want("another cache, on Docker", l.docker, r, false)
		l.tag(t, l.OfficialOf(r.Part)+":"+version)
		want("with the official image", nil, r, false)
		want("with the official image, on Docker", l.docker, r, true)
	}
	l.Cache = cache
	if _, _, err := l.resolve(t.Context(), rv); err != nil { // the official one
		t.Fatal(err)
	}
	l.remove(t, l.OfficialOf(image.Vault))
	if _, _, err := l.resolve(t.Context(), rv); err != nil { // makes ours
		t.Fatal(err)
	}
	l.Cache = t.TempDir()
	want("with our image, on Docker", l.docker, rv, true)

	inPath := program(t, version)
	t.Setenv("PATH", filepath.Dir(inPath)+string(os.PathListSeparator)+os.Getenv("PATH"))
	want("with the program in PATH", nil, r, true)
	r.Version = "latest"
	if _, err := l.Cached(t.Context(), nil, r); !errors.Is(err, image.ErrUnknownVersion) {
		t.Errorf("what is no version: %v", err)
	}
}
