package rehearsal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/regress"
)

// ErrRefused is wrapped by every error about a change that cannot be rehearsed. Nothing was brought up, or nothing was touched.
var ErrRefused = errors.New("this change cannot be rehearsed")

// Side is one of the two clusters: the one that runs, or the one that is to be.
type Side struct {
	// Name is what the user calls it, such as the path of a folder.
	Name string
	// Source is its configuration.
	Source regress.Source
	// Version is its Nomad. Empty: the default version.
	Version string
}

// Change is what differs between the old and the new side.
type Change struct {
	From string `json:"from"`
	To   string `json:"to"`
	// FromVersion and ToVersion are the versions of Nomad, if they differ.
	FromVersion string `json:"from_version,omitempty"`
	ToVersion   string `json:"to_version,omitempty"`
	// Unknown are lines that the old version of Nomad does not know, and that take effect with the new one.
	Unknown []string `json:"unknown_before,omitempty"`
	// Lines are the settings and certificates that differ, the servers' first.
	Lines []Line `json:"lines"`
}

// Empty reports whether nothing differs.
func (c Change) Empty() bool { return len(c.Lines) == 0 && c.FromVersion == c.ToVersion }

// Has reports whether a setting differs at agents of the role; the empty role means any.
func (c Change) Has(role pki.Role, setting string) bool {
	return slices.ContainsFunc(c.Lines, func(l Line) bool {
		return (role == "" || l.Role == role) && strings.EqualFold(l.Setting, setting)
	})
}

// roles returns the roles of a side.
func (s Side) roles() []pki.Role {
	if len(s.Source.Configuration.Client.Files) > 0 {
		return []pki.Role{pki.Server, pki.Client}
	}
	return []pki.Role{pki.Server}
}

// Compare returns what differs between two sides. was and planned are the plans of labs that run the old one and the new one. It returns an error that
// wraps ErrRefused for a change that no rollout makes, or that no lab can show.
func Compare(from, to Side, was, planned plan.Plan) (Change, error) {
	if err := refuse(from, to); err != nil {
		return Change{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	c := Change{From: from.Name, To: to.Name}
	if from.Version != to.Version {
		c.FromVersion, c.ToVersion = from.Version, to.Version
	}
	for _, role := range to.roles() {
		before := replacedIn(was, role)
		for _, r := range before {
			if fit.IsUnknown(r.Because) {
				c.Unknown = append(c.Unknown, fmt.Sprintf("%s of the %ss (%s:%d): %s; it takes effect with Nomad %s", r.Setting, role, r.File, r.Line, r.Because, to.Version))
			}
		}
		before = slices.DeleteFunc(before, func(r fit.Replaced) bool { return fit.IsUnknown(r.Because) })
		c.Lines = append(c.Lines, between(role, from.Source, to.Source, append(replacedIn(planned, role), before...))...)
	}
	return c, nil
}

// replacedIn returns the lines of a role that an agent of the lab reads in a changed form. Nodes of a role differ only in addresses.
func replacedIn(p plan.Plan, role pki.Role) []fit.Replaced {
	for _, n := range p.Nodes {
		if n.Role == role {
			return slices.Clone(n.Replaced)
		}
	}
	return nil
}

// refuse returns all reasons against a rehearsal that the files alone show.
func refuse(from, to Side) error {
	var errs []error
	if a, b := from.Source.Region, to.Source.Region; a != b {
		errs = append(errs, fmt.Errorf("the region is %s in %s and %s in %s: Nomad renames no region. A region is part of every certificate's name and of the state; "+
			"build a second region, federate both, and move the jobs", a, from.Name, b, to.Name))
	}
	if a, b := from.roles(), to.roles(); len(a) != len(b) {
		errs = append(errs, fmt.Errorf("%s has %d roles and %s has %d: a rollout changes the nodes that there are; give both a configuration of clients, or neither",
			from.Name, len(a), to.Name, len(b)))
	}
	if a, b := from.Source.Configuration.HasCredentials(), to.Source.Configuration.HasCredentials(); a != b {
		errs = append(errs, fmt.Errorf("only one of %s and %s came with certificates: give those of both with --tls-dir, or of neither", from.Name, to.Name))
	}
	for _, role := range to.roles() {
		errs = append(errs, refusePorts(role, from, to))
	}
	return errors.Join(errs...)
}

// refusePorts refuses another port. The addresses in the state of Raft, in the clients' list of servers and in the containers' published
// ports would all have to change at the same moment.
func refusePorts(role pki.Role, from, to Side) error {
	a, err := fit.PortsOf(from.Source.Configuration.Of(role).Files)
	if err != nil {
		return err
	}
	b, err := fit.PortsOf(to.Source.Configuration.Of(role).Files)
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("the %ss' ports are %d, %d and %d in %s (HTTP, RPC, gossip), and %d, %d and %d in %s: peers that have not changed yet would call the old ones; "+
			"add servers with the new ports and let the old ones leave", role, a.HTTP, a.RPC, a.Serf, from.Name, b.HTTP, b.RPC, b.Serf, to.Name)
	}
	return nil
}

// Notes returns what a reader of the change must know beside its lines.
func (c Change) Notes() []string {
	notes := slices.Clone(c.Unknown)
	for _, l := range c.Lines {
		switch {
		case l.Effect == Nothing:
			notes = append(notes, fmt.Sprintf("%s has no effect: %s", l.Setting, l.Why))
		case l.Effect == Call && strings.EqualFold(l.Setting, encryptSetting):
			notes = append(notes, "the gossip key changes by calls of the API; the file alone would change nothing until a server loses its data_dir")
		case strings.HasPrefix(l.Setting, `plugin.`) && strings.HasSuffix(l.Setting, ".enabled") && l.Was == "true" && l.Becomes != "true":
			notes = append(notes, fmt.Sprintf("%s takes a driver away: no new task of it starts, and a restarted client finds those again that run (seen with raw_exec of Nomad 1.11.3)", l.Setting))
		}
	}
	return notes
}
