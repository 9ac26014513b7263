package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Node is a live handle on one agent of a lab.
type Node struct {
	lab  *Lab
	plan plan.Node

	mu    sync.Mutex
	state engine.State
	// certificate is what the node was given (PEM), for the evidence of one that never shows it.
	certificate []byte
	// api belongs to the current start of the node, for its address does.
	api *api.Client
	log *logCopy
}

// Name is the node's name, in the lab and in Nomad.
func (n *Node) Name() string { return n.plan.Name }

// Role is server or client.
func (n *Node) Role() pki.Role { return n.plan.Role }

// Extra reports whether the node is an extra one: it is created with the lab and stays outside until it is started.
func (n *Node) Extra() bool { return n.plan.ExtraNode }

// Region is the Nomad region that the node belongs to.
func (n *Node) Region() string { return n.plan.Region }

// Address is the node's address on the lab's network, which in a lab that Compose brought up is what the engine
// says. Invalid in such a lab for a node that was never seen.
func (n *Node) Address() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state.Address.IsValid() {
		return n.state.Address
	}
	return n.plan.Address
}

// Published is a second address of the node on the lab's network, to which the engine passes what is sent to its published ports.
// Invalid: it passes that to the node's Address.
func (n *Node) Published() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Published
}

// Identity is who the node's certificate speaks for.
func (n *Node) Identity() pki.Identity { return n.plan.Identity }

// ServerName is what the node's certificate is verified for by those who connect to it.
func (n *Node) ServerName() string { return cmp.Or(n.plan.ServerName, n.plan.Identity.Name()) }

// LogLevel is the level at which the agent logs, in capitals. Empty where it is not known, as in a lab that Compose brought up.
func (n *Node) LogLevel() string { return strings.ToUpper(n.lab.record.Spec.LogLevel) }

// Port returns the port at which the agent itself listens for what Nomad serves at that one by default: HTTPPort, RPCPort or
// SerfPort. A user's configuration may name another.
func (n *Node) Port(usual uint16) uint16 {
	switch usual {
	case spec.HTTPPort:
		return n.plan.HTTPPort()
	case spec.RPCPort:
		return n.plan.RPCPort()
	case spec.SerfPort:
		return n.plan.SerfPort()
	default:
		return usual
	}
}

// HTTP is where this process reaches the agent's HTTP port. Invalid while the node is down.
func (n *Node) HTTP() netip.AddrPort { return n.endpoint(n.plan.HTTPPort()) }

// RPC is where this process reaches a server's RPC port. Invalid for a client and while the node is down.
func (n *Node) RPC() netip.AddrPort { return n.endpoint(n.plan.RPCPort()) }

// Advertised is where other servers connect to a server, as Raft's configuration has it: its RPC port at its Address, unless
// its Extra node.AdvertisedRPCPort says otherwise. Invalid where Address is.
func (n *Node) Advertised() netip.AddrPort {
	return netip.AddrPortFrom(n.Address(), cmp.Or(n.plan.AdvertisedRPCPort, n.plan.RPCPort()))
}

// Gossip is where this process reaches a server's serf port, by TCP alone. Invalid for a client and while the node is down.
func (n *Node) Gossip() netip.AddrPort { return n.endpoint(n.plan.SerfPort()) }

// Caller is how this process looks to the agent when it connects to where it reaches that port of it, such as HTTPPort, as
// the agent's log has it. Invalid where that is not known.
func (n *Node) Caller(port uint16) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.CallerAt(port)
}

// From is the address that this process must connect from to look like Caller. Invalid where it need not choose.
func (n *Node) From() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.From
}

// Origin is where the agent's own connections come from, as the logs of others have it: its address, unless the lab's
// nodes share this machine's network. Invalid while the node is down.
func (n *Node) Origin() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Origin
}

func (n *Node) endpoint(port uint16) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Endpoints[port]
}

func (n *Node) ref() engine.Ref { return engine.Ref{Lab: n.lab.Name(), Node: n.plan.Name} }

