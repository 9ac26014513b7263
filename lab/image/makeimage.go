package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// importImage imports the files into the Docker daemon as one layer. An import needs neither a builder nor containers, and
// leaves no intermediate layers.
func (r *resolver) importImage(ctx context.Context, ref string, files rootfs, labels map[string]string) error {
	started := time.Now()
	r.progress.tell(Event{Stage: StageImport, Text: "handing " + ref + " to the Docker daemon"})
	changes, err := r.recipes.changes(r.part)
	if err != nil {
		return err
	}
	if files.common, err = r.recipes.rootfs(); err != nil {
		return err
	}
	labels[labelImage] = r.part.Name()
	for name, value := range labels {
		changes = append(changes, fmt.Sprintf("LABEL %s=%q", name, value))
	}
	slices.Sort(changes[len(changes)-len(labels):])

	reader, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(writer, 1<<20)
		err := files.write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		writer.CloseWithError(err) // nil: the end of the archive
		written <- err
	}()
	err = r.sendImage(ctx, reader, ref, changes)
	reader.CloseWithError(errors.New("the Docker daemon has stopped reading")) // frees the writer, whatever happened
	if writeErr := <-written; err == nil {
		err = writeErr
	}
	if err != nil {
		return fmt.Errorf("hand the image to the Docker daemon: %w", outOfSpace(err, "the Docker daemon"))
	}
	r.progress.tell(Event{Stage: StageImport, Text: "made " + ref, Elapsed: time.Since(started)})
	return nil
}

func (r *resolver) sendImage(ctx context.Context, archive io.Reader, ref string, changes []string) error {
	answer, err := r.docker.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	messages := json.NewDecoder(answer)
	for {
		var message jsonstream.Message
		switch err := messages.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.Error != nil:
			return message.Error
		}
	}
}

// build returns the image of a recipe.
func (r *resolver) build(ctx context.Context, rec recipe) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	ref, made := r.tag(rec), false
	img, err := r.makeOnce(ctx, ref, func(work string) error {
		made = true
		return r.makeFromRecipe(ctx, target{rec, platform{"linux", arch}}, ref, work)
	})
	if err != nil {
		return Image{}, fmt.Errorf("build an image of %s: %w", rec.title(), err)
	}
	if made {
		img.Source = Built
	}
	return img, nil
}

// makeOnce makes an image, unless another run has just made it, and returns it.
func (r *resolver) makeOnce(ctx context.Context, ref string, build func(work string) error) (img Image, err error) {
	err = r.withLock(ctx, ref, func(work string) error {
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

// makeFromRecipe makes an image around the binary of a recipe.
func (r *resolver) makeFromRecipe(ctx context.Context, t target, ref, work string) error {
	prepared, err := r.prepare(ctx, t, work)
	if err != nil {
		return err
	}
	box, err := r.busybox(ctx, t.platform.arch, work)
	if err != nil {
		return err
	}
	program, err := r.finish(ctx, prepared)
	if err != nil {
		return err
	}
	return r.importImage(ctx, ref, rootfs{part: r.part, program: program, busybox: box}, map[string]string{
		labelVersion: t.recipe.version,
		labelRecipe:  t.recipe.hash,
	})
}

// fromBinary returns an image around the binary that the user named. Its tag has the hashes of the binary and of the other
// files, so that each binary is put in an image once.
func (r *resolver) fromBinary(ctx context.Context, path string) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := checkStatic(path, arch); err != nil {
		return Image{}, fmt.Errorf("%w for the Docker daemon's containers: %s: %w", ErrUnusableBinary, path, err)
	}
	content, err := hashFile(path)
	if err != nil {
		return Image{}, err
	}
	around, err := r.recipes.hash(r.part, "")
	if err != nil {
		return Image{}, err
	}
	ref := fmt.Sprintf("%s:binary-%s-%s", r.ours, content[:12], around)
	img, found, err := r.local(ctx, ref, "")
	if err != nil {
		return Image{}, err
	}
	if !found {
		img, err = r.makeOnce(ctx, ref, func(work string) error {
			return r.makeFromBinary(ctx, path, arch, ref, content, work)
		})
	}
	if err != nil {
		return Image{}, fmt.Errorf("make an image around %s: %w", path, err)
	}
	img.Source = Named
	return img, nil
}

func (r *resolver) makeFromBinary(ctx context.Context, path, arch, ref, content, work string) error {
	var version string // unknown if this machine cannot run the binary
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
	return r.importImage(ctx, ref, rootfs{part: r.part, program: path, busybox: box}, map[string]string{
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
