package spec

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
)

// NodeNomad says which Nomad some agents of a lab run. Set exactly one of Version, Image and Binary.
type NodeNomad struct {
	// Role is server or client. Zero: both.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// Version is the version that they run.
	Version string `yaml:"version,omitempty" json:"version,omitempty"`
	// Image is the container image that they run.
	Image string `yaml:"image,omitempty" json:"image,omitempty"`
	// Binary is the path of the nomad binary that they run.
	Binary string `yaml:"binary,omitempty" json:"binary,omitempty"`
}

// ConcernsNode reports whether a node runs this Nomad.
func (o NodeNomad) ConcernsNode(role pki.Role, node string) bool {
	return matches(o.Role, role) && matches(o.Node, node)
}

// Of returns the Nomad that a node runs, without Nodes: that of the first of Nodes that concerns it, or the lab's.
func (n Nomad) Of(role pki.Role, node string) Nomad {
	for _, o := range n.Nodes {
		if o.ConcernsNode(role, node) {
			return Nomad{Version: o.Version, Image: o.Image, Binary: o.Binary}
		}
	}
	n.Nodes = nil
	return n
}

// IsZero reports whether the default version is wanted everywhere.
func (n Nomad) IsZero() bool {
	return n.Version == "" && n.Image == "" && n.Binary == "" && len(n.Nodes) == 0
}

// VersionOn asks for a version of Nomad on one node, whatever the others run.
func VersionOn(node, version string) Option {
	return func(s *Spec) { s.Nomad.Nodes = append(s.Nomad.Nodes, NodeNomad{Node: node, Version: version}) }
}

// nomad checks which Nomad is wanted, but for the names of nodes.
func (v *validator) nomad(n Nomad) {
	if n.Image != "" && n.Binary != "" {
		v.add("nomad", "both an image and a binary", "name one of them")
	}
	for i, o := range n.Nodes {
		at := fmt.Sprintf("nomad.nodes[%d]", i)
		v.agents(at+".role", o.Role, true)
		said := slices.DeleteFunc([]string{o.Version, o.Image, o.Binary}, func(text string) bool { return text == "" })
		if len(said) != 1 {
			v.add(at, fmt.Sprintf("%d of version, image and binary", len(said)), "set one of them: it is what these agents run")
		}
	}
}

// nomadNodes checks the names of nodes, and refuses two Nomads for one agent.
func (v *validator) nomadNodes(all []NodeNomad, roles map[string]pki.Role) {
	for i, o := range all {
		at := fmt.Sprintf("nomad.nodes[%d].", i)
		v.node(at+"node", o.Node, o.Role, roles)
		of := func(o NodeNomad) CertificateDefect { return CertificateDefect{Role: o.Role, Node: o.Node} }
		if slices.ContainsFunc(all[:i], func(before NodeNomad) bool { return of(o).overlaps(of(before), roles) }) {
			v.add(at+"node", fmt.Sprintf("%q, for the second time", o.Node), "say once which Nomad an agent runs")
		}
	}
}