// API returns the client of Nomad's HTTP API on this node, with the lab's cli certificate and its management token. All
// callers share it. Its address is that of the node's current start: ask again after Start.
func (n *Node) API() (*api.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.api != nil {
		return n.api, nil
	}
	c, err := n.newAPI(n.lab.ManagementToken())
	n.api = c
	return c, err
}

// APIWith returns a client of its own, with the lab's cli certificate and that ACL token. The empty token is nobody's: Nomad
// takes the caller for anonymous.
func (n *Node) APIWith(token string) (*api.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newAPI(token)
}

// forgetAPI has the next caller of API get a new one.
func (n *Node) forgetAPI() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.api = nil
}

func (n *Node) newAPI(token string) (*api.Client, error) {
	at := n.state.Endpoints[n.plan.HTTPPort()]
	if !at.IsValid() {
		return nil, fmt.Errorf("%s has no HTTP address: it is not running", n.ref())
	}
	direct := directClient()
	err := api.ConfigureTLS(direct, &api.TLSConfig{
		CACertPEM: n.lab.cli.CAPEM, ClientCertPEM: n.lab.cli.CertPEM, ClientKeyPEM: n.lab.cli.KeyPEM,
		TLSServerName: n.ServerName(),
	})
	if err != nil {
		return nil, fmt.Errorf("TLS of the API client of %s: %w", n.ref(), err)
	}
	c, err := api.NewClient(&api.Config{
		Address: n.plan.HTTPScheme() + "://" + at.String(),
		Region:  n.plan.Region,
		// Where it is empty, NewClient does not take the user's own NOMAD_TOKEN, as it would take NOMAD_ADDR.
		SecretID:   token,
		HttpClient: direct,
	})
	if err != nil {
		return nil, fmt.Errorf("API client of %s: %w", n.ref(), err)
	}
	return c, nil
}

// directClient calls nodes directly. A proxy that the environment names, as http.DefaultTransport would use it, does not reach
// a lab's network, and would be handed the token of a lab without TLS. In all else it is what api.NewClient makes.
func directClient() *http.Client {
	const handshake, idle, each = 10 * time.Second, 90 * time.Second, 8
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: handshake, IdleConnTimeout: idle, MaxIdleConnsPerHost: each, ExpectContinueTimeout: time.Second,
	}}
}

// State asks the engine what the node does now.
func (n *Node) State(ctx context.Context) (engine.State, error) {
	states, err := n.lab.engine.Nodes(ctx, n.lab.Name())
	if err != nil {
		return engine.State{}, err
	}
	for _, s := range states {
		if s.Node == n.plan.Name {
			n.setState(s)
			return s, nil
		}
	}
	return engine.State{}, fmt.Errorf("%w: %s", engine.ErrNotFound, n.ref())
}

// paused reports whether the node was stopped where it stands when it was last looked at.
func (n *Node) paused() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Paused
}

// lastSeen is the node's state when it was last looked at, which counts as running where it was reached.
func (n *Node) lastSeen() engine.State {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.state
	s.Running = s.Running || len(s.Endpoints) > 0
	return s
}

func (n *Node) setState(s engine.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if port := n.plan.HTTPPort(); n.state.Endpoints[port] != s.Endpoints[port] {
		n.api = nil
	}
	n.state = s
}

// Start starts the agent. It returns when the engine has started it, which is before the agent is ready, and an error
// when the agent has ended already.
func (n *Node) Start(ctx context.Context) error {
	s, err := n.lab.engine.Start(ctx, n.ref())
	if err != nil {
		return err
	}
	n.setState(s)
	if err := n.copyLog(); err != nil {
		return err
	}
	if !s.Running {
		return n.died(ctx, s)
	}
	return nil
}

// died says how the agent ended, with its last words.
func (n *Node) died(ctx context.Context, s engine.State) error {
	lines, err := n.Log().since(ctx, 0)
	if err != nil {
		return fmt.Errorf("%s ended with exit code %d, and its log cannot be read: %w", n.ref(), s.ExitCode, err)
	}
	for i := range lines {
		lines[i] = n.plan.InUsersWords(lines[i])
	}
	return &EndedError{Node: n.Name(), ref: n.ref(), ExitCode: s.ExitCode, LastWords: lines[max(0, len(lines)-lastWords):]}
}

