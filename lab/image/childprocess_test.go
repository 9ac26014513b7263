package image_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/image"
)

// fakeGo puts a go of that version in PATH, whose builds do not end by themselves. A build has a child process of its own,
// as go's has.
func fakeGo(t *testing.T, version string) {
	t.Helper()
	fakeGoSaying(t, version, "example/package")
}

// fakeGoSaying is fakeGo with a build that says these lines, separated by \n.
func fakeGoSaying(t *testing.T, version, lines string) {
	t.Helper()
	folder := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
case "$1" in
env) echo '{"GOVERSION":"%s","GOFLAGS":"","GOCACHE":"%s","GOMODCACHE":"%[2]s"}' ;;
build) printf '%[3]s\n' >&2; sleep 1000 & echo half > "$TMPDIR/half"; wait ;;
esac
`, version, folder, lines)
	write(t, folder, "go", []byte(script))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// countWithEnvironment returns how many processes have this text in their environment.
func countWithEnvironment(t *testing.T, mark string) (count int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		environment, err := os.ReadFile(name) // fails for those that have ended
		if err == nil && bytes.Contains(environment, []byte(mark)) {
			count++
		}
	}
	return count
}

func TestCancelledBuild(t *testing.T) {
	fakeGo(t, "go1.99.0")
	l := newTestSources(t, "")
	l.Recipes = newTestRecipe(t, testSource(version), true).recipes
	mark := "NOMADLAB_TEST_MARK=" + rand.Text()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	seen := 0
	_, err := l.Resolve(ctx, l.docker, image.Request{Version: version, Environment: []string{mark}}, func(e image.Event) {
		if e.Packages > 0 && ctx.Err() == nil {
			seen = countWithEnvironment(t, mark)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if seen != 2 {
		t.Errorf("control: %d marked processes while the build ran, want go and its child", seen)
	}
	if left := countWithEnvironment(t, mark); left != 0 {
		t.Errorf("%d processes are left", left)
	}
	l.wantNoWork(t)
}

func TestGoVersion(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		words   []string // none: it is good enough
	}{
		"too old":     {"go1.25.9", []string{"go1.25.9", "go1.26 or newer"}},
		"new enough":  {"go1.26.0", nil},
		"experiment":  {"go1.26.1 X:something", nil},
		"development": {"devel go1.27-abcdef", nil},
	} {
		t.Run(name, func(t *testing.T) {
			fakeGo(t, c.version)
			checkGo(t, c.words)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		checkGo(t, []string{"no go in PATH", "go1.26 or newer"})
	})
	t.Run("broken", func(t *testing.T) {
		folder := t.TempDir()
		write(t, folder, "go", []byte("#!/bin/sh\necho 'cannot find GOROOT' >&2; exit 2\n"))
		t.Setenv("PATH", folder)
		checkGo(t, []string{"cannot find GOROOT"})
	})
}

// checkGo resolves until the build begins. If there are words, it must fail with an ErrNoGo that contains them.
func checkGo(t *testing.T, stderr []string) {
	t.Helper()
	l := newTestSources(t, "")
	l.Recipes = newTestRecipe(t, testSource(version), true).recipes
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	began := false
	_, err := l.Resolve(ctx, l.docker, image.Request{Version: version}, func(e image.Event) {
		if e.Stage == image.StageBusybox {
			began = true
			cancel()
		}
	})
	if began != (stderr == nil) || errors.Is(err, image.ErrNoGo) != (stderr != nil) {
		t.Fatalf("got to the build: %v, %v", began, err)
	}
	for _, word := range stderr {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in the error: %v", word, err)
		}
	}
}
