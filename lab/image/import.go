package image

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

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
