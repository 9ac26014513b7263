// Package mutation holds the one table of mutations: named changes of a sound cluster, each with the checks that must fail
// because of it. The table serves three users: the proof that every check can fail, `nomadlab mutate`, which applies it to a
// user's own configuration, and `nomadlab up --mutation ID`.
//
// A mutation of scope Agent is carried by one agent. Several of them share a cluster, one at each agent, where [Packs] finds
// that they may; [Judge] then wants more than a cluster of its own could show: at the agent that carries the mutation exactly
// the listed checks fail, and at every sound agent, in the same minute, all of them pass.
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

// Scope says which agents carry a mutation. The zero Scope is none.
type Scope string

// The scopes.
const (
	// Agent is one agent of the mutation's role.
	Agent Scope = "agent"
	// Servers and Clients are all agents of a role.
	Servers Scope = "servers"
	Clients Scope = "clients"
	// Cluster is every agent, or what the cluster holds for all of them, such as a policy.
	Cluster Scope = "cluster"
)

// Sharing says what keeps a mutation of scope Agent from sharing a cluster with others. Other scopes never share.
type Sharing string

// The ways to share.
const (
	// Shares is a mutation that shows at its own agent alone. It is the zero Sharing.
	Shares Sharing = ""
	// NeedsSampleJob is one that shows at the client alone that runs the checks' sample job: one a cluster.
	NeedsSampleJob Sharing = "needs the sample job"
	// Extra is one with which a cluster need not get ready: its agent does not find it, is not let in, or must not lead when
	// ACLs are bootstrapped. The agent is an extra node, which is started when a cluster is ready that is sound without it.
	Extra Sharing = "extra node"
	// Alone is one that other agents could make void, or the engine refuse. Its cluster has no other.
	Alone Sharing = "alone"
)

// Mutation is a named change with the checks that must fail because of it.
type Mutation struct {
	// ID names it for good, such as "server-tls-10".
	ID string
	// Change is the change in words, without the agents that carry it: `tls.tls_min_version = "tls10"`.
	Change string
	// Scope says which agents carry it, and Role whose they are; zero for Cluster.
	Scope Scope
	Role  pki.Role
	// Settings are those that it touches, by path. Empty: it is no line of a configuration, such as a policy.
	Settings []string
	// Equivalent says why an agent does the very same with it: Nomad's file and line. Empty: it weakens.
	Equivalent string
	// Sharing says what keeps it from sharing a cluster.
	Sharing Sharing
	// Everywhere is true for a mutation of scope Agent that is also carried by all agents of its role, in a cluster of its own:
	// where the leader alone decides, and a few others as a sample.
	Everywhere bool
	// Matrix is true where that cluster is tried with the matrix as well.
	Matrix bool
	// NoLeader is true for one with which servers find no leader, or each another: nothing but the checks of the cluster can
	// be tried, and nobody bootstraps ACLs.
	NoLeader bool
	// NoClients is true for one with which no client is let in.
	NoClients bool
	// Checks are names of checks as posture.Choose takes them; no others are tried. Empty: all are.
	Checks []string
	// Turns says with which others it takes turns on a running cluster. Zero: with none.
	Turns Turns

	// What the change is made of.

	// Lines are changed in the configuration of the agents that carry it.
	Lines []Line
	// Certificate is what their certificates are. Nil: sound ones.
	Certificate *CertificateDefect
	// ForeignTrust has them trust a second authority.
	ForeignTrust bool
	// Overlay is a further file, the last that they read. It is for a user's configuration alone.
	Overlay string
	// File is a defect of a user's own files. No agent reads it.
	File *FileDefect
	// Live is done to the running cluster. Nil: nothing.
	Live *Live
	// Lab changes the Spec of a lab. It is for labs alone, not for a user's configuration.
	Lab []spec.Option
}

// Line is one line of an agent's configuration.
type Line struct {
	// Path is as spec.Setting has it.
	Path string
	// Value is a literal of HCL. Zero: the line is taken out.
	Value string
	// Was is the value that the line must have for it to be taken out. Zero: any.
	Was string
}

// CertificateDefect is one thing that is other than it should be with an agent's certificate. One field is set.
type CertificateDefect struct {
	// Defect is the name of one of pki.Flaws.
	Defect string
	// Name is a DNS name that the certificate bears besides, in which REGION stands for the cluster's region.
	Name string
	// As is the role that the certificate speaks for.
	As pki.Role
}

// FileDefect is one thing wrong with how a user's own files are kept.
type FileDefect struct {
	// Holds is what the file holds, as regress.Holds has it.
	Holds string
	// Mode are permission bits that it has besides, and Owner is whom it belongs to. Zero: as they are.
	Mode  fs.FileMode
	Owner int
	// Beside is the name of a file that lies beside the one with the private key. Empty: none does.
	Beside string
}

// Turns names mutations that a running cluster carries one after the other, each taken back before the next.
type Turns string

// The mutations that take turns.
const (
	// Policies are of ACLs, which a single server resolves as three would.
	Policies Turns = "policies"
	// Keyring are of the gossip keys of all servers.
	Keyring Turns = "gossip keyring"
)

// Live is a change of a running cluster.
type Live struct {
	// Do makes the change, and returns when every agent that it concerns has it.
	Do func(context.Context, *lab.Lab) error
	// Undo takes it back. Nil: it cannot be, and the cluster is thrown away.
	Undo func(context.Context, *lab.Lab) error
}

// ErrUnknown is wrapped by the errors for an ID or a pattern that no mutation has.
var ErrUnknown = errors.New("there is no such mutation")

// All returns the table, family by family. Each mutation has an ID of its own.
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

// Match returns the mutations whose IDs match one of the patterns, in the table's order; no patterns mean all. Patterns are
// as path.Match has them. The error wraps ErrUnknown, for a pattern that matches none.
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
			return nil, fmt.Errorf("%w: %q: --list shows all, and which of them are of a configuration", ErrUnknown, pattern)
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

// OfConfiguration reports whether the mutation is one of a configuration's lines, certificates or files, so that it can be
// made of a user's own.
func (m Mutation) OfConfiguration() bool {
	return len(m.Lab) == 0 && (m.Live == nil || len(m.Lines) > 0)
}

// OfLab says why a lab's own agents cannot carry the mutation; empty where they can.
func (m Mutation) OfLab() string {
	gossipKey := slices.ContainsFunc(m.Lines, func(l Line) bool { return l.Path == serverEncrypt && l.Value != "" })
	takesDefaultOut := slices.ContainsFunc(m.Lines, func(l Line) bool { return l.Was != "" })
	switch {
	case m.File != nil:
		return "it is of how a user's own files are kept"
	case m.Overlay != "" || takesDefaultOut:
		return "it is of lines that a user's own files have"
	case gossipKey:
		return "a lab makes the gossip key itself; see installed-documented-gossip-key"
	default:
		return ""
	}
}
