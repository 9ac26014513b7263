package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
)

const (
	// Labels of the images that are made here.
	labelImage   = "nomadlab.image"         // name of the part
	labelVersion = "nomadlab.image.version" // the part's version, if it is known
	labelRecipe  = "nomadlab.image.recipe"  // hash of the recipe, or of the named binary
	// labelOfficialVersion is the official images' version label (Dockerfile of Nomad 1.11.3).
	labelOfficialVersion = "org.opencontainers.image.version"
)

// List returns the images on the Docker daemon with that address that were made here, of all parts, built ones
// and those around a named binary, ordered by Ref. Errors are the Docker daemon's.
func List(ctx context.Context, dockerHost string) ([]Image, error) {
	docker, err := connect(dockerHost)
	if err != nil {
		return nil, err
	}
	defer func() { _ = docker.Close() }()
	ours := client.Filters{}.Add("label", labelImage)
	found, err := docker.ImageList(ctx, client.ImageListOptions{Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list the images that were made here: %w", err)
	}
	var images []Image
	for _, item := range found.Items {
		images = append(images, refs(item)...)
	}
	slices.SortFunc(images, func(a, b Image) int { return cmp.Compare(a.Ref, b.Ref) })
	return images, nil
}

func refs(item image.Summary) []Image {
	var images []Image
	for _, ref := range item.RepoTags {
		if !strings.HasPrefix(ref, "<none>") {
			images = append(images, Image{
				Part: Part(item.Labels[labelImage]), Ref: ref, ID: item.ID, Version: item.Labels[labelVersion], Source: Local,
			})
		}
	}
	return images
}

// local returns the image of this name if it is on this machine. version is used if the image has no version label.
func (r *resolver) local(ctx context.Context, ref, version string) (img Image, found bool, err error) {
	here, err := r.docker.ImageInspect(ctx, ref)
	switch {
	case cerrdefs.IsNotFound(err):
		return Image{}, false, nil
	case err != nil:
		return Image{}, false, fmt.Errorf("look for the image %s: %w", ref, err)
	}
	if here.Config != nil {
		labels := here.Config.Labels
		version = cmp.Or(labels[labelVersion], labels[labelOfficialVersion], version)
	}
	return Image{Part: r.part, Ref: ref, ID: here.ID, Version: version, Source: Local}, true, nil
}

// mustLocal is local for an image that has just been pulled or made.
func (r *resolver) mustLocal(ctx context.Context, ref string) (Image, error) {
	img, found, err := r.local(ctx, ref, "")
	if err == nil && !found {
		err = errors.New("the Docker daemon took the image " + ref + ", and now does not have it: was it removed by someone else?")
	}
	return img, err
}

// architecture returns the GOARCH of the Docker daemon's containers.
func (r *resolver) architecture(ctx context.Context) (string, error) {
	version, err := r.docker.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the Docker daemon for its architecture: %w", err)
	}
	if version.Os != "linux" {
		return "", fmt.Errorf("the Docker daemon runs %s containers: nomadlab needs Linux containers", version.Os)
	}
	return version.Arch, nil
}
