package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/compose"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

func (a *app) planCommand() *cobra.Command {
	var f specFlags
	var format string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what `up` would make, and make nothing",
		Long: `plan shows each node that up would make: its address, its certificate's names, its files and
its command. Nothing is started. The JSON has the contents of the files that are no secrets.

As compose it is a file with which Docker Compose brings the lab up where there is no nomadlab. Such
a lab has no fixed addresses, and nothing that Compose cannot do: no extra nodes, no subnet, no mutation,
no ACLs.`,
		Example: `  nomadlab plan --servers 5
  nomadlab plan --mutation server-plain-http
  nomadlab plan --file lab.yaml --format json
  nomadlab plan --format compose > docker-compose.yml`,
		Args: noArguments(": name the lab with --name"),
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			switch format {
			case "text", "json":
				return a.plan(cmd, f, format)
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

func (a *app) plan(cmd *cobra.Command, f specFlags, format string) error {
	s, carried, err := f.spec(cmd)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	e, err := a.engines(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	c := a.console(cmd)
	for _, w := range warnings(s, e.Home()) {
		c.errs.printf("%s %s", c.errs.uneasy("warning:"), w)
	}
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
			c.out.printf("once the lab is up, `up` carries out the mutation %s: %s", c.out.bold(placed.Mutation.ID), placed.Mutation.Change)
		}
	}
	return nil
}

// composeFile asks no engine: what the file says holds wherever it is used.
func (a *app) composeFile(cmd *cobra.Command, f specFlags) error {
	s, carried, err := f.spec(cmd)
	if err != nil {
		return err
	}
	if len(carried.Placed) > 0 {
		return usagef(cmd, "a lab of Compose carries no mutation: leave %s out; `nomadlab up` makes such labs", carried.Placed[0].Mutation.ID)
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
		s.printf("hardened: ACLs on every agent, no raw_exec, clients need an introduction token, TLS 1.2 at least")
	}
	if len(p.Overrides) > 0 {
		s.printf("%s %s", s.uneasy("not as a lab has it:"), spec.OverridesText(p.Overrides))
	}
	s.printf("")
	rows := make([][]string, 0, len(p.Nodes))
	for _, n := range p.Nodes {
		role := string(n.Role)
		if n.ExtraNode {
			role += ", outside"
		}
		rows = append(rows, []string{n.Name, role, n.Region, n.Datacenter, n.Address.String(), ports(n.Ports)})
	}
	s.grid([]string{"NODE", "ROLE", "REGION", "DATACENTER", "ADDRESS", "PORTS"}, rows)
	for _, n := range p.Nodes {
		s.printf("")
		s.planned(n)
	}
}

// wanted says where the Nomad is to come from.
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

func ports(list []uint16) string {
	words := make([]string, 0, len(list))
	for _, p := range list {
		words = append(words, fmt.Sprint(p))
	}
	return strings.Join(words, " ")
}

func (s stream) planned(n plan.Node) {
	s.printf("%s", s.bold(n.Name))
	row := func(label, value string) { s.printf("  %s %s", s.faint(fmt.Sprintf("%-12s", label)), value) }
	row("command", strings.Join(n.Command, " "))
	row("user", who(n.User))
	row("certificate", strings.Join(append(append([]string{n.Identity.Name()}, n.Identity.DNSNames...), texts(n.Identity.IPs)...), " "))
	if n.Gossip != spec.LabKey {
		row("gossip key", string(n.Gossip))
	}
	if n.Introduction != spec.Introduced {
		row("introduction", string(n.Introduction))
	}
	label := "files"
	for _, f := range n.Files {
		row(label, fmt.Sprintf("%s  %s%s", f.Mode, f.Path, s.secret(f)))
		label = ""
	}
}

// who is the user that an agent runs as.
func who(user int) string {
	if user == 0 {
		return "you, or as root one without privileges"
	}
	return fmt.Sprintf("%d:%d", user, user)
}

func (s stream) secret(f plan.File) string {
	if f.Secret == "" {
		return ""
	}
	return s.faint("  " + string(f.Secret))
}

func texts(ips []netip.Addr) []string {
	words := make([]string, 0, len(ips))
	for _, ip := range ips {
		words = append(words, ip.String())
	}
	return words
}
