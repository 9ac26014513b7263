package compose

import (
	"strconv"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// head is what a reader of the file sees first.
func head(p plan.Plan) string {
	cli := cliIdentity(p)
	return strings.NewReplacer("{lab}", p.Name, "{server}", regionServers(p, cli.Region)[0].Name, "{ca}", pki.CAFile,
		"{certificate}", cli.CertFile(), "{key}", cli.KeyFile(), "{days}", strconv.Itoa(days(p.Certificates.TTL, pki.DefaultLeafTTL))).Replace(aboutFile)
}

const aboutFile = `# A real Nomad cluster on this machine: mutual TLS on HTTP and RPC, encrypted gossip, every agent in a
# container of its own. This file is all that it takes, with Docker and either docker-compose 1.29 or
# the Compose plugin:
#
#   docker-compose up -d
#   docker-compose exec {server} nomad server members
#   docker-compose exec -T {server} nomad job run - < web.nomad.hcl
#   docker-compose logs -f
#   docker-compose down -v
#
# (with the plugin: docker compose). down without -v keeps data, keys and certificates; up then finds
# them again. The certificates last for {days} days: down -v and up make new ones.
#
# NOMAD_IMAGE names another image of Nomad, with nomad at /bin/nomad and a shell; NOMADLAB_NAME another
# name for the lab (lower-case letters, digits and hyphens), which a second one beside it needs (and
# another project: docker-compose -p NAME).
#
# Ports are published on 127.0.0.1 alone, on free ones: docker-compose port {server} 4646. What speaks to
# them needs a certificate of the lab's authority; this one is for people, and their tools:
#
#   docker cp nomadlab-{lab}-issuer:/authority/{certificate} .
#   docker cp nomadlab-{lab}-issuer:/authority/{key} .
#   docker cp nomadlab-{lab}-issuer:/authority/{ca} .
#
# nomadlab, where it is installed, knows this lab like one of its own: nomadlab status, env, down.
# Written by: nomadlab plan --format compose. Change the lab there, and write the file again.

`

const aboutIssuer = `Runs once and ends: makes the lab's certificate authority, each node's certificate and the
gossip key with Nomad's own CLI. Each node has a volume of its own, and so its own key and no
other; the authority's key is in a volume that no node has.`

const aboutNodes = `The nodes. Each writes its configuration, as it stands here, and becomes the agent: an ordinary
user without any capability, who needs none to run tasks with raw_exec.`

const aboutVolumes = `What the lab keeps. docker-compose down -v removes it.`
