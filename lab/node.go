package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	lab *Lab
	// planned is the node's plan, which is replaced as a whole by Revise.
	planned atomic.Pointer[plan.Node]

	mu    sync.Mutex
	state engine.State
	// certificate is the one that was issued for the node (PEM), for the evidence of a node that never presents it.
	certificate []byte
	// api is the client for the node's current address. Nil: it is to be made.
	api *api.Client
	log *logCopy
	// wasReady is true once the agent was seen healthy since its start: from then on it takes a reload, whatever becomes of it.
	wasReady atomic.Bool
}

// newNode returns the handle of a planned node of the lab.
func newNode(l *Lab, p plan.Node) *Node {
	n := &Node{lab: l}
	n.planned.Store(&p)
	return n
}

// plan returns the node's plan, which is not to be changed.
func (n *Node) plan() *plan.Node { return n.planned.Load() }

// Plan returns what the lab knows of the node now: its command, ports and files.
func (n *Node) Plan() plan.Node { return *n.plan() }

// Name returns the node's name, in the lab and in Nomad.
func (n *Node) Name() string { return n.plan().Name }

// Role returns server or client.
func (n *Node) Role() pki.Role { return n.plan().Role }

// NomadVersion returns the version of Nomad that the node's agent runs: the lab's, if the node has none of its own.
func (n *Node) NomadVersion() string { return cmp.Or(n.plan().Nomad.Version, n.lab.current().Version) }

// image returns what the node is made of: a container image, or the path of a nomad binary.
func (n *Node) image() string {
	return cmp.Or(n.plan().Nomad.Image, n.plan().Nomad.Binary, n.lab.current().Image)
}

// Extra reports whether the node is an extra one, which is created with the lab and not started.
func (n *Node) Extra() bool { return n.plan().ExtraNode }

// Region returns the Nomad region that the node belongs to.
func (n *Node) Region() string { return n.plan().Region }

// Address returns the node's address on the lab's network. In a lab that Compose brought up it is the one that the engine
// reports, and invalid for a node that was never seen.
func (n *Node) Address() netip.Addr { return cmp.Or(n.lastState().Address, n.plan().Address) }

// Published returns a second address of the node on the lab's network, to which the engine forwards what is sent to the
// published ports. It is invalid if the engine forwards that to Address.
func (n *Node) Published() netip.Addr { return n.lastState().Published }

// Identity returns the identity in the node's certificate.
func (n *Node) Identity() pki.Identity { return n.plan().Identity }

// ServerName returns the name for which callers verify the node's certificate.
func (n *Node) ServerName() string { return cmp.Or(n.plan().ServerName, n.plan().Identity.Name()) }

// LogLevel returns the agent's log level, in capitals. It is empty in a lab that Compose brought up.
func (n *Node) LogLevel() string { return strings.ToUpper(n.lab.current().Spec.LogLevel) }

// Port returns the port at which the agent listens instead of one of Nomad's defaults, spec.HTTPPort, RPCPort or SerfPort: a
// user configuration may name another.
func (n *Node) Port(usual uint16) uint16 {
	switch usual {
	case spec.HTTPPort:
		return n.plan().HTTPPort()
	case spec.RPCPort:
		return n.plan().RPCPort()
	case spec.SerfPort:
		return n.plan().SerfPort()
	default:
		return usual
	}
}

// HTTP returns where this process reaches the agent's HTTP port; invalid while the node is down.
func (n *Node) HTTP() netip.AddrPort { return n.endpoint(n.plan().HTTPPort()) }

// RPC returns where this process reaches a server's RPC port; invalid for a client and while the node is down.
func (n *Node) RPC() netip.AddrPort { return n.endpoint(n.plan().RPCPort()) }

// Advertised returns where other servers connect to a server, as Raft's configuration has it: its Address, and its RPC port
// or the plan's AdvertisedRPCPort. It is invalid if Address is.
func (n *Node) Advertised() netip.AddrPort {
	return netip.AddrPortFrom(n.Address(), cmp.Or(n.plan().AdvertisedRPCPort, n.plan().RPCPort()))
}

// Gossip returns where this process reaches a server's serf port, over TCP only; invalid for a client and while the node is
// down.
func (n *Node) Gossip() netip.AddrPort { return n.endpoint(n.plan().SerfPort()) }

