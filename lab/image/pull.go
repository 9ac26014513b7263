package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
)

const (
	// officialPullTimeout is how long the daemon may take for its first message about a pull, which it sends when it has the
	// manifest. It is short, because without a registry every build waits that long.
	officialPullTimeout = 2 * time.Second
	// namedPullTimeout is the same for an image that the user named, which has no other source.
	namedPullTimeout = 20 * time.Second
)

// errNoMessage ends a pull without a first message.
var errNoMessage = errors.New("the Docker daemon has heard nothing from it")

// pull pulls an image through the daemon, so that the daemon's mirrors and proxies are used. It returns an error if the
// first message does not come in time. After that it has no deadline, because images are big and links slow.
func (r *resolver) pull(ctx context.Context, ref string, timeout time.Duration) (Image, error) {
	started := time.Now()
	r.progress.tell(Event{Stage: StagePull, Text: "pulling " + ref})
	pulling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(deadline.Stretch(timeout), func() { cancel(errNoMessage) })
	defer silence.Stop()

	heard := false
	err := r.follow(pulling, ref, func(text string) {
		heard = true
		silence.Stop()
		r.progress.tell(Event{Stage: StagePull, Text: text, Elapsed: time.Since(started)})
	})
	switch {
	case ctx.Err() != nil:
		return Image{}, fmt.Errorf("pull %s: %w", ref, ctx.Err())
	case err != nil && errors.Is(context.Cause(pulling), errNoMessage):
		return Image{}, fmt.Errorf("pull %s: %w within %v: %w", ref, ErrNoRegistry, timeout, errNoMessage)
	case err != nil:
		return Image{}, fmt.Errorf("pull %s: %w", ref, pullError(err, heard))
	}
	img, err := r.mustLocal(ctx, ref)
	img.Source = Pulled
	return img, err
}

// follow runs one pull to its end and reports every message of the daemon.
func (r *resolver) follow(ctx context.Context, ref string, report func(text string)) error {
	stream, err := r.docker.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	layers := map[string]jsonstream.Progress{}
	for message, err := range stream.JSONMessages(ctx) {
		switch {
		case err != nil:
			return err
		case message.Error != nil:
			return message.Error
		case message.Progress != nil && message.Status == "Downloading":
			layers[message.ID] = *message.Progress
		}
		report("pulling " + ref + downloaded(layers))
	}
	return ctx.Err()
}

func downloaded(layers map[string]jsonstream.Progress) string {
	var current, total int64
	for _, layer := range layers {
		current, total = current+layer.Current, total+layer.Total
	}
	if total <= 0 {
		return ""
	}
	return fmt.Sprintf(": %d of %d MB", current/1e6, total/1e6)
}

// pullError returns whether a registry has no such image, cannot be reached, or the pull broke off. The daemon answers 404
// for the first, but once it has begun to stream, the two differ in the message's text alone.
func pullError(err error, heard bool) error {
	text := err.Error()
	missing := cerrdefs.IsNotFound(err) ||
		strings.Contains(text, "manifest unknown") || strings.HasSuffix(text, ": not found")
	switch {
	case missing:
		return fmt.Errorf("%w: %w", ErrNotInRegistry, err)
	case heard:
		return outOfSpace(err, "the Docker daemon")
	default:
		return fmt.Errorf("%w: %w", ErrNoRegistry, err)
	}
}
