#!/usr/bin/env bash
# Three Nomad servers and two clients as plain processes on loopback addresses, with mutual TLS and encrypted gossip:
# what is left when there is no tool at all, and so the floor for every tool.
#
#   NOMAD=/path/to/nomad bench/floor.sh     Enter starts the cluster, Ctrl-D removes it
#
# NOMAD      the nomad binary
# FOLDER     where everything is put, and what is removed at the end (default: a new temporary folder)
# LOOPBACK   the first three parts of the agents' addresses (default: 127.0.0)
# CLIENTS    how many clients (default: 2)
#
# It says on standard output, a line each: "prepared FOLDER" when the certificates and the configuration are written,
# "server ADDRESS" and "client ADDRESS" when an agent has been started, "up" when all have. Whoever measures starts the
# clock with the line that it then writes to standard input: the certificates are not in the time. When standard input
# ends, everything is removed.
set -u

NOMAD=${NOMAD:?set it to the path of a nomad binary}
FOLDER=${FOLDER:-$(mktemp -d)}
LOOPBACK=${LOOPBACK:-127.0.0}
CLIENTS=${CLIENTS:-2}
SERVERS="\"$LOOPBACK.11:PORT\", \"$LOOPBACK.12:PORT\", \"$LOOPBACK.13:PORT\""
agents=()

remove() {
  if ((${#agents[@]})); then
    kill -KILL "${agents[@]}" 2>/dev/null
    wait "${agents[@]}" 2>/dev/null
  fi
  cd / && rm -rf "$FOLDER"
}
trap remove EXIT
trap 'exit 130' INT TERM HUP

# certificates ROLE...: an authority, and a certificate for each role, by Nomad's own command.
certificates() {
  "$NOMAD" tls ca create || exit 1
  local role
  for role in "$@"; do
    "$NOMAD" tls cert create "-$role" || exit 1
  done
}

# common NAME ADDRESS ROLE: the part of the configuration that servers and clients share.
common() {
  cat <<HCL
name                 = "$1"
data_dir             = "$FOLDER/data-$1"
bind_addr            = "$2"
disable_update_check = true
advertise {
  http = "$2"
  rpc  = "$2"
  serf = "$2"
}
tls {
  http                   = true
  rpc                    = true
  ca_file                = "$FOLDER/nomad-agent-ca.pem"
  cert_file              = "$FOLDER/global-$3-nomad.pem"
  key_file               = "$FOLDER/global-$3-nomad-key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}
HCL
}

server() {
  common "$1" "$2" server
  cat <<HCL
server {
  enabled          = true
  bootstrap_expect = 3
  encrypt          = "$gossip"
  raft_multiplier  = 1
  server_join {
    retry_join     = [${SERVERS//PORT/4648}]
    retry_interval = "1s"
  }
}
HCL
}

client() {
  common "$1" "$2" client
  cat <<HCL
client {
  enabled = true
  servers = [${SERVERS//PORT/4647}]
  options {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
HCL
}

# start KIND NAME ADDRESS: starts an agent and says so.
start() {
  "$NOMAD" agent -config "$2.hcl" >"$2.log" 2>&1 </dev/null &
  agents+=($!)
  echo "$1 $3:4646"
}

leader() {
  curl --silent --max-time 2 --cacert nomad-agent-ca.pem --cert global-cli-nomad.pem --key global-cli-nomad-key.pem \
    --resolve "server.global.nomad:4646:$LOOPBACK.11" "https://server.global.nomad:4646/v1/status/leader?stale"
}

mkdir -p "$FOLDER" && cd "$FOLDER" || exit 1
certificates server client cli >certificates.log 2>&1
gossip=$("$NOMAD" operator gossip keyring generate) || exit 1
for i in 1 2 3; do server "s$i" "$LOOPBACK.1$i" >"s$i.hcl"; done
for ((i = 1; i <= CLIENTS; i++)); do client "c$i" "$LOOPBACK.$((20 + i))" >"c$i.hcl"; done

echo "prepared $FOLDER"
read -r || exit 0

for i in 1 2 3; do start server "s$i" "$LOOPBACK.1$i"; done
# A client that starts before there is a leader tries again only after 15 to 30 s. `read` is the pause between two
# looks, and notices when standard input ends meanwhile: it returns more than 128 when its time is up.
until [[ $(leader) == *:4647* ]]; do
  read -r -t 0.02
  (($? > 128)) || exit 0
done
for ((i = 1; i <= CLIENTS; i++)); do start client "c$i" "$LOOPBACK.$((20 + i))"; done
echo up

while read -r; do :; done
