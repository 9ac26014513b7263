package main

import (
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

// execCommand returns `nomadlab exec`.
func (a *app) execCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "exec [NAME] NODE -- CMD…",
		Short: "Run a command inside a node",
		Long: `exec runs a command inside a node of a lab, and exits with its exit code. Without Docker, the
command runs in the node's folder, as the node's user.`,
		Example: `  nomadlab exec server-1 -- sh
  nomadlab exec demo client-1 -- nomad version`,
		ValidArgsFunction: a.completeNodes(1),
		Args: func(cmd *cobra.Command, args []string) error {
			ours, theirs, _ := dashed(cmd, args)
			most := 2
			if name != "" {
				most = 1
			}
			switch {
			case len(theirs) == 0:
				return usagef(cmd, "put -- before the command to run: nomadlab exec server-1 -- sh")
			case len(ours) == 0:
				return usagef(cmd, "name a node: nomadlab exec server-1 -- sh")
			case len(ours) > most:
				return usagef(cmd, "unexpected argument %q before --: name one node", ours[most])
			}
			return nil
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			ours, theirs, _ := dashed(cmd, args)
			l, err := open(cmd, e, name+first(ours[:len(ours)-1]))
			if err != nil {
				return err
			}
			node, err := l.Node(ours[len(ours)-1])
			if err != nil {
				return err
			}
			return a.console(cmd).attach(func(s engine.Streams) (int, error) {
				return node.Exec(cmd.Context(), engine.Command{Args: theirs, Streams: s})
			})
		}),
	}
	addLabFlag(cmd, &name, a)
	return cmd
}
