package mutation

import (
	"cmp"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Carrier says which agents of a cluster carry a mutation.
type Carrier struct {
	// Node is the one agent. Zero: all agents of the mutation's role, or every agent.
	Node string
	// Region is the cluster's. Zero: pki.DefaultRegion.
	Region string
}

// Options returns what has the agents carry the mutation. What is done to a running cluster, Live, is not in it.
func (m Mutation) Options(c Carrier) []spec.Option {
	options := append([]spec.Option(nil), m.Lab...)
	for _, l := range m.Lines {
		options = append(options, func(s *spec.Spec) {
			s.Overrides = append(s.Overrides, spec.Override{Role: m.Role, Node: c.Node, Path: l.Path, Value: l.Value})
		})
	}
	if d := m.Certificate; d != nil {
		options = append(options, func(s *spec.Spec) { d.add(&s.Certificates, m.Role, c) })
	}
	if m.ForeignTrust {
		options = append(options, func(s *spec.Spec) {
			s.Certificates.TrustForeign = append(s.Certificates.TrustForeign, spec.ForeignTrust{Role: m.Role, Node: c.Node})
		})
	}
	return options
}

// add gives the agents a certificate with the defect.
func (d CertificateDefect) add(c *spec.Certificates, role pki.Role, at Carrier) {
	switch {
	case d.Defect != "":
		c.Defects = append(c.Defects, spec.CertificateDefect{Role: role, Node: at.Node, Defect: d.Defect})
	case d.Name != "":
		name := strings.ReplaceAll(d.Name, regionHere, cmp.Or(at.Region, pki.DefaultRegion))
		c.Names = append(c.Names, spec.ExtraNames{Role: role, Node: at.Node, DNSNames: []string{name}})
	default:
		c.Roles = append(c.Roles, spec.OtherRole{Role: role, Node: at.Node, As: d.As})
	}
}

// regionHere stands for the cluster's region in a name.
const regionHere = "REGION"

// article returns the role with its article.
func article(role pki.Role) string { return "a " + string(role) }

// roles are the two kinds of agents: servers and clients have a configuration each.
func roles() []pki.Role { return []pki.Role{pki.Server, pki.Client} }

// forBoth returns the rows of each role.
func forBoth(of func(pki.Role) []Mutation) []Mutation {
	var all []Mutation
	for _, role := range roles() {
		all = append(all, of(role)...)
	}
	return all
}

// set returns a mutation by one line of one agent of the role.
func set(role pki.Role, id, path, value string) Mutation {
	return Mutation{
		ID: string(role) + "-" + id, Scope: Agent, Role: role, Change: path + " = " + value,
		Settings: []string{path}, Lines: []Line{{Path: path, Value: value}},
	}
}

// setAll returns a mutation by one line of every agent.
func setAll(id, path, value string) Mutation {
	m := set("", id, path, value)
	m.ID, m.Scope = id, Cluster
	return m
}

// everywhere also has all agents of the role carry the mutation.
func (m Mutation) everywhere() Mutation {
	m.Everywhere = true
	return m
}

// cutsOff marks the mutation as one whose agent does not find its cluster: the checks of the cluster alone can be tried there.
func (m Mutation) cutsOff() Mutation {
	m.Sharing, m.Checks = Extra, clusterChecks()
	return m
}

// clusterChecks are the checks that can be tried at agents that are no cluster; to most others such agents answer after seconds.
func clusterChecks() []string { return []string{"cluster"} }
