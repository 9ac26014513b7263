package mutation

import (
	"cmp"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Carrier is the agents of a cluster that carry a mutation.
type Carrier struct {
	// Node is the one agent. Zero: all agents of the mutation's role, or every agent.
	Node string
	// Region is the cluster's. Zero: pki.DefaultRegion.
	Region string
}

// Options returns the changes of a Spec that make the agents carry the mutation. Live is not among them, as it
// changes a running cluster.
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

// forBoth returns the rows of both roles, which are configured separately.
func forBoth(of func(pki.Role) []Mutation) []Mutation {
	var all []Mutation
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		all = append(all, of(role)...)
	}
	return all
}

// setLine returns a mutation that sets one line of one agent of the role.
func setLine(role pki.Role, id, path, value string) Mutation {
	return Mutation{
		ID: string(role) + "-" + id, Scope: Agent, Role: role, Change: path + " = " + value,
		Settings: []string{path}, Lines: []Line{{Path: path, Value: value}},
	}
}

// setLineOfAll returns a mutation that sets one line of every agent.
func setLineOfAll(id, path, value string) Mutation {
	m := setLine("", id, path, value)
	m.ID, m.Scope = id, Cluster
	return m
}

// everywhere sets Everywhere.
func (m Mutation) everywhere() Mutation {
	m.Everywhere = true
	return m
}

// cutsOff marks a mutation whose agent does not find its cluster. Only the checks of the plane "cluster" can run
// there.
func (m Mutation) cutsOff() Mutation {
	m.Sharing, m.Checks = Extra, clusterChecks()
	return m
}

// clusterChecks names the checks that can run at agents that have formed no cluster. Such agents answer most other
// checks only after seconds.
func clusterChecks() []string { return []string{"cluster"} }
