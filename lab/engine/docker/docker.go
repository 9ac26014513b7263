// Package docker runs the nodes of labs as containers, through testcontainers-go.
//
// Everything of a lab bears the label nomadlab.lab. It is found again, listed and removed by that label alone.
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

// Engine is an [engine.Engine] on a local Docker daemon. Build it with New.
type Engine struct {
	provider *testcontainers.DockerProvider
	client   client.APIClient
	// self is the container that this process itself runs in, if it does: such a process cannot reach ports that
	// are published on its host's 127.0.0.1, so it joins each lab's network instead.
	self string
	// doors are where this process reaches what its nodes serve on their own loopback.
	doors doors
	// netcats bounds how many commands that reach them are started at once: each takes much of a processor, so that more
	// of them would only be later.
	netcats *semaphore.Weighted
	// byCommand has it reach them by a command inside the container, even where it could do without.
	byCommand bool
	// silentFor is how long a node that is reached so may be silent to a caller who has ended their direction.
	silentFor time.Duration
}

var _ engine.Engine = (*Engine)(nil)

// New connects to the Docker daemon that DOCKER_HOST names, or to the local one, where testcontainers finds it. It returns
// an error that wraps engine.ErrUnavailable when there is none, when this user may not use it, or when it is on another
// machine.
//
// testcontainers-go has a reaper of its own, which needs an image and would remove a lab that is to outlive its
// process. New switches it off for this process (TESTCONTAINERS_RYUK_DISABLED) unless that variable is set already;
// package watchdog does the reaper's work. Where the reaper is on all the same, New returns engine.ErrUnavailable.
func New(ctx context.Context) (*Engine, error) {
	provider, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	e := &Engine{provider: provider, client: provider.Client(), netcats: semaphore.NewWeighted(netcatsAtOnce), silentFor: silentFor}
	e.self = e.findSelf(ctx)
	return e, nil
}

// Name is "docker".
func (e *Engine) Name() string { return "docker" }

// DockerHost is the address of the daemon.
func (e *Engine) DockerHost() string { return e.client.DaemonHost() }

// Site has the far end of Docker's own range, where few hosts have anything and where a route of the host would show,
// then a corner of 10.0.0.0/8.
func (e *Engine) Site() engine.Site {
	return engine.Site{Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16"), netip.MustParsePrefix("10.230.0.0/16")}}
}

// Lacks says that nodes have a network of their own. Else a container has everything.
func (e *Engine) Lacks(f engine.Feature) string {
	if f == engine.SharedLoopback {
		return "containers have a network of their own, on which others than this machine's programs could connect to a listener of ours"
	}
	return ""
}

// Footprint is the label on containers and networks.
func (e *Engine) Footprint(label, value string) engine.Footprint {
	return engine.Footprint{DockerHost: e.DockerHost(), Label: labelPrefix + label + "=" + value}
}

// Close gives back the connections to the daemon and to what nodes serve on their own loopback.
func (e *Engine) Close() error {
	e.doors.close(func(engine.Ref) bool { return true })
	return e.provider.Close()
}
