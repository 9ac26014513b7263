package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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

const (
	// largestFile is what may be copied for a command: files go through memory.
	largestFile = 256 << 20
	// copied is the folder that stands for this machine where a command runs. An image's own folders may be closed to the
	// command's user, as /root is, and are not to be written into.
	copied = "/copied"
)

// takeAlong puts the files of this machine that a call's arguments name below the folder copied, and makes the arguments
// name them there. Relative names are meant from the call's folder and stay as they are, as the command then runs in
// below that folder. What names no regular file is not an error: it is an argument like any other.
func takeAlong(c lab.Call) (lab.Call, error) {
	args := slices.Clone(c.Args)
	for i, arg := range args {
		name := fileName(arg)
		at, regular := regularFile(c.Folder, name)
		if !regular {
			continue
		}
		if filepath.IsAbs(name) {
			args[i] = strings.TrimSuffix(arg, name) + below(name)
		}
		if slices.ContainsFunc(c.Files, func(f engine.File) bool { return f.Path == below(at) }) {
			continue
		}
		data, err := read(at)
		if err != nil {
			return lab.Call{}, fmt.Errorf("copy a file into the lab: %w", err)
		}
		c.Files = append(c.Files, engine.File{Path: below(at), Mode: 0o444, Data: data})
	}
	c.Args, c.Folder = args, below(c.Folder)
	return c, nil
}

// regularFile is where the file of that name is, if it is one.
func regularFile(folder, name string) (at string, regular bool) {
	if name == "" || name == "-" {
		return "", false
	}
	if at = name; !filepath.IsAbs(at) {
		at = filepath.Join(folder, at)
	}
	info, err := os.Stat(at)
	return at, err == nil && info.Mode().IsRegular()
}

func read(at string) ([]byte, error) {
	info, err := os.Stat(at)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestFile {
		return nil, fmt.Errorf("%s has %d MB, and at most %d can be copied", at, info.Size()>>20, largestFile>>20)
	}
	return os.ReadFile(at)
}

// below is where an absolute path of this machine is where a command runs.
func below(at string) string { return path.Join(copied, filepath.ToSlash(at)) }

// fileName is the part of an argument that can name a file, which is its end: FILE, -flag=FILE, @FILE.
func fileName(arg string) string {
	if strings.HasPrefix(arg, "-") && arg != "-" {
		_, arg, _ = strings.Cut(arg, "=")
	}
	return strings.TrimPrefix(arg, "@")
}
