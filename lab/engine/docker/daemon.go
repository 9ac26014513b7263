package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"nomadlab.internal/lab/engine"
)

// connect lets testcontainers find the daemon, and returns an error if labs cannot use it. testcontainers takes the first
// that answers of: tc.host in ~/.testcontainers.properties, DOCKER_HOST, /var/run/docker.sock, docker.host in those
// properties, and the sockets of a rootless Docker (testcontainers-go, internal/core/docker_host.go).
func connect(ctx context.Context) (*testcontainers.DockerProvider, error) {
	named := os.Getenv(client.EnvOverrideHost)
	if err := refuseRemote(named); err != nil {
		return nil, err // before a connection to that machine is tried
	}
	provider, err := found(ctx)
	if err != nil {
		return nil, err
	}
	if err := usable(ctx, provider, named); err != nil {
		return nil, errors.Join(err, provider.Close())
	}
	return provider, nil
}

// found connects testcontainers. It returns when ctx ends, which testcontainers itself does not look at.
func found(ctx context.Context) (*testcontainers.DockerProvider, error) {
	type answer struct {
		provider *testcontainers.DockerProvider
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		p, err := newProvider()
		answered <- answer{p, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("look for the Docker daemon: %w", ctx.Err())
	case a := <-answered:
		if a.err != nil {
			return nil, unavailable(a.err)
		}
		return a.provider, nil
	}
}

// usable returns why labs cannot use the daemon. It asks over the connection that labs will use.
func usable(ctx context.Context, p *testcontainers.DockerProvider, named string) error {
	c := p.Client()
	if err := refuseRemote(c.DaemonHost()); err != nil {
		return err
	}
	if named != "" && named != c.DaemonHost() {
		return passedOver(ctx, named, c.DaemonHost())
	}
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return unavailable(err)
	}
	return nil
}

// passedOver returns why testcontainers took another daemon than DOCKER_HOST names.
func passedOver(ctx context.Context, named, taken string) error {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return unavailable(err)
	}
	return fmt.Errorf("%w: DOCKER_HOST is %q, but testcontainers uses %q: unset DOCKER_HOST, or take tc.host out of "+
		"~/.testcontainers.properties, so that both mean one daemon", engine.ErrUnavailable, named, taken)
}

// configure guards settings that testcontainers keeps for the whole process and reads without a lock.
var configure sync.Mutex //nolint:gochecknoglobals // it guards what is global in testcontainers

// newProvider connects testcontainers, without the banner that it prints at the first use.
func newProvider() (*testcontainers.DockerProvider, error) {
	configure.Lock()
	defer configure.Unlock()
	loud := log.Default()
	defer log.SetDefault(loud)
	log.SetDefault(log.NewNoopLogger())
	return testcontainers.NewDockerProvider(
		testcontainers.Generic2DockerOptions(testcontainers.WithLogger(log.NewNoopLogger()))...)
}

func refuseRemote(host string) error {
	if host == "" || strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://") {
		return nil
	}
	return fmt.Errorf("%w: %q is a Docker daemon on another machine. A lab publishes its ports on 127.0.0.1 alone, so it "+
		"would be out of reach there: unset DOCKER_HOST, take tc.host and docker.host out of ~/.testcontainers.properties, "+
		"or run nomadlab on that machine", engine.ErrUnavailable, host)
}

// unavailable wraps err in engine.ErrUnavailable and adds what the user can do.
func unavailable(err error) error {
	kind, mend := engine.ErrUnavailable, "is Docker installed and running? Try: systemctl start docker"
	switch chosen := dockerContext(); {
	case chosen != "":
		mend = fmt.Sprintf("your docker command uses its context %q, which nomadlab does not look at. "+
			"Try: export DOCKER_HOST=$(docker context inspect -f '{{.Endpoints.docker.Host}}')", chosen)
	case errdefs.IsPermissionDenied(err) || errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		kind, mend = engine.ErrDenied, "this user may not use Docker. Try: sudo usermod -aG docker $USER, then log in again"
	}
	return fmt.Errorf("%w: %w: %s", kind, oneLine{err}, mend)
}

// oneLine replaces the line breaks in an error's text: testcontainers writes one line for each address that it tried.
type oneLine struct{ error }

func (o oneLine) Error() string { return strings.ReplaceAll(o.error.Error(), "\n", "; ") }
func (o oneLine) Unwrap() error { return o.error }

// dockerContext returns the context that the docker command uses, or "" for the default one (docs.docker.com, "Docker
// contexts": DOCKER_HOST precedes DOCKER_CONTEXT, which precedes what `docker context use` wrote into config.json).
func dockerContext() string {
	if os.Getenv(client.EnvOverrideHost) != "" {
		return ""
	}
	home, _ := os.UserHomeDir() // without one there is no such file
	data, _ := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")), "config.json"))
	var config struct{ CurrentContext string }
	_ = json.Unmarshal(data, &config)
	if chosen := cmp.Or(os.Getenv("DOCKER_CONTEXT"), config.CurrentContext); chosen != "default" {
		return chosen
	}
	return ""
}

// explain wraps the daemon's error in the error of package engine that it means, if any.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%w: %w", engine.ErrNotFound, err)
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in use"):
		return fmt.Errorf("%w: %w", engine.ErrExists, err)
	case strings.Contains(err.Error(), "no space left on device"):
		return fmt.Errorf("%w: %w: free some with `docker system df` and `docker system prune`", engine.ErrNoSpace, err)
	default:
		return err
	}
}
