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

// lab is a set of sources of its own for one test: names that nobody else uses, and no recipe.
type lab struct {
	image.Sources
	docker client.APIClient
}

// newLab returns sources of which host serves the official images ("": no registry). What the test leaves
// under these names is removed.
func newLab(t *testing.T, host string) lab {
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
	l := lab{image.Sources{Official: official, Ours: name + "/ours", Cache: t.TempDir(), Recipes: common(t)}, docker}
	t.Cleanup(func() {
		l.remove(t, name)
		docker.Close()
	})
	return l
}

// remove removes the images of which the name says that they are this test's.
func (l lab) remove(t *testing.T, name string) {
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
func (l lab) tag(t *testing.T, ref string, changes ...string) {
	t.Helper()
	source := client.ImageImportSource{Source: bytes.NewReader(archiveOf(t, ref)), SourceName: "-"}
	answer, err := l.docker.ImageImport(t.Context(), source, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatal(err)
	}
}

// resolve resolves and returns the stages that were gone through, too.
func (l lab) resolve(ctx context.Context, r image.Request) (image.Image, stages, error) {
	var seen stages
	img, err := l.Resolve(ctx, l.docker, r, seen.add)
	return img, seen, err
}

// newWorkshop returns sources without any Docker, from which only a binary can be had: that of the recipe.
func newWorkshop(t *testing.T, recipe tiny) lab {
	t.Helper()
	return lab{image.Sources{Cache: filepath.Join(t.TempDir(), "[cache]"), Recipes: recipe.recipes}, nil}
}

// binary resolves a binary and returns the stages that were gone through, too.
func (l lab) binary(ctx context.Context, r image.Request) (image.Executable, stages, error) {
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
	var words []string
	for _, stage := range s {
		words = append(words, string(stage))
	}
	return strings.Join(words, " ")
}

func write(t *testing.T, folder, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, text, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
