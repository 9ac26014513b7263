package main

import (
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show the state of a lab and of its nodes",
		Long: `status asks the lab's engine and every agent for their state. It exits with 0 if the lab is
ready, else with 1.`,
		Example: `  nomadlab status
  nomadlab status demo --json | jq .ready`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			l, err := open(cmd, e, first(args))
			if err != nil {
				return err
			}
			c, status := a.console(cmd), l.Status(cmd.Context())
			if asJSON {
				err = c.out.json(status)
			} else {
				c.status(status)
			}
			if err == nil && !status.Ready {
				return &exitError{code: exitFailed}
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c console) status(status lab.Status) {
	ready := c.out.good("ready")
	if !status.Ready {
		ready = c.out.bad("not ready")
	}
	c.out.printf("lab %s is %s: Nomad %s, %s, made %s ago", c.out.bold(status.Lab), ready, orDash(versionsOf(status)),
		count(len(status.Nodes), "node"), span(time.Since(status.Created)))
	for _, t := range status.Trouble {
		c.out.printf("  %s %s", c.out.bad("!"), t)
	}
	for _, known := range status.Advisories {
		c.out.printf("  %s %s", c.out.uneasy("advisory:"), c.out.wrapped(known, "            "))
	}
	for _, next := range status.Next {
		c.out.printf("  next: %s", next)
	}
	c.out.printf("")
	c.out.nodes(status)
}

// versionsOf returns the versions of Nomad that a lab's agents run, the lab's own first.
func versionsOf(status lab.Status) string {
	versions := []string{status.Nomad}
	for _, n := range status.Nodes {
		if n.Nomad != "" && !n.ExtraNode && !slices.Contains(versions, n.Nomad) {
			versions = append(versions, n.Nomad)
		}
	}
	runs := func(version string) bool {
		return slices.ContainsFunc(status.Nodes, func(n lab.NodeStatus) bool { return n.Nomad == version })
	}
	if len(versions) > 1 && !runs(versions[0]) { // all agents were upgraded since
		versions = versions[1:]
	}
	return strings.Join(versions, " and ")
}

// nodes prints a lab's nodes, one in a row.
func (s stream) nodes(status lab.Status) {
	names := []string{"NODE", "ROLE", "STATE", "RAFT", "ADDRESS", "HTTPS", "CERT", "GOSSIP"}
	mixed := slices.ContainsFunc(status.Nodes, func(n lab.NodeStatus) bool { return n.Nomad != status.Nodes[0].Nomad })
	if mixed {
		names = append(names, "NOMAD")
	}
	regional := slices.ContainsFunc(status.Nodes, func(n lab.NodeStatus) bool { return n.Region != status.Nodes[0].Region })
	if regional {
		names = append([]string{"REGION"}, names...)
	}
	rows := make([]table.Row, 0, len(status.Nodes))
	for _, n := range status.Nodes {
		row := table.Row{
			n.Name, n.Role, s.state(n), s.raft(n), orDash(n.Address), s.address(n.HTTP), s.expiry(n.CertificateExpires), s.gossip(n),
		}
		if mixed {
			row = append(row, orDash(n.Nomad))
		}
		if regional {
			row = append(table.Row{n.Region}, row...)
		}
		rows = append(rows, row)
	}
	s.grid(names, rows)
}

// address leaves out the scheme https, which the column's name has.
func (s stream) address(at string) string {
	switch short, encrypted := strings.CutPrefix(at, "https://"); {
	case at == "":
		return s.faint("-")
	case encrypted:
		return short
	default:
		return s.bad(at)
	}
}

func (s stream) state(n lab.NodeStatus) string {
	switch {
	case n.State == "alive" || n.State == "ready":
		return s.good(n.State)
	case n.ExtraNode && n.State == lab.StateStopped:
		return s.faint("extra node")
	default:
		return s.bad(n.State)
	}
}

func (s stream) raft(n lab.NodeStatus) string {
	switch {
	case n.Leader:
		return s.bold("leader")
	case n.Voter:
		return "voter"
	case n.Role == pki.Server && n.HTTP != "":
		return s.uneasy("no voter")
	default:
		return s.faint("-")
	}
}

func (s stream) gossip(n lab.NodeStatus) string {
	switch n.Gossip {
	case lab.GossipEncrypted:
		return n.Gossip
	case "":
		return s.faint("-")
	default:
		return s.bad(n.Gossip)
	}
}

func (s stream) expiry(t time.Time) string {
	left := time.Until(t)
	switch {
	case t.IsZero():
		return s.faint("-")
	case left <= 0:
		return s.bad("expired")
	case left < time.Hour:
		return s.uneasy(span(left))
	default:
		return span(left)
	}
}
