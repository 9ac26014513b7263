package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// build makes the image of a recipe.
func (r *resolver) build(ctx context.Context, rec recipe) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	ref, made := r.tag(rec), false
	img, err := r.once(ctx, ref, func(work string) error {
		made = true
		return r.wrapBuilt(ctx, target{rec, platform{"linux", arch}}, ref, work)
	})
	if err != nil {
		return Image{}, fmt.Errorf("build an image of Nomad %s: %w", rec.version, err)
	}
	if made {
		img.Source = Built
	}
	return img, nil
}

// once makes an image, unless another run has just done so: then it finds that one's.
func (r *resolver) once(ctx context.Context, ref string, build func(work string) error) (img Image, err error) {
	err = r.alone(ctx, ref, func(work string) error {
		var found bool
		if img, found, err = r.local(ctx, ref, ""); found || err != nil {
			return err
		}
		if err := build(work); err != nil {
			return err
		}
		img, err = r.mustLocal(ctx, ref)
		return err
	})
	if err != nil {
		return Image{}, err
	}
	return img, nil
}

// wrapBuilt makes an image around the binary of a recipe.
func (r *resolver) wrapBuilt(ctx context.Context, t target, ref, work string) error {
	prepared, err := r.prepare(ctx, t, work)
	if err != nil {
		return err
	}
	box, err := r.busybox(ctx, t.platform.arch, work)
	if err != nil {
		return err
	}
	nomad, err := r.finish(ctx, prepared)
	if err != nil {
		return err
	}
	return r.importImage(ctx, ref, rootfs{nomad: nomad, busybox: box}, map[string]string{
		labelVersion: t.recipe.version,
		labelRecipe:  t.recipe.hash,
	})
}

// fromBinary returns an image around the binary that the user named. Its tag is the binary's hash and that of
// the files around it: the same binary is put in an image once.
func (r *resolver) fromBinary(ctx context.Context, path string) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := examine(path, arch); err != nil {
		return Image{}, fmt.Errorf("%w for the Docker daemon's containers: %s: %w", ErrUnusableBinary, path, err)
	}
	content, err := hashFile(path)
	if err != nil {
		return Image{}, err
	}
	around, err := r.recipes.hash("")
	if err != nil {
		return Image{}, err
	}
	ref := fmt.Sprintf("%s:binary-%s-%s", r.ours, content[:12], around)
	img, found, err := r.local(ctx, ref, "")
	if err != nil {
		return Image{}, err
	}
	if !found {
		img, err = r.once(ctx, ref, func(work string) error {
			return r.wrapNamed(ctx, path, arch, ref, content, work)
		})
	}
	if err != nil {
		return Image{}, fmt.Errorf("make an image around %s: %w", path, err)
	}
	img.Source = Named
	return img, nil
}

func (r *resolver) wrapNamed(ctx context.Context, path, arch, ref, content, work string) error {
	var version string // unknown where this machine cannot run the binary
	if runsHere(arch) {
		named, err := r.namedBinary(ctx, path)
		if err != nil {
			return err
		}
		version = named.Version
	}
	box, err := r.busybox(ctx, arch, work)
	if err != nil {
		return err
	}
	return r.importImage(ctx, ref, rootfs{nomad: path, busybox: box}, map[string]string{
		labelVersion: version,
		labelRecipe:  "binary-" + content,
	})
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hash the binary: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
