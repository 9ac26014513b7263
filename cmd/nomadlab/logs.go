package main

import (
	"slices"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) logsCommand() *cobra.Command {
	var name string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [NAME] [NODE…]",
		Short: "Show the agents' logs",
		Long: `logs shows what the agents of a lab have written: of all nodes, or of those that are named.
Lines of several nodes are in the order of their time, each with its node in front.`,
		Example: `  nomadlab logs
  nomadlab logs demo server-1 server-2
  nomadlab logs --follow`,
		ValidArgsFunction: a.completeNodes(anyNumber),
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			nodes, err := a.nodesFor(cmd, e, name, args)
			if err != nil {
				return err
			}
			c := a.console(cmd)
			if follow {
				return c.followLogs(cmd.Context(), nodes)
			}
			return c.printLogs(cmd.Context(), nodes)
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	addLabFlag(cmd, &name, a)
	return cmd
}

// anyNumber of nodes may be completed.
const anyNumber = 1 << 16

// nodesFor tells the lab's name from names of nodes: the first argument is a lab if there is one of that name.
func (a *app) nodesFor(cmd *cobra.Command, e *engines.Set, name string, args []string) ([]*lab.Node, error) {
	labs, err := labNames(cmd.Context(), e)
	if err != nil {
		return nil, err
	}
	if name == "" && len(args) > 0 && slices.Contains(labs, args[0]) {
		name, args = args[0], args[1:]
	}
	l, err := open(cmd, e, name)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return l.Nodes(), nil
	}
	nodes := make([]*lab.Node, 0, len(args))
	for _, arg := range args {
		n, err := l.Node(arg)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
