package spec

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
)

// Bundle says which of the lab's authorities are in an agent's CA bundle (tls.ca_file).
type Bundle string

// The bundles of an agent.
const (
	// RootBundle holds the root. Callers must send the intermediate along.
	RootBundle Bundle = "root"
	// IntermediateBundle holds the intermediate. Certificates of the root are then refused (verified against Nomad 1.11.3).
	IntermediateBundle Bundle = "intermediate"
	// BothBundle holds both.
	BothBundle Bundle = "both"
)

// Sent says what an agent sends along with its certificate.
type Sent string

// What an agent sends along.
const (
	// SentChain is the intermediate.
	SentChain Sent = "chain"
	// SentNothing leaves the intermediate out of tls.cert_file.
	SentNothing Sent = "nothing"
	// SentRootFirst is the root and then the intermediate: the wrong order.
	SentRootFirst Sent = "root-first"
)

// Chain says what agents trust and send along in a lab whose certificates an intermediate authority issues.
type Chain struct {
	// Role is server or client. Zero: both.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// Bundle is root, intermediate or both. Zero: root.
	Bundle Bundle `yaml:"bundle,omitempty" json:"bundle,omitempty"`
	// Sent is chain, nothing or root-first. Zero: chain.
	Sent Sent `yaml:"sent,omitempty" json:"sent,omitempty"`
}

// IssuedByIntermediate is an option for labs whose certificates an intermediate authority issues. The chains say what agents
// trust and send along; others trust the root and send the intermediate. No chain stands for one of all agents.
func IssuedByIntermediate(chains ...Chain) Option {
	if len(chains) == 0 {
		chains = []Chain{{}}
	}
	return func(s *Spec) { s.Certificates.Chains = append(s.Certificates.Chains, chains...) }
}

// Chained reports whether an intermediate authority issues the lab's certificates.
func (c Certificates) Chained() bool { return len(c.Chains) > 0 }

// ChainOf returns the chain of a node of that role, with its defaults filled in. It is zero in a lab that is not Chained.
func (c Certificates) ChainOf(role pki.Role, node string) Chain {
	if !c.Chained() {
		return Chain{}
	}
	out := Chain{Bundle: RootBundle, Sent: SentChain}
	for _, h := range c.Chains {
		if !matches(h.Role, role) || !matches(h.Node, node) {
			continue
		}
		if h.Bundle != "" {
			out.Bundle = h.Bundle
		}
		if h.Sent != "" {
			out.Sent = h.Sent
		}
		return out
	}
	return out
}

// text returns the chain in words, for Warnings.
func (h Chain) text() string {
	bundle, sent := h.Bundle, h.Sent
	if bundle == "" {
		bundle = RootBundle
	}
	if sent == "" {
		sent = SentChain
	}
	return fmt.Sprintf("certificates of an intermediate authority, bundle %s, sent %s", bundle, sent)
}

// chains checks the chains but for the names of nodes. An intermediate authority is made only for the builtin source.
func (v *validator) chains(s Spec, roles map[string]pki.Role) {
	all := s.Certificates.Chains
	if len(all) > 0 && (s.Configuration != nil || s.Authority.Source != BuiltinSource) {
		v.add("certificates.chains", "set beside certificates that this program does not issue", "leave it out, or use the builtin authority without a user configuration")
	}
	for i, h := range all {
		at := fmt.Sprintf("certificates.chains[%d].", i)
		v.agents(at+"role", h.Role, true)
		v.node(at+"node", h.Node, h.Role, roles)
		if !slices.Contains([]Bundle{"", RootBundle, IntermediateBundle, BothBundle}, h.Bundle) {
			v.add(at+"bundle", fmt.Sprintf("%q", h.Bundle), "use root, intermediate or both")
		}
		if !slices.Contains([]Sent{"", SentChain, SentNothing, SentRootFirst}, h.Sent) {
			v.add(at+"sent", fmt.Sprintf("%q", h.Sent), "use chain, nothing or root-first")
		}
		of := func(h Chain) CertificateDefect { return CertificateDefect{Role: h.Role, Node: h.Node} }
		if slices.ContainsFunc(all[:i], func(before Chain) bool { return of(h).overlaps(of(before), roles) }) {
			v.add(at+"role", fmt.Sprintf("%q, for the second time", h.Role), "say once what an agent trusts and sends along")
		}
	}
}
