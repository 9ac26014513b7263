package docker

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/moby/client"
)

// testcontainersLabels begins the labels by which the reaper of testcontainers finds containers.
const testcontainersLabels = "org.testcontainers"

// unreaped is the client with which testcontainers creates the engine's containers, so that its reaper neither needs to run
// for them nor removes them: that needs an image from a registry, and would remove a lab that is to outlive its process.
// Whether the reaper is on is one setting for the whole process, and may be on for other containers of that process.
type unreaped struct{ client.APIClient }

// ContainerCreate creates a container without the labels of testcontainers. It returns a createdError, even after success, so
// that testcontainers does not connect the reaper, which it does after the creation.
func (u unreaped) ContainerCreate(ctx context.Context, o client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	maps.DeleteFunc(o.Config.Labels, func(label, _ string) bool { return strings.HasPrefix(label, testcontainersLabels) })
	made, err := u.APIClient.ContainerCreate(ctx, o)
	if err != nil {
		return made, err
	}
	return made, createdError{made.ID}
}

// createdError means that the container with this ID was created.
type createdError struct{ id string }

func (e createdError) Error() string { return fmt.Sprintf("the container %s was created", e.id) }
