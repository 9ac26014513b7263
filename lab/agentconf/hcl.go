package agentconf

import (
	"fmt"
	"path"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// HCL returns the agent's configuration file, the same bytes for the same Agent.
// The gossip key is not in it: see Gossip.
//
// The error names every field at fault and what to put there instead.
func (a Agent) HCL() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("configuration of agent %q: %w", a.Name, err)
	}

	file := hclwrite.NewEmptyFile()
	root := section{file.Body()}
	root.comment("Configuration of one Nomad agent, written by nomadlab. Nomad merges all files that it is\n" +
		"given, in order; the gossip key, if there is one, is in a file of its own.")
	a.writeIdentity(root)
	a.writeAddresses(root)
	a.writeManners(root)
	a.writeTLS(root)
	a.writeACL(root)
	if a.Server != nil {
		a.Server.write(root)
	}
	if a.Client != nil {
		a.writeClient(root)
	}
	return file.Bytes(), nil
}

func (a Agent) writeIdentity(root section) {
	root.gap()
	root.text("name", a.Name)
	if a.Region != "" {
		root.text("region", a.Region)
	}
	if a.Datacenter != "" {
		root.text("datacenter", a.Datacenter)
	}
	root.text("data_dir", a.DataDir)

	a.writeLogLevel(root)
}

// writeLogLevel leaves the choice to whoever uses this package. What it means for the reason of a refusal: RPC reports a
// failed handshake as WARN (nomad/rpc.go:369), but the HTTP API passes its own on only if the agent's logger is at TRACE
// (command/agent/http_stdlog.go:26-36); streaming the log at another level does not help, the message is never made.
// TRACE costs little: an idle cluster of three servers and a client wrote 29 KB in its first half minute (verified
// against Nomad 1.11.3).
func (a Agent) writeLogLevel(root section) {
	if a.LogLevel == "" {
		return
	}
	root.gap()
	if a.logLevel() == "TRACE" {
		root.comment("TRACE, because only there does the HTTP API say why it refused a TLS handshake.\n" +
			"RPC says so at WARN.")
	}
	root.text("log_level", a.logLevel())
}

func (a Agent) writeAddresses(root section) {
	root.gap()
	root.comment("Where the agent listens, and the address that it tells others to reach it on. Nomad does\n" +
		"not guess an address when it listens on loopback, and may guess a wrong one elsewhere.")
	root.text("bind_addr", a.bindAddr())
	root.gap()
	advertise := root.block("advertise")
	advertise.text("http", a.Advertise)
	advertise.text("rpc", a.Advertise)
	if a.Server != nil {
		advertise.text("serf", a.Advertise)
	}
}

// writeManners writes what keeps an agent from calling anybody, and from leaving
// the cluster when it is merely stopped.
//
// The update check is on by default (command/agent/command.go:685-701), and so
// are all three calls to Consul (nomad/structs/config/consul.go:202-205, used in
// command/agent/agent.go:1164 and :1354, nomad/server.go:1135, client/client.go:600).
// There is no telemetry block: Nomad then pushes metrics nowhere.
//
// A signal ends the agent without leaving (command/agent/command.go:1119-1131).
// With leave_on_* a server would first remove itself from Raft
// (nomad/server.go:806-841), and starting it again would be a join.
func (a Agent) writeManners(root section) {
	root.gap()
	root.comment("The agent would ask HashiCorp once a day whether there is a newer Nomad. A lab calls nobody.")
	root.flag("disable_update_check", true)

	root.gap()
	root.comment("A stopped agent must look like a failed one, and be the same member when it comes back.\n" +
		"With true, a server that is asked to stop would resign from Raft first, which shrinks the\n" +
		"quorum.")
	root.flag("leave_on_interrupt", false)
	root.flag("leave_on_terminate", false)

	root.gap()
	root.comment("Nomad looks for a Consul agent on 127.0.0.1:8500 unless it is told not to. There is none,\n" +
		"or worse: there is one that does not belong to the lab.")
	consul := root.block("consul")
	consul.flag("auto_advertise", false)
	consul.flag("server_auto_join", false)
	consul.flag("client_auto_join", false)
}

func (a Agent) writeTLS(root section) {
	root.gap()
	if a.TLS == nil {
		root.comment("No tls block: HTTP, RPC and Raft are plaintext, and whoever reaches a port is let in.")
		return
	}
	tls := root.block("tls")
	tls.text("ca_file", a.TLS.CAFile)
	tls.text("cert_file", a.TLS.CertFile)
	tls.text("key_file", a.TLS.KeyFile)
	tls.gap()
	tls.comment("Which of the two ports speak TLS: the HTTP API, and RPC, which carries Raft as well.")
	tls.flag("http", true)
	tls.flag("rpc", true)
	a.TLS.writeMinVersion(tls)
	tls.gap()
	tls.comment("true: a peer on RPC counts as a server only if its certificate is for\n" +
		"server.<region>.nomad. With false, any certificate of the CA could act as a server.")
	tls.flag("verify_server_hostname", true)
	tls.gap()
	tls.comment("true: callers of the HTTP API need a certificate of the CA, of whatever role.")
	tls.flag("verify_https_client", true)
}

// write writes the server's part.
//
// raft_multiplier scales election and heartbeat time-outs (command/agent/agent.go:270-273).
// Nomad's default is 1 already (command/agent/agent.go:58-60), unlike Consul's; it
// is written down because it decides how long a failover takes.
// num_schedulers defaults to the number of cores (nomad/config.go:684), and a
// number above it stops the agent (command/agent/agent.go:679), so 1 is the only
// number that suits every machine.
// Heartbeats, limits and autopilot stay as Nomad has them: a lab that finds a dead
// client sooner than a production cluster would teach the wrong thing.
func (s Server) write(root section) {
	root.gap()
	server := root.block("server")
	server.flag("enabled", true)
	if s.BootstrapExpect > 0 {
		server.gap()
		server.comment("The first election waits until this many servers have found each other.")
		server.number("bootstrap_expect", s.BootstrapExpect)
	} else {
		server.gap()
		server.comment("No bootstrap_expect: this server joins a cluster, and never starts one of its own.")
	}

	server.gap()
	server.comment("The timing for production: an election starts 1 to 2 seconds after the leader is lost.")
	server.number("raft_multiplier", 1)

	server.gap()
	server.comment("One scheduler a server. The default is one per core, for each of the servers that share\n" +
		"this machine.")
	server.number("num_schedulers", 1)

	s.writeClientIntroduction(server)
	if len(s.Join) == 0 {
		return
	}
	server.gap()
	server.comment("Servers find each other through serf. The default between two tries is 30s, which a lab\n" +
		"would pay whenever the first try comes before the others are up.")
	join := server.block("server_join")
	join.list("retry_join", s.Join)
	join.text("retry_interval", "1s")
}

// mountsDir is where Nomad keeps tasks' mounts. Its default is a sibling of the
// data directory (command/agent/agent.go:863-864), where an ordinary user may
// not create one; without it the client does not start (client/client.go:735-738).
func (a Agent) mountsDir() string { return path.Join(a.DataDir, "alloc_mounts") }
