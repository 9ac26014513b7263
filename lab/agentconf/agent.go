package agentconf

// Agent is the configuration of one Nomad agent. At least one of Server and
// Client must be set; Nomad allows both in one agent, but a lab gains nothing
// from it, since each role has a certificate of its own.
type Agent struct {
	// Name is the agent's name: a server's is known to its peers as Name.Region,
	// a client's is the name of its node. Required, because Nomad would otherwise
	// take the host's name, which raw processes on one machine share.
	Name string

	// Region that the agent belongs to. It is part of the TLS name which
	// verify_server_hostname demands (server.<region>.nomad). Zero: left out, and
	// Nomad takes "global" (command/agent/config.go:1713).
	Region string

	// Datacenter that the agent belongs to. Zero: left out, and Nomad takes "dc1"
	// (command/agent/config.go:1714).
	Datacenter string

	// NodePool that a client registers in. Zero: left out, and Nomad takes
	// "default" (command/agent/config.go:1739). Only clients may have one.
	NodePool string

	// DataDir is the absolute path of the agent's state. The agent's user must
	// own it; for a client that runs tasks, the file system must allow exec.
	// Required.
	DataDir string

	// BindAddr is the IP address that HTTP, RPC and serf listen on. Zero:
	// "0.0.0.0", every interface. That is refused together with a loopback
	// Advertise, which would open a lab on one machine to its whole network.
	BindAddr string

	// Advertise is the IP address that peers and the HTTP API's users reach this
	// agent on, or a go-sockaddr template that gives it where the agent runs, such
	// as {{ GetInterfaceIP "eth0" }} (command/agent/config.go:2398). Required: Nomad
	// refuses to guess it when it binds loopback (command/agent/config.go:2437), and
	// with several networks it may guess wrong.
	Advertise string

	// LogLevel is one of TRACE, DEBUG, INFO, WARN, ERROR and OFF, in any case
	// (command/agent/log_levels.go:12). Zero: left out, and Nomad takes INFO
	// (command/agent/config.go:1712), at which the HTTP API does not say why it
	// refused a TLS handshake: only TRACE does.
	LogLevel string

	// TLS of HTTP and RPC. Nil: both are plaintext.
	TLS *TLS

	// ACL turns the ACL system on: an agent then answers next to nothing without a
	// token. It counts on servers and clients alike, as each agent answers for
	// itself: a client without it serves logs to every caller (nomad#11676). False: left
	// out, and Nomad has it off (command/agent/config.go:1793).
	ACL bool

	// Server makes the agent a server. Nil: it is no server.
	Server *Server

	// Client makes the agent a client. Nil: it is no client.
	Client *Client
}

// TLS names the agent's credential, by absolute paths as the agent sees them.
// Mutual TLS is on for HTTP and RPC, and each side verifies the other. Use Edit to
// switch off a part of it.
//
// Nomad ORs these booleans when it merges files, so a switch that is on here
// cannot be turned off by a file that comes later.
type TLS struct {
	// CAFile holds the certificates (PEM, one or more) that peers must chain to.
	CAFile string
	// CertFile holds the agent's certificate (PEM).
	CertFile string
	// KeyFile holds the private key of CertFile (PEM).
	KeyFile string

	// Relative says that the paths are relative to the agent's working folder. Zero: they must be absolute.
	Relative bool

	// MinVersion is the oldest version that HTTP and RPC speak: tls10, tls11, tls12
	// or tls13 (helper/tlsutil/config.go:21-26). Zero: left out, and Nomad takes
	// tls12 (helper/tlsutil/config.go:454).
	MinVersion string
}

// Server is the server's part of an agent.
//
// A server that is stopped or killed stays a Raft peer, and is a voter at once
// when it comes back soon. Autopilot is as Nomad has it: it removes a server that
// has been gone for 40 to 50 seconds, which then comes back under its old ID as a
// non-voter (both verified against Nomad 1.11.3) until autopilot promotes it.
type Server struct {
	// BootstrapExpect is the number of servers that the first election waits for.
	// Zero: left out; the server never bootstraps by itself, it is an extra node and
	// needs Join.
	BootstrapExpect int

	// Join lists serf addresses (host:port, Nomad's port is 4648) of servers to
	// join, tried every second without end. The server's own may be among them.
	// Empty: it waits to be joined, which only makes sense with BootstrapExpect.
	Join []string

	// ClientIntroduction says what becomes of a client that registers for the first
	// time without an introduction token: none lets it in, warn lets it in and logs
	// it, strict refuses it. Zero: left out, and Nomad takes warn
	// (nomad/structs/node.go:863-865).
	ClientIntroduction string
}

// Client is the client's part of an agent.
type Client struct {
	// Servers lists RPC addresses (host:port, Nomad's port is 4647) of servers to
	// register with. Required unless the agent is a server itself.
	Servers []string

	// RawExec enables the raw_exec driver: a caller who may submit jobs can then run
	// any command as the agent's user. False: written as off, which is also Nomad's
	// default (drivers/rawexec/driver.go:84-87).
	RawExec bool
}