// CallerAddress returns the address of this process in the agent's log when it connects to that port, such as HTTPPort. It is
// invalid if that is not known.
func (n *Node) CallerAddress(port uint16) netip.Addr { return n.lastState().CallerAt(port) }

// From returns the address that this process must connect from in order to have CallerAddress; invalid if it need not choose.
func (n *Node) From() netip.Addr { return n.lastState().From }

// Origin returns the address of the agent's own connections in the logs of other agents: its Address, unless the lab's nodes
// share this machine's network. It is invalid while the node is down.
func (n *Node) Origin() netip.Addr { return n.lastState().Origin }

func (n *Node) endpoint(port uint16) netip.AddrPort { return n.lastState().Endpoints[port] }

// lastState returns the state that the engine last reported.
func (n *Node) lastState() engine.State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

func (n *Node) ref() engine.Ref { return engine.Ref{Lab: n.lab.Name(), Node: n.plan().Name} }

// API returns the client of Nomad's HTTP API on this node, with the lab's cli certificate and management token. All callers
// share it. It is for the node's current address: call API again after Start.
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

// APIWith returns a new client with the lab's cli certificate and that ACL token. With the empty token the caller is
// anonymous.
func (n *Node) APIWith(token string) (*api.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newAPI(token)
}

// get sends GET path to the agent and decodes the answer into out.
func (n *Node) get(ctx context.Context, path string, out any) error {
	c, err := n.API()
	if err != nil {
		return err
	}
	if _, err := c.Raw().Query(path, out, query(ctx)); err != nil {
		return fmt.Errorf("ask %s for %s: %w", n.Name(), path, err)
	}
	return nil
}

// forgetAPI makes the next call of API return a new client.
func (n *Node) forgetAPI() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.api = nil
}

func (n *Node) newAPI(token string) (*api.Client, error) {
	at := n.state.Endpoints[n.plan().HTTPPort()]
	if !at.IsValid() {
		return nil, fmt.Errorf("%s has no HTTP address: it is not running", n.ref())
	}
	direct, cli := directClient(), n.lab.Credential()
	err := api.ConfigureTLS(direct, &api.TLSConfig{
		CACertPEM: cli.CAPEM, ClientCertPEM: cli.CertPEM, ClientKeyPEM: cli.KeyPEM,
		TLSServerName: n.ServerName(),
	})
	if err != nil {
		return nil, fmt.Errorf("TLS of the API client of %s: %w", n.ref(), err)
	}
	c, err := api.NewClient(&api.Config{
		Address: n.plan().HTTPScheme() + "://" + at.String(),
		Region:  n.plan().Region,
		// NewClient does not replace an empty one by the user's NOMAD_TOKEN, unlike NOMAD_ADDR.
		SecretID:   token,
		HttpClient: direct,
	})
	if err != nil {
		return nil, fmt.Errorf("API client of %s: %w", n.ref(), err)
	}
	return c, nil
}

// directClient returns an HTTP client like that of api.NewClient, but without the proxy of the environment: it does not reach
// a lab's network, and would see the token of a lab without TLS.
func directClient() *http.Client {
	const handshake, idle, each = 10 * time.Second, 90 * time.Second, 8
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: handshake, IdleConnTimeout: idle, MaxIdleConnsPerHost: each, ExpectContinueTimeout: time.Second,
	}}
}

// State asks the engine for the node's state.
func (n *Node) State(ctx context.Context) (engine.State, error) {
	states, err := n.lab.engine.Nodes(ctx, n.lab.Name())
	if err != nil {
		return engine.State{}, err
	}
	for _, s := range states {
		if s.Node == n.plan().Name {
			n.setState(s)
			return s, nil
		}
	}
	return engine.State{}, fmt.Errorf("%w: %s", engine.ErrNotFound, n.ref())
}

func (n *Node) setState(s engine.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if port := n.plan().HTTPPort(); n.state.Endpoints[port] != s.Endpoints[port] {
		n.api = nil
	}
	n.state = s
}

// Start starts the agent. It returns when the engine has started it, which is before the agent is ready. It returns an error
// if the agent has ended already.
func (n *Node) Start(ctx context.Context) error {
	n.wasReady.Store(false)
	s, err := n.lab.engine.Start(ctx, n.ref())
	if err != nil {
		return err
	}
	n.setState(s)
	if err := n.copyLog(); err != nil {
		return err
	}
	if !s.Running {
		return n.endedError(ctx, s)
	}
	return nil
}

