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

// What tests of this package need to see of its inside.

// Pack is what files are sent to the daemon as.
func Pack(files []engine.File) (io.Reader, error) { return pack(files) }

// UpperHalf is what Docker hands out of a subnet.
func UpperHalf(p netip.Prefix) netip.Prefix { return upperHalf(p) }

// Labels and Facts are each other's opposite.
func Labels(lab, node string, more map[string]string) map[string]string {
	return labels(lab, node, more)
}

// Facts are the labels that Create was given.
func Facts(labels map[string]string) map[string]string { return facts(labels) }

// Request is what testcontainers is asked for.
func Request(n engine.Node) testcontainers.ContainerRequest { return request(n) }

// RefuseRemote refuses daemons on other machines.
func RefuseRemote(host string) error { return refuseRemote(host) }

// Unavailable says what mends it.
func Unavailable(err error) error { return unavailable(err) }

// Explain gives a daemon's error its meaning.
func Explain(err error) error { return explain(err) }

// ReachFrom is where a process in that container, or on the host for the empty one, reaches a port.
func ReachFrom(self string, address netip.Addr, port uint16, published []network.PortBinding) (netip.AddrPort, bool) {
	return (&Engine{self: self}).reach(address, port, published)
}

// On is an engine that talks to a given daemon, without testcontainers.
func On(c client.APIClient) *Engine { return &Engine{client: c} }

// Client is the engine's own connection.
func (e *Engine) Client() client.APIClient { return e.client }

// Self is the container that this process runs in.
func (e *Engine) Self() string { return e.self }

// ByCommand has the engine connect inside containers by a command, as one that is not root beside the daemon must.
func (e *Engine) ByCommand() { e.byCommand = true }

// HangUpAfter has the engine give up a caller who has ended their direction when the node has been silent for that long. In
// nobody's hands but a test's is it less than ten seconds.
func (e *Engine) HangUpAfter(silence time.Duration) { e.silentFor = silence }

// CommandsAlone says whether it does.
func (e *Engine) CommandsAlone() bool { return e.byCommand }
