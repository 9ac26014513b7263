package compose

import (
	"strconv"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// head returns the comment at the top of the file.
func head(p plan.Plan) string {
	cli := cliIdentity(p)
	return strings.NewReplacer("{lab}", p.Name, "{server}", regionServers(p, cli.Region)[0].Name, "{ca}", pki.CAFile,
		"{certificate}", cli.CertFile(), "{key}", cli.KeyFile(), "{days}", strconv.Itoa(leafDays(p))).Replace(aboutFile)
}

const aboutFile = `# A real Nomad cluster on this machine: mutual TLS on HTTP and RPC, encrypted gossip, every agent in a
# container of its own. It needs this file, Docker, and either docker-compose 1.29 or the Compose plugin:
#
#   docker-compose up -d
#   docker-compose exec {server} nomad server members
#   docker-compose exec -T {server} nomad job run - < web.nomad.hcl
#   docker-compose logs -f
#   docker-compose down -v
#
# (with the plugin: docker compose). down without -v keeps data, keys and certificates for the next up.
# The certificates last for {days} days: down -v and up make new ones.
#
# NOMAD_IMAGE sets another image of Nomad, with nomad at /bin/nomad and a shell. NOMADLAB_NAME sets
# another name for the lab (lower-case letters, digits and hyphens). A second lab beside this one needs
# another name, and another project: docker-compose -p NAME.
#
# Ports are published on free ports of 127.0.0.1 alone: docker-compose port {server} 4646 prints one. A
# caller needs a certificate of the lab's authority. This one is for users and their tools:
#
#   docker cp nomadlab-{lab}-issuer:/authority/{certificate} .
#   docker cp nomadlab-{lab}-issuer:/authority/{key} .
#   docker cp nomadlab-{lab}-issuer:/authority/{ca} .
#
# nomadlab, if it is installed, treats this lab as one of its own: nomadlab status, env, down.
# Written by: nomadlab plan --format compose. Change the lab there, and write the file again.

`

const aboutIssuer = `Runs once and ends: makes the lab's certificate authority, each node's certificate and the
gossip key with Nomad's own CLI. Each node has a volume of its own, and so its own key and no
other; the authority's key is in a volume that no node has.`

const aboutNodes = `The nodes. Each writes its configuration, which stands here, and runs the agent as an ordinary
user without any capability. Tasks of raw_exec need none.`

const aboutVolumes = `What the lab keeps. docker-compose down -v removes it.`
