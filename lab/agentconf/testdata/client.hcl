# Configuration of one Nomad agent, written by nomadlab. Nomad merges all files that it is
# given, in order; the gossip key, if there is one, is in a file of its own.

name       = "client-1"
region     = "global"
datacenter = "dc1"
data_dir   = "/nomad/data"

# TRACE, because only there does the HTTP API say why it refused a TLS handshake.
# RPC says so at WARN.
log_level = "TRACE"

# Where the agent listens, and the address that it tells others to reach it on. Nomad does
# not guess an address when it listens on loopback, and may guess a wrong one elsewhere.
bind_addr = "0.0.0.0"

advertise {
  http = "172.30.0.21"
  rpc  = "172.30.0.21"
}

# The agent would ask HashiCorp once a day whether there is a newer Nomad. A lab makes no such
# calls.
disable_update_check = true

# A stopped agent must look like a failed one, and be the same member when it comes back.
# With true, a server that is asked to stop would resign from Raft first, which shrinks the
# quorum.
leave_on_interrupt = false
leave_on_terminate = false

# Nomad looks for a Consul agent on 127.0.0.1:8500 unless it is told not to. There is none,
# or worse: there is one that does not belong to the lab.
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}

tls {
  ca_file   = "/nomad/tls/ca.pem"
  cert_file = "/nomad/tls/cert.pem"
  key_file  = "/nomad/tls/key.pem"

  # Which of the two ports speak TLS: the HTTP API, and RPC, which carries Raft as well.
  http = true
  rpc  = true

  # true: a peer on RPC counts as a server only if its certificate is for
  # server.<region>.nomad. With false, any certificate of the CA could act as a server.
  verify_server_hostname = true

  # true: callers of the HTTP API need a certificate of the CA, of whatever role.
  verify_https_client = true
}

client {
  enabled   = true
  node_pool = "blue"
  servers   = ["172.30.0.11:4647", "172.30.0.12:4647", "172.30.0.13:4647"]

  # The default lies beside data_dir, where an agent that is not root may not create it.
  alloc_mounts_dir = "/nomad/data/alloc_mounts"

  # Fingerprinters that are left out:
  #   env_*                      call the metadata addresses of clouds
  #   consul                     calls 127.0.0.1:8500 every 15 seconds
  #   bridge, cni, plugins_cni   find what only root could use
  # Drivers that are enabled: raw_exec (if it is on), and mock_driver, which runs nothing. The
  # docker driver would find this machine's Docker and remove containers of other Nomad agents.
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,bridge,cni,plugins_cni"
    "driver.allowlist"     = "raw_exec,mock_driver"
  }
}

# raw_exec runs a task's command as the agent's own user, without isolation. A caller who may
# submit a job may run anything that this user may.
plugin "raw_exec" {
  config {
    enabled = true
  }
}
