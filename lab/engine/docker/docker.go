// Package docker runs the nodes of labs as containers.
//
// testcontainers-go finds the daemon and creates the containers of all nodes. It does not create those of tasks (see
// Engine.Run): if a request names no port, it publishes every port that the image exposes, on every interface, and a
// task is to publish none. What testcontainers-go has no function for is done with the Docker daemon's own API, over
// the same connection.
//
// Everything of a lab has the label nomadlab.lab, and is found, listed and removed by that label alone.
package docker

import (
	"context"
	"net/netip"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/semaphore"

	"nomadlab.internal/lab/engine"
)

// Engine is an [engine.Engine] on a local Docker daemon. Make it with New.
type Engine struct {
	provider *testcontainers.DockerProvider
	client   client.APIClient
	// ownContainer is the ID of the container that this process runs in, or empty. Such a process cannot reach ports
	// that are published on its host's 127.0.0.1, so it joins each lab's network instead.
	ownContainer string
	// forwards are this process's listeners for ports that nodes serve on their own loopback.
	forwards forwards
	// ncStarts limits how many nc commands are started at the same time: each takes much of a processor.
	ncStarts *semaphore.Weighted
	// ncOnly makes forwards use nc, even if this process could enter the container's network namespace.
	ncOnly bool
	// silenceTimeout is the constant of that name, or less in a test.
	silenceTimeout time.Duration
}

var _ engine.Engine = (*Engine)(nil)

// New connects to the Docker daemon that DOCKER_HOST names, or to the local one, where testcontainers finds it. It returns
// an error that wraps engine.ErrUnavailable when there is none, when this user may not use it, or when it is on another
// machine.
//
// The reaper of testcontainers-go may be on or off in this process: the engine's containers are none of its, see
// unreaped. Package watchdog removes what a process leaves behind.
func New(ctx context.Context) (*Engine, error) {
	provider, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	e := &Engine{provider: provider, client: provider.Client(), ncStarts: semaphore.NewWeighted(maxNCStarts), silenceTimeout: silenceTimeout}
	provider.SetClient(unreaped{e.client})
	e.ownContainer = e.findOwnContainer(ctx)
	return e, nil
}

// Name returns "docker".
func (e *Engine) Name() string { return "docker" }

// DockerHost returns the address of the daemon.
func (e *Engine) DockerHost() string { return e.client.DaemonHost() }

// Site returns the pools for subnets: the far end of Docker's own range, which few hosts use and where a route of the
// host would show, then a corner of 10.0.0.0/8.
func (e *Engine) Site() engine.Site {
	return engine.Site{Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16"), netip.MustParsePrefix("10.230.0.0/16")}}
}

// Lacks returns a reason for SharedLoopback alone: containers have networks of their own.
func (e *Engine) Lacks(f engine.Feature) string {
	if f == engine.SharedLoopback {
		return "containers have a network of their own, on which others than this machine's programs could connect to a listener of ours"
	}
	return ""
}

// Footprint returns the label on containers and networks.
func (e *Engine) Footprint(label, value string) engine.Footprint {
	return engine.Footprint{DockerHost: e.DockerHost(), Label: labelPrefix + label + "=" + value}
}

// Close closes the forwards and the connection to the daemon. Labs go on.
func (e *Engine) Close() error {
	e.forwards.close(func(engine.Ref) bool { return true })
	return e.provider.Close()
}
