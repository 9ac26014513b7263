# Configuration of one Nomad agent, written by nomadlab. Nomad merges all files that it is
# given, in order; the gossip key, if there is one, is in a file of its own.

name     = "server-1"
data_dir = "/nomad/data"

# Where the agent listens, and the address that it tells others to reach it on. Nomad does
# not guess an address when it listens on loopback, and may guess a wrong one elsewhere.
bind_addr = "0.0.0.0"

advertise {
  http = "172.30.0.11"
  rpc  = "172.30.0.11"
  serf = "172.30.0.11"
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

# No tls block: HTTP, RPC and Raft are plaintext, and any caller that reaches a port is accepted.

server {
  enabled = true

  # The first election waits until this many servers have found each other.
  bootstrap_expect = 1

  # The timing for production: an election starts 1 to 2 seconds after the leader is lost.
  raft_multiplier = 1

  # One scheduler a server. The default is one per core, for each of the servers that share
  # this machine.
  num_schedulers = 1
}
