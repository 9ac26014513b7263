package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) nomadCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "nomad [NAME] -- ARGS…",
		Short: "Run the Nomad CLI inside a lab",
		Long: `nomad runs the real Nomad CLI on the lab's network with the lab's credentials, so that none is
needed on this machine. Its exit code is passed on.

In Docker, files of this machine that the arguments name (FILE, -flag=FILE, @FILE) are copied to
where it runs, below ` + copied + `, and it can write none to your folder; without Docker it runs in
your folder. Of your environment nothing is passed on, NOMAD_TOKEN and NOMAD_NAMESPACE included: in
a lab with ACLs it calls with the lab's management token.`,
		Example: `  nomadlab nomad -- server members
  nomadlab nomad demo -- job run ./web.nomad.hcl
  nomadlab nomad -- alloc exec -i -t 8ba85cef /bin/sh
  nomadlab nomad -- job run - < web.nomad.hcl
  nomadlab nomad -- acl token create -name me -policy developer`,
		ValidArgsFunction: a.completeLab(),
		Args: func(cmd *cobra.Command, args []string) error {
			ours, _, found := dashed(cmd, args)
			switch {
			case !found:
				return usagef(cmd, "put -- before Nomad's arguments: nomadlab nomad -- server members")
			case len(ours) > 1:
				return usagef(cmd, "unexpected argument %q before --: name one lab", ours[1])
			case len(ours) == 1 && name != "":
				return usagef(cmd, "the lab is named twice, %q and --lab %q", ours[0], name)
			}
			return nil
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			ours, theirs, _ := dashed(cmd, args)
			l, err := open(cmd, e, name+first(ours))
			if err != nil {
				return err
			}
			call := lab.Call{Args: theirs}
			if call.Folder, err = os.Getwd(); err != nil {
				return err
			}
			if l.Contained() {
				if call, err = takeAlong(call); err != nil {
					return err
				}
			}
			c := a.console(cmd)
			var said denials
			err = c.inner(func(s engine.Streams) (int, error) {
				s.Stdout, s.Stderr = said.also(s.Stdout), said.also(s.Stderr)
				call.Streams = s
				return l.RunCLI(cmd.Context(), call)
			})
			if err != nil && said.heard.Load() && l.Contained() {
				c.errs.printf("%s", writesNothing(l.Name()))
			}
			return err
		}),
	}
	addLabFlag(cmd, &name, a)
	return cmd
}

// denials looks for what a command says that may not write where it runs.
type denials struct{ heard atomic.Bool }

// also returns a writer that passes on to w what it looks at. A denial that comes in two pieces is missed.
func (d *denials) also(w io.Writer) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(bytes.ToLower(p), []byte("permission denied")) {
			d.heard.Store(true)
		}
		return w.Write(p)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// writesNothing says why a command of Nomad's that writes a file, as `operator snapshot save` and `job init` do, is denied that,
// and what to do.
func writesNothing(name string) string {
	return fmt.Sprintf("nomadlab: if that was about a file that it was to write: in Docker the command runs in a container of its own, which\n"+
		"  may write nothing to your folder, and goes with it. With a nomad of your own: eval \"$(nomadlab env %s)\", then run it here.", name)
}

// addLabFlag adds the flag that names the lab of a command that takes further arguments.
func addLabFlag(cmd *cobra.Command, name *string, a *app) {
	cmd.Flags().StringVar(name, "lab", "", "name of the lab, instead of NAME")
	mustComplete(cmd, "lab", a.completeLabs())
}
