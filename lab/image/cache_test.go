package image_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/image"
)

// hash returns that of the recipe.
func (r testRecipe) hash(t *testing.T) string {
	t.Helper()
	rec, known, err := image.ReadRecipe(r.recipes, version)
	if err != nil || !known {
		t.Fatalf("the tiny recipe: known %v, %v", known, err)
	}
	return rec.Hash
}

// built builds the recipe's binary into the cache.
func (l testSources) built(t *testing.T, recipe testRecipe) image.Executable {
	t.Helper()
	e, seen, err := l.binary(t.Context(), image.Request{Version: version, Environment: recipe.environment})
	if err != nil || e.Source != image.Built || seen.String() != "licence build" {
		t.Fatalf("got %+v by way of %q (%v)", e, seen, err)
	}
	return e
}

// sameFile reports whether the path is still that file.
func sameFile(t *testing.T, path string, before os.FileInfo) bool {
	t.Helper()
	return os.SameFile(stat(t, path), before)
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestBuiltBinaryIsCached(t *testing.T) {
	t.Parallel()
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	e := l.built(t, recipe)
	info := stat(t, e.Path)
	if mode := info.Mode(); mode != 0o755 {
		t.Errorf("the binary's mode is %v", mode)
	}
	if mode := stat(t, l.Cache).Mode().Perm(); mode != 0o700 {
		t.Errorf("the cache's mode is %v", mode)
	}
	l.leaveStaleWork(t) // what a killed build left goes, and the binary stays
	again, seen, err := l.binary(t.Context(), image.Request{Version: version})
	if err != nil || again.Path != e.Path || again.Source != image.Local || len(seen) != 0 || !sameFile(t, e.Path, info) {
		t.Errorf("the second time: got %+v by way of %q (%v)", again, seen, err)
	}
	l.wantNoWork(t)
	if found, err := l.Binaries(); err != nil || len(found) != 1 || found[0] != again {
		t.Errorf("the list is %+v (%v)", found, err)
	}
}

func TestDamagedBinaryIsRebuilt(t *testing.T) {
	t.Parallel()
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	path := l.built(t, recipe).Path
	other := buildProgram(t, t.TempDir(), testSource("0.0.2"))
	for name, damage := range map[string]func() error{
		"empty":           func() error { return os.Truncate(path, 0) },
		"half":            func() error { return os.Truncate(path, stat(t, path).Size()/2) },
		"not executable":  func() error { return os.Chmod(path, 0o600) },
		"another version": func() error { return errors.Join(os.Remove(path), os.Link(other, path)) },
		"a folder":        func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if again := l.built(t, recipe); again.Path != path {
			t.Errorf("%s: built at %s, want %s", name, again.Path, path)
		}
		if _, seen, err := l.binary(t.Context(), image.Request{Version: version}); err != nil || len(seen) != 0 {
			t.Errorf("%s, after it was mended: by way of %q (%v)", name, seen, err)
		}
	}
}

func TestDamagedBinaryIsRemovedWithoutGo(t *testing.T) {
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	path := l.built(t, recipe).Path
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := l.binary(t.Context(), image.Request{Version: version}); !errors.Is(err, image.ErrNoGo) {
		t.Errorf("got %v", err)
	}
	if found, err := l.Binaries(); err != nil || len(found) != 0 {
		t.Errorf("left: %+v (%v)", found, err)
	}
}

// TestSlowBinaryIsKept: a binary that is slow on a busy machine is not built again.
func TestSlowBinaryIsKept(t *testing.T) {
	t.Parallel()
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	path := l.built(t, recipe).Path
	slow := buildProgram(t, t.TempDir(), "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Hour) }\n")
	if err := errors.Join(os.Remove(path), os.Link(slow, path)); err != nil {
		t.Fatal(err)
	}
	before := stat(t, path)
	l.Timeout = 100 * time.Millisecond
	_, seen, err := l.binary(t.Context(), image.Request{Version: version, Environment: recipe.environment})
	if err == nil || !strings.Contains(err.Error(), "no answer within 100ms") || !strings.Contains(err.Error(), path) || len(seen) != 0 {
		t.Errorf("by way of %q: %v", seen, err)
	}
	if !sameFile(t, path, before) {
		t.Error("the binary was replaced")
	}
}

func TestConcurrentRunsBuildBinaryOnce(t *testing.T) {
	t.Parallel()
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	var wait sync.WaitGroup
	found, seen, errs := make([]image.Executable, 2), make([]stages, 2), make([]error, 2)
	for i := range 2 {
		wait.Go(func() {
			found[i], seen[i], errs[i] = l.binary(t.Context(), image.Request{Version: version, Environment: recipe.environment})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	builder, waiter := 0, 1
	if found[0].Source == image.Local {
		builder, waiter = 1, 0
	}
	if found[builder].Source != image.Built || found[waiter].Source != image.Local || found[0].Path != found[1].Path {
		t.Errorf("got %+v", found)
	}
	if seen[builder].String() != "licence build" || seen[waiter].String() != "wait" {
		t.Errorf("stages: %v", seen)
	}
	l.wantNoWork(t)
}

func TestDockerAndBinaryShareABuild(t *testing.T) {
	t.Parallel()
	for name, imageFirst := range map[string]bool{"image first": true, "binary first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recipe := newTestRecipe(t, testSource(version), true)
			l := newTestSources(t, "")
			l.Recipes = recipe.recipes
			request := image.Request{Version: version, Environment: recipe.environment}
			ofImage, ofBinary := "pull busybox licence build import", ""
			if !imageFirst {
				l.built(t, recipe)
				ofImage = "pull busybox import"
			}
			img, seen, err := l.resolve(t.Context(), request)
			if err != nil || img.Source != image.Built || seen.String() != ofImage {
				t.Errorf("image: got %+v by way of %q (%v)", img, seen, err)
			}
			e, seen, err := l.binary(t.Context(), request)
			if err != nil || e.Source != image.Local || seen.String() != ofBinary {
				t.Errorf("binary: got %+v by way of %q (%v)", e, seen, err)
			}
			if code := l.runAsUser(t, img.Ref, `test "$(nomad version | head -n 1)" = "Nomad v0.0.1"`); code != 0 {
				t.Errorf("nomad in the image ends with %d", code)
			}
			l.wantNoWork(t)
		})
	}
}

func TestInterruptedBinaryBuild(t *testing.T) {
	fakeGo(t, "go1.99.0")
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	mark := "NOMADLAB_TEST_MARK=" + rand.Text()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	_, err := l.ResolveBinary(ctx, image.Request{Version: version, Environment: []string{mark}}, func(e image.Event) {
		if e.Packages > 0 && ctx.Err() == nil {
			seen = countWithEnvironment(t, mark)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || seen != 2 {
		t.Errorf("got %v, with %d marked processes while the build ran, want go and its child", err, seen)
	}
	if left := countWithEnvironment(t, mark); left != 0 {
		t.Errorf("%d processes are left", left)
	}
	entries, err := os.ReadDir(l.Cache)
	if err != nil || len(entries) != 1 || entries[0].Name() != "lock" {
		t.Errorf("in the cache: %v (%v), want the lock alone", entries, err)
	}
}

func TestBinaries(t *testing.T) {
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	if found, err := l.Binaries(); err != nil || len(found) != 0 {
		t.Errorf("without a cache: %+v (%v)", found, err)
	}
	if err := os.MkdirAll(filepath.Join(l.Cache, "nomad-1.0.0-abc-"+runtime.GOOS+"-"+runtime.GOARCH), 0o700); err != nil {
		t.Fatal(err)
	}
	var want []image.Executable
	for _, v := range []string{"0.0.9", "0.0.10", "1.0.0-beta.1"} {
		path := write(t, l.Cache, "nomad-"+v+"-0123456789-"+runtime.GOOS+"-"+runtime.GOARCH, nil)
		want = append(want, image.Executable{Part: image.Nomad, Path: path, Version: v, Source: image.Local})
	}
	for _, other := range []string{"lock", "nomad", "nomad-1.0.0-0123456789-plan9-" + runtime.GOARCH, "nomad-x-0123456789-" + runtime.GOOS + "-" + runtime.GOARCH} {
		write(t, l.Cache, other, nil)
	}
	found, err := l.Binaries()
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
