package image

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// ResolveAt is Resolve on the Docker daemon with that address.
func ResolveAt(ctx context.Context, dockerHost string, r Request, p Progress) (Image, error) {
	docker, err := client.New(client.WithHost(dockerHost))
	if err != nil {
		return Image{}, fmt.Errorf("connect to the Docker daemon at %s: %w", dockerHost, err)
	}
	defer func() { _ = docker.Close() }()
	return Resolve(ctx, docker, r, p)
}

// ListAt is List on the Docker daemon with that address.
func ListAt(ctx context.Context, dockerHost string) ([]Image, error) {
	docker, err := client.New(client.WithHost(dockerHost))
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker daemon at %s: %w", dockerHost, err)
	}
	defer func() { _ = docker.Close() }()
	return List(ctx, docker)
}
