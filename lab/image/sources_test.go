package image_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/image"
)

const version = "0.0.1"

func TestLocalOfficialImageFirst(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	l.Recipes = newTestRecipe(t, testSource(version), true).recipes
	rec, _, err := image.ReadRecipe(l.Recipes, version)
	if err != nil {
		t.Fatal(err)
	}
	ours, official := l.Ours+":"+version+"-"+rec.Hash, l.Official+":"+version

	l.tag(t, l.Ours+":"+version+"-0000000000") // of another recipe
	for _, want := range []string{ours, official} {
		l.tag(t, want)
		img, seen, err := l.resolve(t.Context(), image.Request{Version: "v" + version})
		if err != nil || img.Ref != want || img.Source != image.Local || img.Version != version || !strings.HasPrefix(img.ID, "sha256:") {
			t.Errorf("got %+v (%v), want %s", img, err, want)
		}
		if len(seen) != 0 {
			t.Errorf("stages %v for an image that is here", seen)
		}
	}
}

func TestPullOfficialImage(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, registry(t, version, 0))
	img, seen, err := l.resolve(t.Context(), image.Request{Version: version})
	if err != nil || img.Source != image.Pulled || img.Ref != l.Official+":"+version || img.Version != version {
		t.Errorf("got %+v (%v)", img, err)
	}
	if diff := cmp.Diff(stages{image.StagePull}, seen); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	again, _, err := l.resolve(t.Context(), image.Request{Version: version})
	if err != nil || again.Source != image.Local || again.ID != img.ID {
		t.Errorf("the second time: got %+v (%v)", again, err)
	}
}

func TestSlowPull(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, registry(t, version, 3*time.Second))
	img, _, err := l.resolve(t.Context(), image.Request{Version: version})
	if err != nil || img.Source != image.Pulled {
		t.Errorf("got %+v (%v)", img, err)
	}
}

// TestPullErrors has its controls in the tests above, where the same registry has the tag and answers.
func TestPullErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host  string
		want  error
		other error
		soon  time.Duration
	}{
		"unknown tag":     {registry(t, "9.9.9", 0), image.ErrNotInRegistry, image.ErrNoRegistry, 0},
		"silent registry": {silentRegistry(t), image.ErrNoRegistry, image.ErrNotInRegistry, 1900 * time.Millisecond},
		"no listener":     {"127.0.0.1:9", image.ErrNoRegistry, image.ErrNotInRegistry, 0},
		"no such host":    {"", image.ErrNoRegistry, image.ErrNotInRegistry, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestSources(t, c.host)
			started := time.Now()
			_, _, err := l.resolve(t.Context(), image.Request{Version: version})
			took := time.Since(started)
			if !errors.Is(err, c.want) || errors.Is(err, c.other) || !errors.Is(err, image.ErrUnknownVersion) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if took < c.soon || took > deadline.Hang {
				t.Errorf("it took %v, want %v at least", took, c.soon)
			}
		})
	}
}

func TestNamedImage(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, registry(t, "served", 0))
	l.tag(t, l.Official+":here", "LABEL org.opencontainers.image.version=1.2.3")
	l.tag(t, l.Official+":"+image.DefaultVersion) // must not be taken instead
	for tag, wantVersion := range map[string]string{"here": "1.2.3", "served": ""} {
		ref := l.Official + ":" + tag
		img, _, err := l.resolve(t.Context(), image.Request{Image: ref})
		if err != nil || img.Ref != ref || img.Source != image.Named || img.Version != wantVersion {
			t.Errorf("got %+v (%v)", img, err)
		}
	}
	ref := l.Official + ":nowhere"
	if _, _, err := l.resolve(t.Context(), image.Request{Image: ref}); !errors.Is(err, image.ErrNotInRegistry) || !strings.Contains(err.Error(), ref) {
		t.Errorf("an image that is nowhere: %v", err)
	}
	both := image.Request{Image: l.Official + ":here", Binary: "/bin/true"}
	if _, _, err := l.resolve(t.Context(), both); err == nil || !strings.Contains(err.Error(), "name one of them") {
		t.Errorf("an image and a binary: %v", err)
	}
}
