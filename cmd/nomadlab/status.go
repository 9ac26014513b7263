package main

import (
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show a lab in one look",
		Long: `status asks the lab's engine and every agent how they are. It exits with 0 when the lab
is ready, and with 1 when something is not as it should be.`,
		Example: `  nomadlab status
  nomadlab status demo --json | jq .ready`,
		ValidArgsFunction: a.completeLab(),
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
	verdict := c.out.good("ready")
	if !status.Ready {
		verdict = c.out.bad("not ready")
	}
	c.out.printf("lab %s is %s: Nomad %s, %s, made %s ago", c.out.bold(status.Lab), verdict, orDash(status.Nomad),
		count(len(status.Nodes), "node"), span(time.Since(status.Created)))
	for _, t := range status.Trouble {
		c.out.printf("  %s %s", c.out.bad("!"), t)
	}
	for _, next := range status.Next {
		c.out.printf("  next: %s", next)
	}
	c.out.printf("")
	c.out.nodes(status)
}
