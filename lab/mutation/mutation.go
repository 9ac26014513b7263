// Package mutation holds the one table of mutations: named changes of a sound cluster, each with the checks that must
// fail because of it. The table serves the proof that every check can fail, `nomadlab mutate`, which applies it to a
// user's own configuration, and `nomadlab up --mutation ID`.
//
// One agent carries a mutation of scope Agent. Several of them share a cluster, one at each agent, where [Packs]
// permits it. The proof then requires more than a cluster of its own could show: at the agent that carries the
// mutation exactly the listed checks fail, and at every sound agent, in the same minute, all checks pass.
package mutation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Scope says which agents carry a mutation. The zero Scope is invalid.
type Scope string

// The scopes.
const (
	// Agent is one agent of the mutation's role.
	Agent Scope = "agent"
	// Servers and Clients are all agents of a role.
	Servers Scope = "servers"
	Clients Scope = "clients"
	// Cluster is every agent, or something that the whole cluster holds, such as a policy.
	Cluster Scope = "cluster"
)

// Sharing says whether a mutation of scope Agent may share a cluster with others. Mutations of other scopes never do.
type Sharing string

// The ways to share.
const (
	// Shares is a mutation whose effect shows at its own agent alone. It is the zero Sharing.
	Shares Sharing = ""
	// NeedsSampleJob is a mutation that shows only at the client that runs the sample job. A cluster has at most one of
	// them.
	NeedsSampleJob Sharing = "needs the sample job"
	// Extra is a mutation whose agent is an extra node. The node is started when the cluster is ready without it,
	// because the agent does not find its cluster, is not let in, or must not lead when ACLs are bootstrapped.
	Extra Sharing = "extra node"
	// Alone is a mutation that others could make meaningless, or that an engine may refuse beside others. Its cluster
	// has no other.
	Alone Sharing = "alone"
)

// Mutation is a named change of a cluster.
type Mutation struct {
	// ID is the stable name, such as "server-tls-10".
	ID string
	// Change describes the change without the agents that carry it: `tls.tls_min_version = "tls10"`.
	Change string
	// Scope says which agents carry it, and Role their role; Role is empty for Cluster.
	Scope Scope
	Role  pki.Role
	// Settings are the settings that it changes, by path. Empty: it changes no configuration, but for example a
	// policy.
	Settings []string
	// Equivalent is the reason why an agent behaves the same with it, with Nomad's file and line. Empty: it weakens
	// the agent.
	Equivalent string
	// Sharing says whether it may share a cluster.
	Sharing Sharing
	// Everywhere is true for a mutation of scope Agent that is also tried in a cluster of its own, in which all agents
	// of its role carry it. These are the mutations whose effect the leader alone decides, and a few others as a sample.
	Everywhere bool
	// Matrix is true if the matrix is tried in that cluster too.
	Matrix bool
	// NoLeader is true if servers find no leader with it, or each its own. Only checks of the plane "cluster" can
	// then run, and ACLs are not bootstrapped.
	NoLeader bool
	// NoClients is true if no client is let in with it.
	NoClients bool
	// Checks are names of the checks to run, as posture.Choose takes them. Empty: all.
	Checks []string
	// Turns names the mutations that a running cluster carries in turn with this one. Zero: none.
	Turns Turns

	// What the change is made of.

	// Lines are changed in the configuration of the agents that carry it.
	Lines []Line
	// Certificate is the defect of their certificates. Nil: none.
	Certificate *CertificateDefect
	// ForeignTrust makes them trust a second authority.
	ForeignTrust bool
	// Overlay is the text of a further file, the last that they read. It is for a user's configuration alone.
	Overlay string
	// File is a defect of a user's own files. No agent reads it.
	File *FileDefect
	// Live is a change of the running cluster. Nil: none.
	Live *Live
	// Lab changes the Spec of a lab. It is not for a user's configuration.
	Lab []spec.Option
}

// Line is a change of one line of an agent's configuration.
type Line struct {
	// Path is as in spec.Override.
	Path string
	// Value is an HCL literal. Empty: the line is removed.
	Value string
	// Was is the value that the line must have to be removed. Empty: any.
	Was string
}