// endedError returns an *EndedError with the last lines of the agent's log.
func (n *Node) endedError(ctx context.Context, s engine.State) error {
	lines, err := n.Log().since(ctx, 0)
	if err != nil {
		return fmt.Errorf("%s ended with exit code %d, and its log cannot be read: %w", n.ref(), s.ExitCode, err)
	}
	for i := range lines {
		lines[i] = n.plan().InUsersWords(lines[i])
	}
	return &EndedError{Node: n.Name(), ref: n.ref(), ExitCode: s.ExitCode, LastWords: lines[max(0, len(lines)-quotedLines):]}
}

// quotedLines is how many lines of its log an EndedError quotes.
const quotedLines = 5

// EndedError is returned for an agent that ended while its lab came up.
type EndedError struct {
	// Node is the agent's name.
	Node string
	// ExitCode is the agent's exit code; -1 if it is not known.
	ExitCode int
	// LastWords are the last lines of its log, in which the files of a user configuration have the user's names.
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

// bySignal is what shells and Docker add to the number of a signal to make an exit code.
const bySignal = 128

// Stop asks the agent to end, and kills it after a minute. An agent usually ends within a second.
func (n *Node) Stop(ctx context.Context) error {
	return n.ended(n.lab.engine.Stop(ctx, n.ref(), stopGrace))
}

// stopGrace is how long Stop waits before it kills the agent.
const stopGrace = time.Minute

// Kill ends the agent at once, as a power cut would.
func (n *Node) Kill(ctx context.Context) error {
	return n.ended(n.lab.engine.Kill(ctx, n.ref()))
}

// Pause suspends the agent: it keeps its connections and answers nothing, as on a machine that is swapping.
func (n *Node) Pause(ctx context.Context) error { return n.lab.engine.Pause(ctx, n.ref()) }

// Resume continues a paused agent.
func (n *Node) Resume(ctx context.Context) error { return n.lab.engine.Resume(ctx, n.ref()) }

// ended clears the node's addresses, unless err is an error.
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

// Logs returns what the agent has logged, from the first line of its first start. With follow it goes on until ctx ends. The
// caller closes it.
func (n *Node) Logs(ctx context.Context, follow bool) (io.ReadCloser, error) {
	return n.lab.engine.Logs(ctx, n.ref(), follow)
}

// user returns the engine's form of a numeric user and group; empty for 0.
func user(id int) string {
	if id == 0 {
		return ""
	}
	return strconv.Itoa(id) + ":" + strconv.Itoa(id)
}

// Certificate returns the certificate that the agent presents now at its HTTP port, which may differ from the one in its
// files.
func (n *Node) Certificate(ctx context.Context) (*x509.Certificate, error) {
	return n.served(ctx, "HTTP", n.HTTP())
}

// RPCCertificate returns the certificate that a server presents now at its RPC port. A client has no such port.
func (n *Node) RPCCertificate(ctx context.Context) (*x509.Certificate, error) {
	const rpcTLS = 0x04 // announces TLS (nomad/rpc.go, helper/pool/conn.go RpcTLS)
	return n.served(ctx, "RPC", n.RPC(), rpcTLS)
}

// served returns the certificate that a port presents after the bytes that announce TLS.
func (n *Node) served(ctx context.Context, port string, at netip.AddrPort, announce ...byte) (*x509.Certificate, error) {
	if !at.IsValid() {
		return nil, fmt.Errorf("%s has no %s address: it is not running", n.ref(), port)
	}
	config, err := n.lab.Credential().ClientTLS(n.ServerName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("look at the %s certificate of %s: %w", port, n.ref(), err)
	}
	defer func() { _ = plain.Close() }()
	if _, err := plain.Write(announce); err != nil {
		return nil, fmt.Errorf("look at the %s certificate of %s: %w", port, n.ref(), err)
	}
	shaken := tls.Client(plain, config)
	if err := shaken.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("look at the %s certificate of %s: %w", port, n.ref(), err)
	}
	return shaken.ConnectionState().PeerCertificates[0], nil
}
