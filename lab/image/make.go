package image

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

const (
	lockFile   = "lock"
	workFolder = "build-" // beginning of the work folders' names
	// lockPoll is how often a run that waits for another looks again; flock has no wait that can be cancelled.
	lockPoll = 50 * time.Millisecond
)

// once makes an image, unless another run of this user does so now: then it waits, and finds that one's.
// make gets a folder of its own, which is removed afterwards.
func (r *resolver) once(ctx context.Context, ref string, build func(work string) error) (img Image, err error) {
	if err := os.MkdirAll(r.cache, 0o700); err != nil {
		return Image{}, fmt.Errorf("make the work folder of image builds: %w", err)
	}
	lock := flock.New(filepath.Join(r.cache, lockFile), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if err := r.acquire(ctx, lock, ref); err != nil {
		return Image{}, err
	}
	if img, found, err := r.local(ctx, ref, ""); found || err != nil {
		return img, err
	}
	if err := sweep(r.cache); err != nil {
		return Image{}, err
	}
	work, err := os.MkdirTemp(r.cache, workFolder)
	if err != nil {
		return Image{}, fmt.Errorf("make the work folder of an image build: %w", outOfSpace(err, r.cache))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := build(work); err != nil {
		return Image{}, err
	}
	return r.mustLocal(ctx, ref)
}

func (r *resolver) acquire(ctx context.Context, lock *flock.Flock, ref string) error {
	got, err := lock.TryLock()
	if err == nil && !got {
		stop := r.progress.every(time.Second, func(elapsed time.Duration) Event {
			text := fmt.Sprintf("waiting for another run, which makes an image now (for %s): %s", ref, clock(elapsed))
			return Event{Stage: StageWait, Text: text, Elapsed: elapsed}
		})
		_, err = lock.TryLockContext(ctx, lockPoll)
		stop()
	}
	if err != nil {
		return fmt.Errorf("wait for the lock %s of image builds: %w", lock.Path(), err)
	}
	return nil
}

// tidy removes what a killed build left, up to 1.7 GB: the next build may be far off, or never come. A build that goes on
// now has the lock, and sweeps itself. What cannot be removed is no reason to go without an image that is here.
func (r *resolver) tidy() {
	if left, err := leftovers(r.cache); err != nil || len(left) == 0 {
		return
	}
	lock := flock.New(filepath.Join(r.cache, lockFile), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if got, err := lock.TryLock(); err == nil && got {
		_ = sweep(r.cache)
	}
}

// leftovers are the work folders that there are. A glob would stumble over the characters of a user's path.
func leftovers(cache string) ([]string, error) {
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var left []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workFolder) {
			left = append(left, filepath.Join(cache, e.Name()))
		}
	}
	return left, err
}

// sweep removes the work folders of runs that were killed. Only the holder of the lock may call it, as then
// no other run has one.
func sweep(cache string) error {
	left, err := leftovers(cache)
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return fmt.Errorf("remove what killed image builds left: %w", err)
	}
	return nil
}

// importImage hands the files to the Docker daemon as one layer. An import needs neither a builder nor
// containers, so it is the same on every engine, and leaves no layers in between.
func (r *resolver) importImage(ctx context.Context, ref string, files rootfs, labels map[string]string) error {
	started := time.Now()
	r.progress.tell(Event{Stage: StageImport, Text: "handing " + ref + " to the Docker daemon"})
	changes, err := r.recipes.changes()
	if err != nil {
		return err
	}
	if files.common, err = r.recipes.rootfs(); err != nil {
		return err
	}
	labels[labelImage] = "nomad"
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
