package image_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/image"
)

// testSources are sources for one test, with unique names and no recipe.
type testSources struct {
	image.Sources
	docker client.APIClient
}

// newTestSources returns sources. host serves the official images ("": no registry). Images with these names are removed
// after the test.
func newTestSources(t *testing.T, host string) testSources {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	name := "nomadlab-test-" + strings.ToLower(rand.Text()[:10])
	official := name + ".invalid/nomad" // .invalid is in no DNS (RFC 2606)
	if host != "" {
		official = host + "/" + name
	}
	l := testSources{image.Sources{Official: official, Ours: name + "/ours", Cache: t.TempDir(), Recipes: common(t)}, docker}
	t.Cleanup(func() {
		l.remove(t, name)
		docker.Close()
	})
	return l
}

// remove removes the images whose names contain name.
func (l testSources) remove(t *testing.T, name string) {
	ctx := context.Background()
	all, err := l.docker.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, item := range all.Items {
		for _, ref := range item.RepoTags {
			if !strings.Contains(ref, name) {
				continue
			}
			if _, err := l.docker.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true}); err != nil {
				t.Error(err)
			}
		}
	}
}

// tag makes a tiny image of that name, with these instructions.
func (l testSources) tag(t *testing.T, ref string, changes ...string) {
	t.Helper()
	l.load(t, ref, archiveOf(t, ref), changes...)
}

// load makes an image of that name with these files, a tar archive.
func (l testSources) load(t *testing.T, ref string, files []byte, changes ...string) {
	t.Helper()
	source := client.ImageImportSource{Source: bytes.NewReader(files), SourceName: "-"}
	answer, err := l.docker.ImageImport(t.Context(), source, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatal(err)
	}
}

// resolve resolves an image, and also returns the stages.
func (l testSources) resolve(ctx context.Context, r image.Request) (image.Image, stages, error) {
	var seen stages
	img, err := l.Resolve(ctx, l.docker, r, seen.add)
	return img, seen, err
}

// newBuilder returns sources without Docker, which have only the binary of the recipe.
func newBuilder(t *testing.T, recipe testRecipe) testSources {
	t.Helper()
	return testSources{image.Sources{Cache: filepath.Join(t.TempDir(), "[cache]"), Recipes: recipe.recipes}, nil}
}

// binary resolves a binary, and also returns the stages.
func (l testSources) binary(ctx context.Context, r image.Request) (image.Executable, stages, error) {
	var seen stages
	e, err := l.ResolveBinary(ctx, r, seen.add)
	return e, seen, err
}

// stages are the stages of a resolution, each once, in the order of their first events.
type stages []image.Stage

func (s *stages) add(e image.Event) {
	if !slices.Contains(*s, e.Stage) {
		*s = append(*s, e.Stage)
	}
}

func (s stages) String() string {
	var stderr []string
	for _, stage := range s {
		stderr = append(stderr, string(stage))
	}
	return strings.Join(stderr, " ")
}

func write(t *testing.T, folder, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, text, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