// lastWords is how many lines of its log an agent that has ended is quoted with.
const lastWords = 5

// EndedError is an agent's end while its lab came up.
type EndedError struct {
	// Node is its name.
	Node string
	// ExitCode is the agent's; -1 where it is not known.
	ExitCode int
	// LastWords are the last lines of its log. Files of a user's configuration have the names there that the user gave.
	LastWords []string

	ref engine.Ref
}

func (e *EndedError) Error() string {
	said := fmt.Sprintf("%s ended with exit code %d", e.ref, e.ExitCode)
	if s := unix.SignalName(unix.Signal(e.ExitCode - bySignal)); e.ExitCode > bySignal && s != "" {
		said = fmt.Sprintf("%s was ended by %s before it was ready (exit code %d)", e.ref, s, e.ExitCode)
		if s == unix.SignalName(unix.SIGHUP) {
			said += ": an agent takes a reload only once it is up"
		}
	}
	if len(e.LastWords) == 0 {
		return said + ", and its log says nothing"
	}
	return said + ", its log says at the end:\n" + strings.Join(e.LastWords, "\n")
}

// bySignal is what a shell and Docker add to the number of the signal that has ended a program.
const bySignal = 128

// Stop asks the agent to end, and kills it after a minute: a sound one takes a second, and on a busy machine some more.
func (n *Node) Stop(ctx context.Context) error {
	return n.ended(n.lab.engine.Stop(ctx, n.ref(), stopGrace))
}

// stopGrace is how long an agent that was asked to end may take.
const stopGrace = time.Minute

// Kill ends the agent at once, as a power cut would.
func (n *Node) Kill(ctx context.Context) error {
	return n.ended(n.lab.engine.Kill(ctx, n.ref()))
}

// Pause stops the agent where it stands, as a machine does that is swapping: it keeps its connections, and answers nothing.
func (n *Node) Pause(ctx context.Context) error { return n.lab.engine.Pause(ctx, n.ref()) }

// Resume lets a paused agent go on.
func (n *Node) Resume(ctx context.Context) error { return n.lab.engine.Resume(ctx, n.ref()) }

// ended forgets where the agent was reached, unless it could not be ended.
func (n *Node) ended(err error) error {
	if err == nil {
		n.setState(engine.State{Ref: n.ref()})
	}
	return err
}

// Exec runs a command inside the node and returns its exit code.
func (n *Node) Exec(ctx context.Context, c engine.Command) (int, error) {
	return n.lab.engine.Exec(ctx, n.ref(), c)
}

// Logs returns what the agent has written, from the first line of its first start.
func (n *Node) Logs(ctx context.Context, follow bool) (io.ReadCloser, error) {
	return n.lab.engine.Logs(ctx, n.ref(), follow)
}

// user is how an engine is told of a numeric user and group.
func user(id int) string {
	if id == 0 {
		return ""
	}
	return strconv.Itoa(id) + ":" + strconv.Itoa(id)
}

// Certificate is what the agent shows now to those who connect to its HTTP port. It is the certificate that is in
// force, whatever the files say.
func (n *Node) Certificate(ctx context.Context) (*x509.Certificate, error) {
	at := n.HTTP()
	if !at.IsValid() {
		return nil, fmt.Errorf("%s has no HTTP address: it is not running", n.ref())
	}
	config, err := n.lab.cli.ClientTLS(n.ServerName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("look at the certificate of %s: %w", n.ref(), err)
	}
	defer func() { _ = conn.Close() }()
	shaken, ok := conn.(*tls.Conn)
	if !ok || len(shaken.ConnectionState().PeerCertificates) == 0 {
		return nil, errors.New("the handshake showed no certificate")
	}
	return shaken.ConnectionState().PeerCertificates[0], nil
}
