package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ResolveFile returns a static binary of the part on this machine that runs in the containers of the Docker daemon with that
// address, so that it can be copied into them. Without an address it is ResolveBinary. p may be nil.
//
// When ctx ends, nothing stays, as with Resolve and ResolveBinary. The errors are theirs.
func ResolveFile(ctx context.Context, dockerHost string, r Request, p Progress) (Executable, error) {
	if dockerHost == "" {
		return ResolveBinary(ctx, r, p)
	}
	docker, err := connect(dockerHost)
	if err != nil {
		return Executable{}, err
	}
	defer func() { _ = docker.Close() }()
	return newResolver(docker, r, p, false).file(ctx, r)
}

func (r *resolver) file(ctx context.Context, req Request) (Executable, error) {
	r.removeStaleWork()
	if err := req.check(); err != nil {
		return Executable{}, err
	}
	if req.Image != "" {
		return Executable{}, fmt.Errorf("%w: %s is an image, and a file is copied into the nodes: %s", ErrUnusableBinary, req.Image, r.alternative)
	}
	arch, err := r.architecture(ctx)
	if err != nil {
		return Executable{}, err
	}
	if req.Binary != "" {
		return r.namedFile(ctx, req.Binary, arch)
	}
	version, err := r.part.cleanVersion(req.Version)
	if err != nil {
		return Executable{}, r.unknown(req.Version, nil, false)
	}
	on := platform{"linux", arch}
	return r.binaryOf(ctx, version, binarySources{on: on, static: true, fetch: func(ctx context.Context, version string) (Executable, error) {
		return r.fromOfficial(ctx, version, on)
	}})
}

// namedFile returns the binary that the user named, if it runs in the daemon's containers.
func (r *resolver) namedFile(ctx context.Context, path, arch string) (Executable, error) {
	if err := checkStatic(path, arch); err != nil {
		return Executable{}, fmt.Errorf("%w for the Docker daemon's containers: %s: %w", ErrUnusableBinary, path, err)
	}
	if runsHere(arch) {
		return r.namedBinary(ctx, path)
	}
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = checkFile(absolute)
	}
	if err != nil {
		return Executable{}, fmt.Errorf("%w: %s: %w", ErrUnusableBinary, path, err)
	}
	return Executable{Part: r.part, Path: absolute, Source: Named}, nil
}

// fromOfficial returns the binary of the official image, which is pulled if it is not on the daemon. The binary stays in the
// cache.
func (r *resolver) fromOfficial(ctx context.Context, version string, on platform) (Executable, error) {
	ref := r.official + ":" + version
	_, found, err := r.local(ctx, ref, version)
	if err == nil && !found {
		_, err = r.pull(ctx, ref, officialPullTimeout)
	}
	if err != nil {
		return Executable{}, err
	}
	t := officialTarget(r.part, version, on)
	e := Executable{Part: r.part, Version: version, Source: Pulled}
	err = r.withLock(ctx, ref, func(work string) error {
		path, found, err := r.cached(ctx, t)
		if err == nil && !found {
			path, err = r.copyOut(ctx, ref, t, work)
		}
		e.Path = path
		return err
	})
	if err != nil {
		return Executable{}, fmt.Errorf("copy %s out of the image %s: %w", r.part.Path(), ref, err)
	}
	return e, nil
}

// copyOut copies the program of an image into the cache. A container is made for it, and never started.
func (r *resolver) copyOut(ctx context.Context, ref string, t target, work string) (path string, err error) {
	name := r.copyName(t)
	remove := func(ctx context.Context) error {
		_, err := r.docker.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
	if err := remove(ctx); err != nil {
		return "", err
	}
	made, err := r.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: ref, Entrypoint: []string{r.part.Path()}, Labels: map[string]string{labelImage: r.part.Name()}},
	})
	// The daemon may have made the container of a call that was interrupted.
	defer func() { err = errors.Join(err, remove(context.WithoutCancel(ctx))) }()
	if err != nil {
		return "", err
	}
	r.progress.tell(Event{Stage: StageCopy, Text: fmt.Sprintf("copying %s out of %s", r.part.Path(), ref)})
	copied, err := r.docker.CopyFromContainer(ctx, made.ID, client.CopyFromContainerOptions{SourcePath: r.part.Path()})
	if err != nil {
		return "", err
	}
	defer func() { _ = copied.Content.Close() }()
	program := filepath.Join(work, r.part.Name())
	if err := unpackProgram(copied.Content, program); err != nil {
		return "", outOfSpace(err, work)
	}
	if err := r.try(ctx, program, t); err != nil {
		return "", err
	}
	return r.store(program, t)
}

// copyName returns the name of the container out of which a binary is copied. It is the same each time, so that the next run
// finds the container of a killed run and removes it; and it is no other cache's, because the lock is the cache's.
func (r *resolver) copyName(t target) string {
	sum := sha256.Sum256([]byte(r.cache))
	return fmt.Sprintf("nomadlab-copy-%x-%s", sum[:4], t.file())
}

// unpackProgram writes the one file of a tar archive.
func unpackProgram(from io.Reader, to string) (err error) {
	archive := tar.NewReader(from)
	header, err := archive.Next()
	if err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("%s is no ordinary file in it", header.Name)
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, archive)
	return err
}
