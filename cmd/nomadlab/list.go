package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the labs of this machine",
		Long: `list asks Docker and this machine's processes which labs exist. It also shows labs of another
terminal, stopped labs, and labs whose folder is lost.`,
		Example: `  nomadlab list
  nomadlab list --json | jq -r '.[].name'`,
		Args: noArguments(": `nomadlab status NAME` shows one lab"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error {
			c := a.console(cmd)
			labs, err := lab.List(cmd.Context(), e.All()...)
			if err != nil {
				return err
			}
			if e.Unseen() != nil && (len(labs) == 0 || errors.Is(e.Unseen(), engine.ErrDenied)) {
				c.note(unseen(e))
			}
			if asJSON {
				return c.out.json(labs)
			}
			c.list(labs)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c console) list(labs []lab.Listed) {
	if len(labs) == 0 {
		c.errs.printf("there is no lab: `nomadlab up` makes one")
		return
	}
	rows := make([]table.Row, 0, len(labs))
	for _, x := range labs {
		state := x.State
		switch state {
		case "running":
			state = c.out.good(state)
		case "partly running":
			state = c.out.uneasy(state)
		}
		if x.FolderLost != "" {
			state += c.out.bad(", its folder is lost")
		}
		if x.KeptIn != "" {
			state += c.out.faint(", kept in " + x.KeptIn)
		}
		created := "-"
		if !x.Created.IsZero() {
			created = span(time.Since(x.Created)) + " ago"
		}
		rows = append(rows, table.Row{x.Name, fmt.Sprintf("%d/%d", x.Running, x.Nodes), orDash(x.Nomad), x.Engine, created, state})
	}
	c.out.grid([]string{"LAB", "NODES", "NOMAD", "ENGINE", "CREATED", "STATE"}, rows)
}
