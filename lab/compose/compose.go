package compose

import (
	"fmt"
	"io"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Write writes the plan as a compose file, the same bytes for the same plan. The plan must be of Ground that is Named.
// It returns an *spec.InvalidError that names all that Compose cannot do, with nothing written.
func Write(w io.Writer, p plan.Plan) error {
	if err := refuse(p); err != nil {
		return err
	}
	text, err := encode(p)
	if err != nil {
		return fmt.Errorf("write lab %s as a compose file: %w", p.Name, err)
	}
	_, err = io.WriteString(w, head(p)+text)
	return err
}

// imageLetters are those of an image's name. Others could mean something to Compose.
const imageLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:@_-"

const day = 24 * time.Hour

// refuse returns an error that names all that a compose file cannot be.
func refuse(p plan.Plan) error {
	var problems []spec.Problem
	add := func(field, found, mend string) {
		problems = append(problems, spec.Problem{Field: field, Found: found, Mend: mend})
	}
	if p.Subnet.IsValid() {
		add("subnet", p.Subnet.String(), "leave it out: Compose gives the lab a network when it starts")
	}
	if p.Nomad.Binary != "" {
		add("nomad.binary", fmt.Sprintf("%q", p.Nomad.Binary), "name an image: Compose starts containers from images alone")
	}
	if name := usualImage(p); strings.Trim(name, imageLetters) != "" {
		add("nomad", fmt.Sprintf("%q", name), "name an image by letters, digits and ./:@_- alone, such as hashicorp/nomad:1.11.3")
	}
	if p.Hardened {
		add("hardened", "true", "leave it out: Compose cannot bootstrap ACLs, nor introduce clients; `nomadlab up` does both")
	}
	if len(p.Overrides) > 0 {
		add("settings", spec.OverridesText(p.Overrides), "leave them out: whoever brings the file up would not know; `nomadlab up` makes such labs")
	}
	if p.Certificates.Altered() {
		add("certificates", "not as a lab has them", "leave out defects, names, roles and trust_foreign: `nomadlab up` makes such labs")
	}
	if ttl := p.Certificates.TTL; ttl%day != 0 {
		add("certificates.ttl", ttl.String(), "use whole days, such as 48h: `nomad tls` counts in days")
	}
	for _, n := range p.Nodes {
		if n.ExtraNode {
			add("extra_nodes", n.Name, "leave them out: Compose starts every node; `nomadlab up` keeps nodes outside")
		}
	}
	if len(problems) > 0 {
		return &spec.InvalidError{Problems: problems}
	}
	return nil
}

// days are for flags of `nomad tls`.
func days(ttl, usual time.Duration) int {
	if ttl == 0 {
		ttl = usual
	}
	return int(ttl / day)
}

// regionServers are the services that have to lead before the region's clients start.
func regionServers(p plan.Plan, region string) []plan.Node {
	var out []plan.Node
	for _, n := range p.Nodes {
		if n.Role == pki.Server && n.Region == region {
			out = append(out, n)
		}
	}
	return out
}
