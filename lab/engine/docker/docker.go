// Package docker runs the nodes of labs as containers, through testcontainers-go.
//
// Everything of a lab bears the label nomadlab.lab. It is found again, listed and removed by that label alone.
package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"nomadlab.internal/lab/engine"
)

// Engine is an [engine.Engine] on a local Docker daemon. Build it with New.
type Engine struct {
	provider *testcontainers.DockerProvider
	client   client.APIClient
	// self is the container that this process itself runs in, if it does: such a process cannot reach ports that
	// are published on its host's 127.0.0.1, so it joins each lab's network instead.
	self string
}

var _ engine.Engine = (*Engine)(nil)

// New connects to the Docker daemon that DOCKER_HOST names, or to the local one. It returns an error that wraps
// engine.ErrUnavailable when there is none, when this user may not use it, or when it is on another machine.
//
// testcontainers-go has a reaper of its own, which needs an image and would remove a lab that is to outlive its
// process. New switches it off for this process (TESTCONTAINERS_RYUK_DISABLED) unless that variable is set already;
// package watchdog does the reaper's work.
func New(ctx context.Context) (*Engine, error) {
	if err := refuseRemote(os.Getenv(client.EnvOverrideHost)); err != nil {
		return nil, err
	}
	if err := ping(ctx); err != nil {
		return nil, err
	}
	provider, err := newProvider()
	if err != nil {
		return nil, unavailable(err)
	}
	e := &Engine{provider: provider, client: provider.Client()}
	e.self = e.findSelf(ctx)
	return e, nil
}

// configure guards settings that testcontainers keeps for the whole process and reads without a lock.
var configure sync.Mutex //nolint:gochecknoglobals // it guards what is global in testcontainers

// newProvider connects testcontainers, without its reaper and without the banner that it prints at the first use.
func newProvider() (*testcontainers.DockerProvider, error) {
	configure.Lock()
	defer configure.Unlock()
	const ryuk = "TESTCONTAINERS_RYUK_DISABLED"
	if _, set := os.LookupEnv(ryuk); !set {
		if err := os.Setenv(ryuk, "true"); err != nil {
			return nil, err
		}
	}
	loud := log.Default()
	defer log.SetDefault(loud)
	log.SetDefault(log.NewNoopLogger())
	return testcontainers.NewDockerProvider(
		testcontainers.Generic2DockerOptions(testcontainers.WithLogger(log.NewNoopLogger()))...)
}

// ping asks the daemon before testcontainers does: testcontainers panics, or looks elsewhere, when there is none.
func ping(ctx context.Context) error {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return unavailable(err)
	}
	return nil
}

func refuseRemote(host string) error {
	if host == "" || strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://") {
		return nil
	}
	return fmt.Errorf("%w: DOCKER_HOST is %q, a daemon on another machine. A lab publishes its ports on 127.0.0.1 "+
		"alone, so it would be out of reach there: unset DOCKER_HOST, or run nomadlab on that machine", engine.ErrUnavailable, host)
}

// unavailable says what is wrong with the daemon, and what mends it.
func unavailable(err error) error {
	mend := "is Docker installed and running? Try: systemctl start docker"
	if errdefs.IsPermissionDenied(err) || errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied") {
		mend = "this user may not use Docker. Try: sudo usermod -aG docker $USER, then log in again"
	}
	return fmt.Errorf("%w: %w: %s", engine.ErrUnavailable, err, mend)
}

// Name is "docker".
func (e *Engine) Name() string { return "docker" }

// DockerHost is the address of the daemon.
func (e *Engine) DockerHost() string { return e.client.DaemonHost() }

// Footprint is the label on containers and networks.
func (e *Engine) Footprint(label, value string) engine.Footprint {
	return engine.Footprint{DockerHost: e.DockerHost(), Label: labelPrefix + label + "=" + value}
}

// Close gives back the connections to the daemon.
func (e *Engine) Close() error { return e.provider.Close() }
