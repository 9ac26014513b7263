package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/compose"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

func (a *app) planCommand() *cobra.Command {
	var f specFlags
	var format string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what `up` would make, without starting anything",
		Long: `plan shows each node that up would make: its address, its certificate's names, its files and
its command. It starts nothing. The JSON has the contents of all files that are not secret.

--format compose prints a file with which Docker Compose brings up the lab without nomadlab. Such a
lab has no fixed addresses, and nothing that Compose cannot make: no extra nodes, subnet, mutation
or ACLs.`,
		Example: `  nomadlab plan --servers 5
  nomadlab plan --mutation server-plain-http
  nomadlab plan --file lab.yaml --format json
  nomadlab plan --format compose > docker-compose.yml`,
		Args: noArguments(": name the lab with --name"),
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			switch format {
			case "text", "json":
				return a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.plan(cmd, e, f, format) })(cmd, args)
			case "compose":
				return a.composeFile(cmd, f)
			default:
				return usagef(cmd, "--format is %q: use text, json or compose", format)
			}
		}),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "text, json or compose")
	mustComplete(cmd, "format", fixed("text", "json", "compose"))
	return cmd
}

func (a *app) plan(cmd *cobra.Command, e *engines.Set, f specFlags, format string) error {
	s, carried, err := f.spec(cmd)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	c := a.console(cmd)
	c.warn(s, e.Home())
	p, err := lab.Preview(cmd.Context(), e.Home(), s)
	if err != nil {
		return err
	}
	if format == "json" {
		return c.out.json(p)
	}
	c.out.plan(p)
	for _, placed := range carried.Placed {
		if placed.Mutation.Live != nil {
			c.out.printf("")
			c.out.printf("when the lab is up, `up` makes the mutation %s: %s", c.out.bold(placed.Mutation.ID), placed.Mutation.Change)
		}
	}
	return nil
}

// composeFile prints the plan as a file for Docker Compose. It needs no engine.
func (a *app) composeFile(cmd *cobra.Command, f specFlags) error {
	s, carried, err := f.spec(cmd)
	if err != nil {
		return err
	}
	if len(carried.Placed) > 0 {
		return usagef(cmd, "a lab of Compose carries no mutation: leave %s out, or use `nomadlab up`", carried.Placed[0].Mutation.ID)
	}
	p, err := plan.New(s, plan.HostEnvironment{Named: true})
	if err != nil {
		return err
	}
	return compose.Write(cmd.OutOrStdout(), p)
}

func (s stream) plan(p plan.Plan) {
	s.printf("lab %s would be: Nomad %s, %s on %s", s.bold(p.Name), wanted(p.Nomad), count(len(p.Nodes), "node"), p.Subnet)
	if p.Hardened {
		s.printf("hardened: ACLs on every agent, no raw_exec, clients need an introduction token, TLS 1.2 or later")
	}
	if p.Authority.Source != spec.BuiltinSource {
		s.printf("certificates: from %s", p.Authority.Source)
	}
	if len(p.Overrides) > 0 {
		s.printf("%s %s", s.uneasy("overrides:"), spec.OverridesText(p.Overrides))
	}
	s.printf("")
	rows := make([]table.Row, 0, len(p.Nodes))
	for _, n := range p.Nodes {
		role := string(n.Role)
		if n.ExtraNode {
			role += ", extra node"
		}
		rows = append(rows, table.Row{n.Name, role, n.Region, n.Datacenter, n.Address, words(n.Ports)})
	}
	for _, service := range p.Services {
		rows = append(rows, table.Row{service.Name, "service", "-", "-", service.Address, service.Port})
	}
	s.grid([]string{"NODE", "ROLE", "REGION", "DATACENTER", "ADDRESS", "PORTS"}, rows)
	for _, n := range p.Nodes {
		s.printf("")
		s.planned(n)
	}
	for _, service := range p.Services {
		s.printf("")
		s.printf("%s", s.bold(service.Name))
		s.plannedRow("command", strings.Join(service.Command, " "))
		s.plannedRow("user", userText(service.User))
		s.plannedFiles(service.Files)
	}
}

// wanted returns the version of Nomad, or where it comes from.
func wanted(n spec.Nomad) string {
	switch {
	case n.Image != "":
		return "of image " + n.Image
	case n.Binary != "":
		return "of " + n.Binary
	default:
		return cmp.Or(n.Version, image.DefaultVersion)
	}
}

// words returns the values with spaces between them.
func words[T any](values []T) string { return strings.Trim(fmt.Sprint(values), "[]") }

// planned prints a node's command, user, certificate and files.
func (s stream) planned(n plan.Node) {
	s.printf("%s", s.bold(n.Name))
	row := s.plannedRow
	row("command", strings.Join(n.Command, " "))
	row("user", userText(n.User))
	row("certificate", strings.TrimRight(n.Identity.Name()+" "+words(n.Identity.DNSNames)+" "+words(n.Identity.IPs), " "))
	if !n.Nomad.IsZero() {
		row("nomad", wanted(n.Nomad))
	}
	if n.Gossip != spec.LabKey {
		row("gossip key", string(n.Gossip))
	}
	if n.Introduction != spec.Introduced {
		row("introduction", string(n.Introduction))
	}
	if n.Folder != "" {
		row("folder", n.Folder)
	}
	s.plannedFiles(n.Files)
}

func (s stream) plannedRow(label, value string) {
	s.printf("  %s %s", s.faint(fmt.Sprintf("%-12s", label)), value)
}

func (s stream) plannedFiles(files []plan.File) {
	label := "files"
	for _, f := range files {
		s.plannedRow(label, fmt.Sprintf("%s  %s%s", f.Mode, f.Path, s.secret(f)))
		label = ""
	}
}

// userText describes the user that an agent runs as. 0 stands for the user of this process, or, if that is root, for a user
// without privileges.
func userText(user int) string {
	if user == 0 {
		return "you, or if you are root one without privileges"
	}
	return fmt.Sprintf("%d:%d", user, user)
}

func (s stream) secret(f plan.File) string {
	if f.Secret == "" {
		return ""
	}
	return s.faint("  " + string(f.Secret))
}
