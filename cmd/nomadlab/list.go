package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the labs of this machine",
		Long: `list asks the container engine which labs there are, so it also shows those that another
terminal started, that were stopped, or whose folder is lost.`,
		Example: `  nomadlab list
  nomadlab list --json | jq -r '.[].name'`,
		Args: noArguments(": `nomadlab status NAME` shows one lab"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e engine.Engine) error {
			c := a.console(cmd)
			labs, err := entries(cmd.Context(), e)
			if err != nil {
				return err
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

// entry is a lab in one line.
type entry struct {
	Name    string `json:"name"`
	Running int    `json:"running"`
	// Nodes counts those that belong to the lab. Joiners that wait outside are left out, if the folder says who they are.
	Nodes int `json:"nodes"`
	// Nomad and Created are in the lab's folder, and zero when that is lost.
	Nomad   string    `json:"nomad_version,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// State is running, partly running, stopped, or empty for a lab without nodes.
	State string `json:"state"`
	// FolderLost is why the lab's folder cannot be used. The lab can still be removed.
	FolderLost string `json:"folder_lost,omitempty"`
}

func entries(ctx context.Context, e engine.Engine) ([]entry, error) {
	known, err := e.Labs(ctx)
	if err != nil {
		return nil, err
	}
	names, err := labNames(ctx, e)
	if err != nil {
		return nil, err
	}
	labs := make([]entry, 0, len(names))
	for _, name := range names {
		labs = append(labs, entryOf(ctx, e, name, known[name]))
	}
	return labs, nil
}

func entryOf(ctx context.Context, e engine.Engine, name string, states []engine.State) entry {
	x := entry{Name: name, State: "empty"}
	outside := map[string]bool{}
	if l, err := lab.Open(ctx, e, name); err == nil {
		x.Nomad, x.Created = l.NomadVersion(), l.Created()
		for _, n := range l.Plan().Nodes {
			outside[n.Name] = n.Joiner
		}
	} else if len(states) > 0 {
		x.FolderLost = err.Error()
	}
	for _, s := range states {
		if s.Running {
			x.Running++
		}
		if s.Running || !outside[s.Node] {
			x.Nodes++
		}
	}
	switch {
	case x.Nodes == 0:
	case x.Running == x.Nodes:
		x.State = "running"
	case x.Running > 0:
		x.State = "partly running"
	default:
		x.State = "stopped"
	}
	return x
}

func (c console) list(labs []entry) {
	if len(labs) == 0 {
		c.errs.printf("there is no lab: `nomadlab up` makes one")
		return
	}
	rows := make([][]string, 0, len(labs))
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
		created := "-"
		if !x.Created.IsZero() {
			created = span(time.Since(x.Created)) + " ago"
		}
		rows = append(rows, []string{x.Name, fmt.Sprintf("%d/%d", x.Running, x.Nodes), orDash(x.Nomad), created, state})
	}
	c.out.grid([]string{"LAB", "NODES", "NOMAD", "CREATED", "STATE"}, rows)
}
