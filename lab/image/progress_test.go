package image_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/image"
)

// TestBuildSaysHowLongItTakes demands it before the build begins, and the count of packages or modules with each event.
func TestBuildSaysHowLongItTakes(t *testing.T) {
	for _, c := range []struct {
		part         image.Part
		lines, count string
	}{
		{image.Nomad, "", "0 of about 12 packages"},
		{image.Nomad, `go: downloading x.org/y v1`, "1 of about 1 modules downloaded"},
		{image.Vault, `go: downloading y v1\nfmt\nos`, "2 of about 12 packages"},
		{image.ConsulTemplate, `example/package`, "1 of about 12 packages"},
	} {
		recipe := newPartRecipe(t, c.part, partSource(c.part, version), true)
		got := firstCount(t, c.part, recipe, c.lines, c.count)
		if len(got) < 2 || got[0].Stage != image.StageLicence || !strings.Contains(got[0].Text, "the build takes about 3 min on two cores, once") {
			t.Fatalf("%s: the build is not announced: %+v", c.part, got)
		}
		want := "building " + c.part.Title() + " 0.0.1 from its Go module, about 3 min on two cores: " + c.count + ", "
		if last := got[len(got)-1]; !strings.HasPrefix(last.Text, want) || last.AboutPackages != 12 {
			t.Errorf("%s: got %+v, want %q", c.part, last, want)
		}
	}
}

// firstCount builds with a go that says these lines, and returns the events until one has the count.
func firstCount(t *testing.T, part image.Part, recipe testRecipe, lines, count string) []image.Event {
	t.Helper()
	fakeGoSaying(t, "go1.99.0", lines)
	l := newBuilder(t, recipe)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []image.Event
	_, err := l.ResolveBinary(ctx, image.Request{Part: part, Version: version}, func(e image.Event) {
		if ctx.Err() != nil {
			return
		}
		seen = append(seen, e)
		if e.Stage == image.StageBuild && (strings.Contains(e.Text, count) || len(seen) > 10) {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("a build without an end has ended")
	}
	return seen
}
