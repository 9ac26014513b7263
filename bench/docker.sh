#!/usr/bin/env bash
# Three Nomad servers and two clients in containers, with mutual TLS and encrypted gossip, by plain `docker run`: what a
# user would write by hand who knows Nomad and Docker well.
#
#   NOMAD=/path/to/nomad IMAGE=image bench/docker.sh     Enter starts the cluster, Ctrl-D removes it
#
# NOMAD      a nomad binary, for the certificates
# IMAGE      a container image whose entry point is nomad
# FOLDER     where certificates and configuration are put, and what is removed at the end (default: a temporary folder)
# SUBNETS    the first three parts of the networks to try, until Docker takes one (default: 10.231.77 to 10.231.99, where
#            Docker puts no network by itself, then 172.31.77 to 172.31.99)
# CLIENTS    how many clients (default: 2)
# NAME       what the names of the network and the containers begin with (default: one of its own)
#
# What it says and what it waits for is as in floor.sh. Here, too, the certificates are made before the clock starts. The
# network is made after.
set -u

NOMAD=${NOMAD:?set it to the path of a nomad binary}
IMAGE=${IMAGE:?set it to a container image of Nomad}
FOLDER=${FOLDER:-$(mktemp -d)}
SUBNETS=${SUBNETS:-$(echo {10.231,172.31}.{77..99})}
CLIENTS=${CLIENTS:-2}
NAME=${NAME:-bench-by-hand-$$}
containers=()

remove() {
  wait # for a `docker run` that is under way: what it is still to create could not be removed
  if ((${#containers[@]})); then
    docker rm --force --volumes "${containers[@]}" >/dev/null 2>&1
  fi
  docker network rm "$NAME" >/dev/null 2>&1
  cd / && rm -rf "$FOLDER"
}
trap remove EXIT
trap 'exit 130' INT TERM HUP

# certificates ROLE...: an authority, and a certificate for each role, by Nomad's own command. The agents of the clients
# are not root, and must be able to read theirs: on this machine others can, too, while it runs. The authority's key is
# not needed any more, and goes.
certificates() {
  "$NOMAD" tls ca create || exit 1
  local role
  for role in "$@"; do
    "$NOMAD" tls cert create "-$role" || exit 1
  done
  rm nomad-agent-ca-key.pem
  chmod a+r ./*.pem
  chmod a+rx .
}

# common NAME ADDRESS ROLE: the part of the configuration that servers and clients share.
common() {
  cat <<HCL
name                 = "$1"
data_dir             = "/nomad/data"
bind_addr            = "0.0.0.0"
disable_update_check = true
advertise {
  http = "$2"
  rpc  = "$2"
  serf = "$2"
}
tls {
  http                   = true
  rpc                    = true
  ca_file                = "/tls/nomad-agent-ca.pem"
  cert_file              = "/tls/global-$3-nomad.pem"
  key_file               = "/tls/global-$3-nomad-key.pem"
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
    retry_join     = ["$subnet.11:4648", "$subnet.12:4648", "$subnet.13:4648"]
    retry_interval = "1s"
  }
}
HCL
}

client() {
  common "$1" "$2" client
  cat <<HCL
client {
  enabled          = true
  alloc_mounts_dir = "/nomad/data/alloc_mounts"
  servers          = ["$subnet.11:4647", "$subnet.12:4647", "$subnet.13:4647"]
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

# configure SUBNET: writes every agent's configuration for a network.
configure() {
  subnet=$1
  for i in 1 2 3; do server "s$i" "$subnet.1$i" >"s$i.hcl"; done
  for ((i = 1; i <= CLIENTS; i++)); do client "c$i" "$subnet.$((20 + i))" >"c$i.hcl"; done
}

# network: makes the network in the first subnet that Docker does not use already.
network() {
  local candidate
  for candidate in $SUBNETS; do
    [ "$candidate" = "$subnet" ] || configure "$candidate"
    if docker network create --subnet "$candidate.0/24" "$NAME" >/dev/null 2>network.log; then
      return
    fi
  done
  echo "docker.sh: Docker takes none of the subnets $SUBNETS: set SUBNETS to others" >&2
  cat network.log >&2
  exit 1
}

# start KIND NAME ADDRESS OPTION...: starts an agent and says so. The variable spares the official image's pause of 2 s.
start() {
  local kind=$1 name=$2 address=$3
  shift 3
  docker run --detach --name "$NAME-$name" --network "$NAME" --ip "$address" --volume "$FOLDER:/tls:ro" \
    --env NOMAD_SKIP_DOCKER_IMAGE_WARN=1 "$@" "$IMAGE" agent -config "/tls/$name.hcl" >/dev/null &&
    echo "$kind $address:4646"
}

leader() {
  curl --silent --max-time 2 --cacert nomad-agent-ca.pem --cert global-cli-nomad.pem --key global-cli-nomad-key.pem \
    --resolve "server.global.nomad:4646:$subnet.11" "https://server.global.nomad:4646/v1/status/leader?stale"
}

mkdir -p "$FOLDER" && cd "$FOLDER" || exit 1
certificates server client cli >certificates.log 2>&1
gossip=$("$NOMAD" operator gossip keyring generate) || exit 1
subnet=
configure "${SUBNETS%% *}"

echo "prepared $FOLDER"
read -r || exit 0

network
for i in 1 2 3; do
  containers+=("$NAME-s$i")
  start server "s$i" "$subnet.1$i" &
done
wait
# As in floor.sh: a client needs a leader, and `read` is the pause that notices when standard input ends.
until [[ $(leader) == *:4647* ]]; do
  read -r -t 0.02
  (($? > 128)) || exit 0
done
# A client that is no root user needs no privileges, and a data folder of its own.
for ((i = 1; i <= CLIENTS; i++)); do
  containers+=("$NAME-c$i")
  start client "c$i" "$subnet.$((20 + i))" --user 1000:1000 --tmpfs /nomad/data:uid=1000,gid=1000,mode=0700,exec &
done
wait
echo up

while read -r; do :; done
