package compose

import (
	"fmt"
	"path"
	"strings"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// Where the volumes of the authority and of the nodes are mounted in the issuer.
const (
	authorityAt = state.ComposeAuthority
	nodesAt     = "/nodes"
)

// issuerService returns the service that issues certificates and ends before any node starts. It has no network. It runs
// as root, because a new volume belongs to root. Without CAP_DAC_OVERRIDE this root cannot read what it has given to a
// node.
func issuerService(p plan.Plan) service {
	s := service{
		Image: imageOf(p), Container: object(p, issuer), User: "0:0",
		CapDrop: []string{"ALL"}, CapAdd: []string{"CHOWN"}, SecurityOpt: []string{"no-new-privileges"},
		ReadOnly: true, NetworkMode: "none",
		Volumes:    []string{authority + ":" + authorityAt},
		Entrypoint: []string{"sh", "-euc"},
		Command:    []string{verbatim(issue(p))},
		Labels:     prefixed(state.ComposeLabels(name(p))),
	}
	for _, n := range p.Nodes {
		s.Volumes = append(s.Volumes, n.Name+":"+path.Join(nodesAt, n.Name))
	}
	return s
}

// issue returns the script that makes what is missing. A finished volume has the authority's certificate, owned by root,
// beside the node's folders. The certificate of another authority means that the volumes of two labs are mixed.
func issue(p plan.Plan) string {
	var out strings.Builder
	gossip := string(agentconf.Gossip(gossipMark))
	fmt.Fprintf(&out, issueAuthority, authorityAt, pki.CAFile, pki.CAKeyFile,
		pki.DefaultTTL/day, leafDays(p), certificate(cliIdentity(p)))
	fmt.Fprintf(&out, issueNode, authorityAt, pki.CAFile, pki.CAKeyFile, leafDays(p), nodesAt,
		p.Nodes[0].User, strings.ReplaceAll(gossip, gossipMark, "$(cat "+authorityAt+"/gossip.key)"))
	for _, n := range p.Nodes {
		fmt.Fprintf(&out, "node %s %s\n", n.Name, certificate(n.Identity))
	}
	return out.String()
}

// cliIdentity is the identity of the lab's user.
func cliIdentity(p plan.Plan) pki.Identity {
	return pki.Identity{Role: pki.CLI, Region: p.Nodes[0].Region}
}

// gossipMark stands in the configuration in place of the gossip key.
const gossipMark = "GOSSIPKEY"

// certificate returns the arguments of `nomad tls cert create` for an identity. Nomad itself adds localhost, 127.0.0.1 and
// the name that carries the role and the region.
func certificate(id pki.Identity) string {
	args := []string{"-" + string(id.Role)}
	if id.Region != pki.DefaultRegion {
		args = append(args, "-region", id.Region)
	}
	for _, n := range id.DNSNames {
		if strings.HasPrefix(n, "*") {
			n = "'" + n + "'" // the shell would expand it to names of files
		}
		args = append(args, "-additional-dnsname", n)
	}
	for _, ip := range id.IPs {
		args = append(args, "-additional-ipaddress", ip.String())
	}
	return strings.Join(args, " ")
}

const (
	issueAuthority = `umask 077
# Make the lab's own authority, its gossip key and the certificate of its user, once. The authority's
# certificate is moved last, so that the next start repeats an interrupted one.
if [ ! -s %[1]s/%[2]s ]; then
  rm -rf %[1]s/new
  mkdir %[1]s/new
  cd %[1]s/new
  nomad tls ca create -days %[4]d
  nomad tls cert create -days %[5]d %[6]s
  nomad operator gossip keyring generate > gossip.key
  chmod 600 *
  mv *-cli-nomad*.pem gossip.key %[3]s ..
  mv %[2]s ..
  cd ..
  rmdir new
fi
`
	issueNode = `# node NAME FLAGS... gives a node its own certificate and key, and a server the gossip key.
node() {
  at=%[5]s/$1
  shift
  if [ -e $at/%[2]s ]; then
    cmp -s $at/%[2]s %[1]s/%[2]s && return
    echo "$at was made by another authority: remove the lab's volumes with: docker-compose down -v" >&2
    exit 1
  fi
  for left in $at/*; do
    [ ! -e $left ] || chown 0:0 $left
    rm -rf $left
  done
  mkdir $at/data $at/config $at/tls
  cd $at/tls
  nomad tls cert create -days %[4]d -ca %[1]s/%[2]s -key %[1]s/%[3]s "$@"
  cp %[1]s/%[2]s .
  if [ "$1" = -server ]; then
    cat > $at/config/gossip.hcl <<END
%[7]sEND
    chown %[6]d:%[6]d $at/config/gossip.hcl
  fi
  chmod 600 *
  chown %[6]d:%[6]d *
  cd /
  chown %[6]d:%[6]d $at/data $at/config $at/tls
  cp %[1]s/%[2]s $at/
}
`
)
