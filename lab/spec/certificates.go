package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
)

// CertificateDefect is one defect of the certificates of all agents of a role.
type CertificateDefect struct {
	// Role is server or client. Zero: both.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// Defect is the name of one of pki.Defects, such as "no-eku". Agents start with most of them, but may not reach each other.
	Defect string `yaml:"defect" json:"defect"`
}

// ExtraNames are further names in the certificates of all agents of a role.
type ExtraNames struct {
	// Role is server or client. Zero: both.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// DNSNames may begin with "*.". Nomad takes an agent's role from any name: a client whose certificate also has
	// server.global.nomad counts as a server (nomad/server.go:634).
	DNSNames []string `yaml:"dns_names" json:"dns_names"`
}

// OtherRole gives all agents of a role certificates of another role or region.
type OtherRole struct {
	// Role is server or client.
	Role pki.Role `yaml:"role" json:"role"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// As is the role in their certificates: server, client or cli. A client with a server's certificate works without any
	// warning, and an attacker who takes over that client has a server's rights (verified against Nomad 1.11.3).
	As pki.Role `yaml:"as" json:"as"`
	// Region is the region in their certificates. Zero: their own.
	Region string `yaml:"region,omitempty" json:"region,omitempty"`
}

// ForeignTrust makes agents of a role trust a second authority, which is not the lab's.
type ForeignTrust struct {
	// Role is server or client.
	Role pki.Role `yaml:"role" json:"role"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
}

// matches reports whether a role or node is the wanted one; an empty wanted one matches all.
func matches[T ~string](wanted, is T) bool { return wanted == "" || wanted == is }

// overlaps reports whether both defects could be of the same certificate, in a lab whose nodes have these roles.
func (f CertificateDefect) overlaps(other CertificateDefect, roles map[string]pki.Role) bool {
	role := func(f CertificateDefect) pki.Role { return cmp.Or(f.Role, roles[f.Node]) }
	return (role(f) == "" || matches(role(other), role(f))) && (f.Node == "" || matches(other.Node, f.Node))
}

// DefectOf returns the name of the defect of the certificate of a node of that role; empty for none.
func (c Certificates) DefectOf(role pki.Role, node string) string {
	for _, f := range c.Defects {
		if matches(f.Role, role) && matches(f.Node, node) {
			return f.Defect
		}
	}
	return ""
}

// NamesOf returns the further names in the certificate of a node of that role.
func (c Certificates) NamesOf(role pki.Role, node string) []string {
	var out []string
	for _, n := range c.Names {
		if matches(n.Role, role) && matches(n.Node, node) {
			out = append(out, n.DNSNames...)
		}
	}
	return out
}

// TrustsForeign reports whether a node of that role trusts the foreign authority.
func (c Certificates) TrustsForeign(role pki.Role, node string) bool {
	return slices.ContainsFunc(c.TrustForeign, func(t ForeignTrust) bool { return t.Role == role && matches(t.Node, node) })
}

// SpeaksFor returns the role and the region in the certificate of a node of that role and region.
func (c Certificates) SpeaksFor(role pki.Role, region, node string) pki.Identity {
	for _, r := range c.Roles {
		if r.Role == role && matches(r.Node, node) {
			return pki.Identity{Role: r.As, Region: cmp.Or(r.Region, region)}
		}
	}
	return pki.Identity{Role: role, Region: region}
}

// Altered reports whether any certificate, or the trust of any agent, differs from those of a default lab.
func (c Certificates) Altered() bool {
	return len(c.Defects)+len(c.Names)+len(c.Roles)+len(c.TrustForeign)+len(c.Chains) > 0
}

// defectText returns in words what Altered reports, such as "defect no-eku on clients".
func (c Certificates) defectText() string {
	var words []string
	add := func(role pki.Role, node, format string, values ...any) {
		text := fmt.Sprintf(format, values...)
		switch {
		case node != "":
			text += " on " + node
		case role != "":
			text += " on " + string(role) + "s"
		}
		words = append(words, text)
	}
	for _, f := range c.Defects {
		add(f.Role, f.Node, "defect %s", f.Defect)
	}
	for _, n := range c.Names {
		add(n.Role, n.Node, "names %s", strings.Join(n.DNSNames, " "))
	}
	for _, r := range c.Roles {
		text := "certificates of a " + string(r.As)
		if r.Region != "" {
			text += " of region " + r.Region
		}
		add(r.Role, r.Node, "%s", text)
	}
	for _, t := range c.TrustForeign {
		add(t.Role, t.Node, "a foreign authority trusted")
	}
	for _, h := range c.Chains {
		add(h.Role, h.Node, "%s", h.text())
	}
	return strings.Join(words, ", ")
}

func (v *validator) alteredCertificates(c Certificates) {
	for i, f := range c.Defects {
		at := fmt.Sprintf("certificates.defects[%d].", i)
		v.agents(at+"role", f.Role, true)
		v.defect(at+"defect", f.Defect)
		v.namesBeside(at+"defect", f, c)
	}
	for i, n := range c.Names {
		at := fmt.Sprintf("certificates.names[%d].", i)
		v.agents(at+"role", n.Role, true)
		v.dnsNames(at+"dns_names", n.DNSNames)
	}
	for i, r := range c.Roles {
		at := fmt.Sprintf("certificates.roles[%d].", i)
		v.agents(at+"role", r.Role, false)
		if !slices.Contains([]pki.Role{pki.Server, pki.Client, pki.CLI}, r.As) {
			v.add(at+"as", fmt.Sprintf("%q", r.As), "use server, client or cli")
		}
		v.regionName(at+"region", r.Region, false)
	}
	for i, t := range c.TrustForeign {
		v.agents(fmt.Sprintf("certificates.trust_foreign[%d].role", i), t.Role, false)
	}
}

// defect checks the name of a defect that a lab's certificates can have; empty for none.
func (v *validator) defect(field, name string) {
	if _, err := pki.DefectNamed(name); err != nil {
		v.add(field, fmt.Sprintf("%q", name), fmt.Sprintf("use one of %v", pki.Defects()))
	}
}

// namesBeside refuses further names and addresses beside the defect that leaves a certificate without any.
func (v *validator) namesBeside(field string, f CertificateDefect, c Certificates) {
	if f.Defect != pki.RoleAlone().Name() {
		return
	}
	beside := slices.Concat(c.DNSNames, c.IPs)
	for _, n := range c.Names {
		if (f.Role == "" || matches(n.Role, f.Role)) && (f.Node == "" || matches(n.Node, f.Node)) {
			beside = append(beside, n.DNSNames...)
		}
	}
	beside = slices.DeleteFunc(beside, func(name string) bool { return strings.HasSuffix(name, ".nomad") })
	if len(beside) > 0 {
		v.add(field, fmt.Sprintf("%q, beside %s", f.Defect, strings.Join(beside, ", ")), "remove the defect or these names: with it a certificate has none")
	}
}

// agents checks the role of agents. It may be empty if both is true.
func (v *validator) agents(field string, role pki.Role, both bool) {
	switch {
	case role == pki.Server, role == pki.Client, role == "" && both:
	case both:
		v.add(field, fmt.Sprintf("%q", role), "use server or client, or leave it out for both")
	default:
		v.add(field, fmt.Sprintf("%q", role), "use server or client")
	}
}

func (v *validator) dnsNames(field string, names []string) {
	for i, name := range names {
		if err := (pki.Identity{Role: pki.Server, DNSNames: []string{name}}).Validate(); err != nil {
			v.add(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("%q", name), "use a DNS name such as nomad.example.com")
		}
	}
}
