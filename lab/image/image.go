package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"
)

// Request is what the user wants. The zero Request wants DefaultVersion of Nomad from the first source that has it.
type Request struct {
	// Part is the program. Zero: Nomad.
	Part Part
	// Version is the part's version, such as "1.11.3" (a leading "v" is dropped). Zero: the part's DefaultVersion.
	// It is not looked at when Image or Binary is set.
	Version string
	// Image is the reference of an image that the user names. Zero: none. ResolveBinary and ResolveFile refuse it.
	Image string
	// Binary is the path of a binary of the part that the user names. For an image, and for ResolveFile with a Docker
	// daemon, it must be static, for Linux and for the daemon's architecture; for ResolveBinary it must run on this
	// machine. Zero: none. To set both Image and Binary is an error.
	Binary string
	// Environment is added, as KEY=value, to the environment of every child process, so that a caller
	// can recognise the processes of its own run. Zero: nothing is added.
	Environment []string
}

// check returns an error if the fields of a request contradict each other.
func (r Request) check() error {
	if r.Image != "" && r.Binary != "" {
		return fmt.Errorf("both an image (%s) and a %s binary (%s) are named: name one of them", r.Image, r.Part.Name(), r.Binary)
	}
	_, err := ParsePart(r.Part.Name())
	return err
}

// Image is a Docker image that is on this machine.
type Image struct {
	// Part is the program that it holds.
	Part Part
	// Ref is what to start containers from: a name with its tag.
	Ref string
	// ID is the daemon's identifier of the image, such as "sha256:28d8…".
	ID string
	// Version is the version of the program in it, such as "1.11.3". It is empty if it is unknown: for a named image
	// without a version label, or a named binary that this machine cannot run.
	Version string
	// Source says where it came from.
	Source Source
}

// Source is where an Image or an Executable came from. The zero Source is none.
type Source string

// The sources of an image, and of a binary.
const (
	// Named is an image, or a binary, that the user named.
	Named Source = "named"
	// Local is an image that was on this machine, official or built by an earlier run; or a binary in PATH or in the cache.
	Local Source = "local"
	// Pulled is the official image, from a registry, or a binary that was copied out of it.
	Pulled Source = "pulled"
	// Built is an image or a binary that this run built from the Go module. The binary in such an image may be that of
	// an earlier run.
	Built Source = "built"
)

// Resolve returns the image that the request asks for, on the Docker daemon with that address, and pulls or builds it if
// it has to. p may be nil. It is called by one goroutine at a time, and not after Resolve has returned.
//
// When ctx ends, nothing stays: the child processes of a build are killed, and its files are removed.
//
// Errors: ErrUnknownPart, *UnknownVersionError (which is ErrUnknownVersion), ErrNoRegistry, ErrNotInRegistry, ErrNoGo,
// ErrNoBusybox, ErrNoSpace, ErrUnusableBinary, those of ctx, and the Docker daemon's.
func Resolve(ctx context.Context, dockerHost string, r Request, p Progress) (Image, error) {
	docker, err := connect(dockerHost)
	if err != nil {
		return Image{}, err
	}
	defer func() { _ = docker.Close() }()
	return newResolver(docker, r, p, true).resolve(ctx, r)
}

func connect(dockerHost string) (*client.Client, error) {
	docker, err := client.New(client.WithHost(dockerHost))
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker daemon at %s: %w", dockerHost, err)
	}
	return docker, nil
}

func newResolver(docker client.APIClient, r Request, p Progress, asImage bool) *resolver {
	return &resolver{
		builder:  newBuilder(r, p, asImage),
		docker:   docker,
		official: r.Part.officialRepository(),
		ours:     r.Part.ourRepository(),
	}
}

// resolver finds, pulls or makes an image. Tests replace the sources in its fields.
type resolver struct {
	builder
	docker   client.APIClient
	official string // repository of the official images
	ours     string // repository of the images that are made here
}

func (r *resolver) resolve(ctx context.Context, req Request) (Image, error) {
	r.removeStaleWork()
	if err := req.check(); err != nil {
		return Image{}, err
	}
	switch {
	case req.Image != "":
		return r.named(ctx, req.Image)
	case req.Binary != "":
		return r.fromBinary(ctx, req.Binary)
	}
	version, err := r.part.cleanVersion(req.Version)
	if err != nil {
		return Image{}, err
	}
	return r.ofVersion(ctx, version)
}

func (r *resolver) ofVersion(ctx context.Context, version string) (Image, error) {
	official := r.official + ":" + version
	if img, found, err := r.local(ctx, official, version); found || err != nil {
		return img, err
	}
	recipe, known, err := r.recipes.recipe(r.part, version)
	if err != nil {
		return Image{}, err
	}
	if known {
		if img, found, err := r.local(ctx, r.tag(recipe), version); found || err != nil {
			return img, err
		}
	}
	img, pullErr := r.pull(ctx, official, officialPullTimeout)
	switch {
	case pullErr == nil:
		img.Version = version
		return img, nil
	case ctx.Err() != nil, errors.Is(pullErr, ErrNoSpace):
		return Image{}, pullErr
	case !known:
		return Image{}, r.unknown(version, pullErr, false)
	}
	img, err = r.build(ctx, recipe)
	if err != nil {
		return Image{}, fmt.Errorf("%w\n(it was to be built here because of: %w)", err, pullErr)
	}
	return img, nil
}

// named returns the image that the user named, pulled if it is not here.
func (r *resolver) named(ctx context.Context, ref string) (Image, error) {
	img, found, err := r.local(ctx, ref, "")
	if err != nil {
		return Image{}, err
	}
	if !found {
		if img, err = r.pull(ctx, ref, namedPullTimeout); err != nil {
			return Image{}, fmt.Errorf("the image %s is not on this machine, and cannot be pulled: %w", ref, err)
		}
	}
	img.Source = Named
	return img, nil
}

func (r *resolver) tag(recipe recipe) string {
	return r.ours + ":" + recipe.version + "-" + recipe.hash
}
