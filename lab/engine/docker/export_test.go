package docker

import (
	"io"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"nomadlab.internal/lab/engine"
)

// Pack returns the archive that is sent to the daemon.
func Pack(files []engine.File) (io.Reader, error) { return pack(files) }

// UpperHalf returns the range from which Docker assigns addresses.
func UpperHalf(p netip.Prefix) netip.Prefix { return upperHalf(p) }

// Labels returns all labels of an object.
func Labels(lab, node string, more map[string]string) map[string]string {
	return labels(lab, node, more)
}

// CallerLabels is the inverse of Labels.
func CallerLabels(labels map[string]string) map[string]string { return callerLabels(labels) }

// Request returns the request to testcontainers.
func Request(n engine.Node) testcontainers.ContainerRequest { return request(n) }

// RefuseRemote returns an error for a daemon on another machine.
func RefuseRemote(host string) error { return refuseRemote(host) }

// Unavailable wraps an error with what the user can do.
func Unavailable(err error) error { return unavailable(err) }

// Explain wraps the daemon's error in the one of package engine that it means.
func Explain(err error) error { return explain(err) }

// EndpointFrom returns where a process in a container, or on the host if its ID is empty, reaches a port.
func EndpointFrom(ownContainer string, address netip.Addr, port uint16, published []network.PortBinding) (netip.AddrPort, bool) {
	return (&Engine{ownContainer: ownContainer}).endpoint(address, port, published)
}

// On returns an engine that uses a connection of the test, without testcontainers.
func On(c client.APIClient) *Engine { return &Engine{client: c} }

// Client returns the engine's own connection.
func (e *Engine) Client() client.APIClient { return e.client }

// OwnContainer returns the ID of the container that this process runs in.
func (e *Engine) OwnContainer() string { return e.ownContainer }

// UseNC makes the engine use nc, as it does for a user who is not root beside the daemon.
func (e *Engine) UseNC() { e.ncOnly = true }

// UsesNC reports whether UseNC was called.
func (e *Engine) UsesNC() bool { return e.ncOnly }

// SetSilenceTimeout sets how long a node may send nothing to a caller who has closed their direction.
func (e *Engine) SetSilenceTimeout(d time.Duration) { e.silenceTimeout = d }
