package watchdog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"
)

// kind is one sort of Docker object: how to list those with the label, and how to remove one.
type kind struct {
	name   string
	list   func(context.Context) ([]string, error)
	remove func(ctx context.Context, id string) error
}

func sweepDocker(ctx context.Context, t Target, swept *Swept) error {
	docker, err := client.New(client.WithHost(t.DockerHost))
	if err != nil {
		return fmt.Errorf("use the Docker daemon at %q: %w", t.DockerHost, err)
	}
	defer func() { _ = docker.Close() }()
	filter := make(client.Filters).Add("label", t.Label)

	var failed [3]error
	swept.Containers, failed[0] = containers(docker, filter).clear(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { swept.Networks, failed[1] = networks(docker, filter).clear(ctx) })
	wait.Go(func() { swept.Volumes, failed[2] = volumes(docker, filter).clear(ctx) })
	wait.Wait()
	return errors.Join(failed[:]...)
}

// clear removes all objects of one kind and returns how many it found. It succeeds when the list is empty. Then earlier errors of
// the daemon do not matter: an object was gone already, another client was removing it (409), or it could not be removed at the
// first try.
func (k kind) clear(ctx context.Context) (int, error) {
	found := map[string]bool{}
	err := retry(ctx, askEvery, func() (bool, error) {
		ids, err := k.list(ctx)
		if err != nil {
			return true, fmt.Errorf("list %ss: %w", k.name, err)
		}
		for _, id := range ids {
			found[id] = true
		}
		return len(ids) == 0, k.removeAll(ctx, ids)
	})
	return len(found), err
}

func (k kind) removeAll(ctx context.Context, ids []string) error {
	failed := make([]error, len(ids))
	var wait sync.WaitGroup
	for i, id := range ids {
		wait.Go(func() {
			if err := k.remove(ctx, id); err != nil {
				failed[i] = fmt.Errorf("remove %s %s: %w", k.name, id, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

// ids returns the identifiers of the items of a list.
func ids[T any](items []T, id func(T) string) []string {
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = id(item)
	}
	return all
}

func containers(docker *client.Client, filter client.Filters) kind {
	return kind{
		name: "container",
		list: func(ctx context.Context) ([]string, error) {
			found, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
			return ids(found.Items, func(c container.Summary) string { return c.ID }), err
		},
		remove: func(ctx context.Context, id string) error {
			_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			return err
		},
	}
}

func networks(docker *client.Client, filter client.Filters) kind {
	return kind{
		name: "network",
		list: func(ctx context.Context) ([]string, error) {
			found, err := docker.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
			return ids(found.Items, func(n network.Summary) string { return n.ID }), err
		},
		remove: func(ctx context.Context, id string) error { return removeNetwork(ctx, docker, id) },
	}
}

// removeNetwork removes a network. If that fails, it disconnects the containers of the network and tries once more: Docker 20.10
// answers 403 ("has active endpoints") if a container that is not of the lab was connected.
func removeNetwork(ctx context.Context, docker *client.Client, id string) error {
	_, err := docker.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	if err == nil {
		return nil
	}
	inspected, inspectErr := docker.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if inspectErr != nil {
		return errors.Join(err, inspectErr)
	}
	for container := range inspected.Network.Containers {
		options := client.NetworkDisconnectOptions{Container: container, Force: true}
		if _, err := docker.NetworkDisconnect(ctx, id, options); err != nil {
			return fmt.Errorf("disconnect container %s: %w", container, err)
		}
	}
	_, err = docker.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	return err
}

func volumes(docker *client.Client, filter client.Filters) kind {
	return kind{
		name: "volume",
		list: func(ctx context.Context) ([]string, error) {
			found, err := docker.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
			return ids(found.Items, func(v volume.Volume) string { return v.Name }), err
		},
		remove: func(ctx context.Context, name string) error {
			_, err := docker.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
			return err
		},
	}
}