// CertificateDefect is one thing wrong with an agent's certificate. One field is set.
type CertificateDefect struct {
	// Defect is the name of one of pki.Defects.
	Defect string
	// Name is a further DNS name of the certificate, in which REGION stands for the cluster's region.
	Name string
	// As is the role whose names the certificate has.
	As pki.Role
}

// FileDefect is one thing wrong with how a user keeps files.
type FileDefect struct {
	// Holds is what the file holds, as regress.Holds has it.
	Holds string
	// Mode is further permission bits, and Owner another owner's user ID. Zero: as they are.
	Mode  fs.FileMode
	Owner int
	// Beside is the name of a file beside the one with the private key. Empty: none.
	Beside string
}

// Turns names mutations that a running cluster carries one after the other, each undone before the next.
type Turns string

// The mutations that take turns.
const (
	// Policies are changes of ACL policies. A single server resolves these as three would.
	Policies Turns = "policies"
	// Keyring are changes of the gossip keys of all servers.
	Keyring Turns = "gossip keyring"
)

// Live is a change of a running cluster.
type Live struct {
	// Do makes the change, and returns when every agent concerned has it.
	Do func(context.Context, *lab.Lab) error
	// Undo reverts it. Nil: it cannot be reverted, and the cluster is thrown away.
	Undo func(context.Context, *lab.Lab) error
}

// ErrUnknown is wrapped by the errors for an ID or a pattern that no mutation has.
var ErrUnknown = errors.New("there is no such mutation")

// All returns the table, family by family. IDs are unique.
func All() []Mutation {
	return slices.Concat(tlsRows(), limitRows(), httpRows(), gossipRows(), accessRows(), workloadRows(), certificateRows(),
		policyRows(), fileRows(), equivalentRows())
}

// ByID returns the mutation of that ID. The error wraps ErrUnknown.
func ByID(id string) (Mutation, error) {
	for _, m := range All() {
		if m.ID == id {
			return m, nil
		}
	}
	return Mutation{}, fmt.Errorf("%w: %q: `nomadlab mutate --list` shows all", ErrUnknown, id)
}

// Match returns the mutations whose IDs match one of the patterns (path.Match), in the table's order; without
// patterns, all. The error wraps ErrUnknown, for a pattern that matches none.
func Match(all []Mutation, patterns ...string) ([]Mutation, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	matched := map[string]bool{}
	for _, pattern := range patterns {
		found := false
		for _, m := range all {
			ok, err := path.Match(pattern, m.ID)
			if err != nil {
				return nil, fmt.Errorf("%w: %q: %w", ErrUnknown, pattern, err)
			}
			if ok {
				matched[m.ID], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: %q: --list shows all mutations, and which of them change a configuration", ErrUnknown, pattern)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m Mutation) bool { return !matched[m.ID] }), nil
}

// String returns the change with the agents that carry it, such as "tls.http = false on a server".
func (m Mutation) String() string {
	switch {
	case m.Scope == Agent:
		return m.Change + " on a " + string(m.Role)
	case m.Scope == Servers, m.Scope == Clients:
		return m.Change + " on all " + string(m.Scope)
	case len(m.Lines) > 0:
		return m.Change + " on every agent"
	default:
		return m.Change
	}
}

// ForConfiguration reports whether the mutation changes configuration lines, certificates or files, so that it can be
// applied to a user's own.
func (m Mutation) ForConfiguration() bool {
	return len(m.Lab) == 0 && (m.Live == nil || len(m.Lines) > 0)
}

// WhyNotInLab returns why a lab's own agents cannot carry the mutation; "" if they can.
func (m Mutation) WhyNotInLab() string {
	gossipKey := slices.ContainsFunc(m.Lines, func(l Line) bool { return l.Path == serverEncrypt && l.Value != "" })
	takesDefaultOut := slices.ContainsFunc(m.Lines, func(l Line) bool { return l.Was != "" })
	switch {
	case m.File != nil:
		return "it changes how a user's own files are kept"
	case m.Overlay != "" || takesDefaultOut:
		return "it changes lines that only a user's own files have"
	case gossipKey:
		return "a lab makes the gossip key itself; see installed-documented-gossip-key"
	default:
		return ""
	}
}
