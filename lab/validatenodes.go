package lab

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
)

// nodes refuses what is said of a node that the lab will not have, or that is of another role: the lab would be sound, and its
// user would take it for one that is not. It refuses two flaws of one certificate too.
func (v *validator) nodes(s Spec) {
	roles := s.roles()
	c := s.Certificates
	for i, o := range s.Settings {
		v.node(fmt.Sprintf("settings[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.Flaws {
		at := fmt.Sprintf("certificates.flaws[%d].", i)
		v.node(at+"node", o.Node, o.Role, roles)
		if slices.ContainsFunc(c.Flaws[:i], func(before CertificateFlaw) bool { return o.overlaps(before, roles) }) {
			v.add(at+"role", fmt.Sprintf("%q, for the second time", o.Role), "put one thing wrong with a certificate, so that what follows has one cause")
		}
	}
	for i, o := range c.Names {
		v.node(fmt.Sprintf("certificates.names[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.Roles {
		v.node(fmt.Sprintf("certificates.roles[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.TrustForeign {
		v.node(fmt.Sprintf("certificates.trust_foreign[%d].node", i), o.Node, o.Role, roles)
	}
}

// roles are the roles of the nodes that the lab will have, by name.
func (s Spec) roles() map[string]pki.Role {
	roles := map[string]pki.Role{}
	for _, r := range s.Regions {
		for _, m := range members(r, len(s.Regions) > 1) {
			roles[m.name] = m.role
		}
	}
	for _, j := range s.Joiners {
		roles[j.Name] = j.Role
	}
	return roles
}

// node looks at the name of a node, empty for none, of which something is said that is for a role, zero for any.
func (v *validator) node(field, name string, role pki.Role, roles map[string]pki.Role) {
	if name == "" {
		return
	}
	is, there := roles[name]
	if !there || role != "" && role != is {
		var names []string
		for n, r := range roles {
			if role == "" || role == r {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		v.add(field, fmt.Sprintf("%q", name), fmt.Sprintf("use one of %v, or leave it out for all", names))
	}
}
