package image_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/image"
)

func TestBuiltImage(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	testRecipe := newTestRecipe(t, testSource(version), true)
	l.Recipes = testRecipe.recipes
	img, seen, err := l.resolve(t.Context(), image.Request{Version: version, Environment: testRecipe.environment})
	if err != nil || img.Source != image.Built || img.Version != version {
		t.Fatalf("got %+v (%v)", img, err)
	}
	if got := seen.String(); got != "pull busybox licence build import" {
		t.Errorf("stages: %s", got)
	}
	script := `set -e
		test "$(nomad version | head -n 1)" = "Nomad v0.0.1"; test "$(which nomad)" = /bin/nomad
		touch /tmp/a; test "$(stat -c %a:%u /tmp)" = 1777:0
		grep -q ^root: /etc/passwd; grep -q ^nobody: /etc/passwd
		sleep 0; cat /etc/group >/dev/null; /usr/bin/env >/dev/null
		test "$(id -u):$(id -g)" = 1000:1000; ! touch /bin/a 2>/dev/null`
	if code := l.runAsUser(t, img.Ref, script); code != 0 {
		t.Errorf("a container as user 1000 without capabilities ends with %d", code)
	}
	if code := l.runAsUser(t, img.Ref, "exit 7"); code != 7 {
		t.Errorf("control: the container's exit code is %d, want 7", code)
	}
	again, seen, err := l.resolve(t.Context(), image.Request{Version: version})
	if err != nil || again.ID != img.ID || again.Source != image.Local || len(seen) != 0 {
		t.Errorf("the second time: got %+v, %v (%v)", again, seen, err)
	}
	found, err := image.List(t.Context(), l.docker.DaemonHost())
	if err != nil {
		t.Fatal(err)
	}
	var listed bool
	for _, item := range found {
		listed = listed || item == again
	}
	if !listed {
		t.Errorf("%+v is not in the list %+v", again, found)
	}
	l.wantNoWork(t)
}

// runAsUser runs a shell script in a container as the user of Nomad's clients, and returns its exit code.
func (l testSources) runAsUser(t *testing.T, ref, script string) int64 {
	t.Helper()
	ctx := t.Context()
	made, err := l.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: ref, User: "1000:1000", Entrypoint: []string{"/bin/sh"}, Cmd: []string{"-c", script}},
		HostConfig: &container.HostConfig{CapDrop: []string{"ALL"}, NetworkMode: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.docker.ContainerRemove(context.WithoutCancel(ctx), made.ID, client.ContainerRemoveOptions{Force: true})
	if _, err := l.docker.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	ended := l.docker.ContainerWait(ctx, made.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case result := <-ended.Result:
		return result.StatusCode
	case err := <-ended.Error:
		t.Fatal(err)
		return -1
	}
}

// wantNoWork fails the test if a work folder exists.
func (l testSources) wantNoWork(t *testing.T) {
	t.Helper()
	if left := l.work(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// work returns the existing work folders.
func (l testSources) work(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(l.Cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if strings.Contains(e.Name(), "build-") { // of any part
			left = append(left, e.Name())
		}
	}
	return left
}

// leaveStaleWork makes a work folder, as a killed build leaves it.
func (l testSources) leaveStaleWork(t *testing.T) {
	t.Helper()
	folder := filepath.Join(l.Cache, "build-of-a-killed-run", "deep")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "nomad", []byte("large"))
}

// TestStaleWorkIsRemoved: the next resolution removes stale work, even if it builds nothing, but not while a build holds the
// lock. The cache's name has characters of a glob.
func TestStaleWorkIsRemoved(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	l.Cache = filepath.Join(l.Cache, "[cache]")
	ref := l.Official + ":" + version
	l.tag(t, ref)
	find := func() {
		t.Helper()
		if img, _, err := l.resolve(t.Context(), image.Request{Version: version}); err != nil || img.Source != image.Local {
			t.Fatalf("got %+v (%v)", img, err)
		}
	}
	find() // where there is no cache at all
	if _, err := os.Stat(l.Cache); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cache was made for nothing: %v", err)
	}
	l.leaveStaleWork(t)
	building := flock.New(filepath.Join(l.Cache, "lock"))
	if err := building.Lock(); err != nil {
		t.Fatal(err)
	}
	find()
	if left := l.work(t); len(left) != 1 {
		t.Errorf("of a build that goes on there is %v", left)
	}
	if err := building.Close(); err != nil {
		t.Fatal(err)
	}
	find()
	l.wantNoWork(t)
}

func TestConcurrentRunsBuildOnce(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	testRecipe := newTestRecipe(t, testSource(version), true)
	l.Recipes = testRecipe.recipes
	request := image.Request{Version: version, Environment: testRecipe.environment}
	var wait sync.WaitGroup
	images, seen, errs := make([]image.Image, 2), make([]stages, 2), make([]error, 2)
	for i := range 2 {
		wait.Go(func() { images[i], seen[i], errs[i] = l.resolve(t.Context(), request) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if images[0].ID != images[1].ID {
		t.Errorf("two images: %+v", images)
	}
	builder, waiter := 0, 1
	if images[0].Source == image.Local {
		builder, waiter = 1, 0
	}
	if images[builder].Source != image.Built || images[waiter].Source != image.Local {
		t.Errorf("sources: %+v", images)
	}
	if got := seen[waiter].String(); got != "pull wait" {
		t.Errorf("the one that waited went through %q", got)
	}
	l.wantNoWork(t)
}

// TestBuildRemovesStaleWorkAfterWait: the run that it waited for was killed.
func TestBuildRemovesStaleWorkAfterWait(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	testRecipe := newTestRecipe(t, testSource(version), true)
	l.Recipes = testRecipe.recipes
	l.leaveStaleWork(t)
	other := flock.New(filepath.Join(l.Cache, "lock"))
	if err := other.Lock(); err != nil {
		t.Fatal(err)
	}
	waited := false
	img, err := l.Resolve(t.Context(), l.docker, image.Request{Version: version, Environment: testRecipe.environment}, func(e image.Event) {
		if e.Stage == image.StageWait {
			waited = true
			_ = other.Close()
		}
	})
	if err != nil || img.Source != image.Built || !waited {
		t.Errorf("got %+v, waited: %v (%v)", img, waited, err)
	}
	l.wantNoWork(t)
}

// TestBuildErrors has its control in TestBuiltImage, the same build without the fault.
func TestBuildErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source string
		served bool
		is     error
		words  []string
	}{
		"does not compile": {"package main\n\nfunc main() { missing() }\n", true, nil, []string{"undefined: missing", "go build"}},
		"another version":  {testSource("0.0.2"), true, nil, []string{`"0.0.2"`, `"0.0.1"`}},
		"not nomad":        {"package main\n\nfunc main() {}\n", true, nil, []string{"not nomad"}},
		"unknown revision": {testSource(version), false, image.ErrUnknownVersion, []string{"unknown revision"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestSources(t, "")
			testRecipe := newTestRecipe(t, c.source, c.served)
			l.Recipes = testRecipe.recipes
			_, _, err := l.resolve(t.Context(), image.Request{Version: version, Environment: testRecipe.environment})
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("got %v, want %v", err, c.is)
			}
			for _, word := range append(c.words, "because of") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is not in the error: %v", word, err)
				}
			}
			l.wantNoWork(t)
		})
	}
}
