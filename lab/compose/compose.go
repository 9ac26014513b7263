// Package compose writes the plan of a lab as a file for Docker Compose, which brings the lab up without Go and without
// nomadlab.
//
// The file needs nothing else: the nodes' configuration is in it, and a service that runs once issues the certificates
// and the gossip key with Nomad's own CLI. It uses only what both docker-compose 1.29 and the Compose plugin know. What it
// makes has the names and labels that package lab and the Docker engine give to labs of their own, so that nomadlab finds
// it.
package compose

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Write writes the plan as a compose file. The same plan gives the same bytes. The plan must be made for a
// plan.HostEnvironment that is Named. If Compose cannot do what is planned, Write writes nothing and returns an
// *spec.InvalidError that names all of it.
func Write(w io.Writer, p plan.Plan) error {
	if err := validate(p); err != nil {
		return err
	}
	text, err := encode(p)
	if err != nil {
		return fmt.Errorf("write lab %s as a compose file: %w", p.Name, err)
	}
	_, err = io.WriteString(w, head(p)+text)
	return err
}

// imageLetters are the letters of an image's name. Others could have a meaning for Compose.
const imageLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:@_-"

const day = 24 * time.Hour

// usualGossipKey is the length of the keys that `nomad operator gossip keyring generate` makes, in bytes.
const usualGossipKey = 32

// validate returns an error that names everything of the plan that Compose cannot do.
func validate(p plan.Plan) error {
	image, ttl := defaultImage(p), p.Certificates.TTL
	relative := slices.ContainsFunc(p.Nodes, func(n plan.Node) bool { return n.Folder != "" })
	var problems []spec.Problem
	for _, r := range []struct {
		refused            bool
		field, found, mend string
	}{
		{p.Subnet.IsValid(), "subnet", p.Subnet.String(), "leave it out: Compose gives the lab a network when it starts"},
		{
			p.Nomad.Binary != "", "nomad.binary", fmt.Sprintf("%q", p.Nomad.Binary),
			"name an image: Compose starts containers from images alone",
		},
		{
			len(p.Nomad.Nodes) > 0, "nomad.nodes", fmt.Sprintf("%d of them", len(p.Nomad.Nodes)),
			"leave it out: the file has one variable for the image of all nodes; `nomadlab up` gives each its own",
		},
		{
			strings.Trim(image, imageLetters) != "", "nomad", fmt.Sprintf("%q", image),
			"name an image by letters, digits and ./:@_- alone, such as hashicorp/nomad:1.11.3",
		},
		{
			p.Hardened, "hardened", "true",
			"leave it out: Compose cannot bootstrap ACLs, nor introduce clients; `nomadlab up` does both",
		},
		{
			len(p.Overrides) > 0, "settings", spec.OverridesText(p.Overrides),
			"leave them out: users of the file would not know of them; `nomadlab up` makes such labs",
		},
		{
			p.Certificates.Altered(), "certificates", "not as a lab has them",
			"leave out defects, names, roles and trust_foreign: `nomadlab up` makes such labs",
		},
		{
			p.Authority.Source != spec.BuiltinSource, "authority", p.Authority.Source,
			"leave it out: the file has its certificates made by `nomad tls`; `nomadlab up` makes such labs",
		},
		{
			p.GossipKeyBytes != usualGossipKey, "gossip_key_bytes", fmt.Sprint(p.GossipKeyBytes),
			"leave it out: `nomad operator gossip keyring generate` makes keys of 32 bytes",
		},
		{relative, "relative_paths", "true", "leave it out: `nomadlab up` makes such labs"},
		{ttl%day != 0, "certificates.ttl", ttl.String(), "use whole days, such as 48h: `nomad tls` counts in days"},
	} {
		if r.refused {
			problems = append(problems, spec.Problem{Field: r.field, Found: r.found, Mend: r.mend})
		}
	}
	for _, n := range p.Nodes {
		if n.ExtraNode {
			problems = append(problems, spec.Problem{
				Field: "extra_nodes", Found: n.Name,
				Mend: "leave them out: Compose starts every node; `nomadlab up` does not start extra nodes",
			})
		}
	}
	if len(problems) > 0 {
		return &spec.InvalidError{Problems: problems}
	}
	return nil
}

// leafDays returns the life of the lab's certificates in days, as `nomad tls` counts it.
func leafDays(p plan.Plan) int { return int(cmp.Or(p.Certificates.TTL, pki.DefaultLeafTTL) / day) }

// regionServers returns the servers of a region.
func regionServers(p plan.Plan, region string) []plan.Node {
	return slices.DeleteFunc(slices.Clone(p.Nodes), func(n plan.Node) bool {
		return n.Role != pki.Server || n.Region != region
	})
}
