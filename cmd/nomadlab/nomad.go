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
		Long: `nomad runs the real Nomad CLI on the lab's network with the lab's credentials, so that this
machine needs no nomad. It exits with the CLI's exit code.

In Docker, the CLI runs in a container. Files that the arguments name (FILE, -flag=FILE, @FILE) are
copied there, below ` + copied + `, and it cannot write to your folder. Without Docker it runs in your
folder. It gets nothing of your environment, not even NOMAD_TOKEN and NOMAD_NAMESPACE: in a lab with
ACLs it calls with the lab's management token.`,
		Example: `  nomadlab nomad -- server members
  nomadlab nomad demo -- job run ./web.nomad.hcl
  nomadlab nomad -- alloc exec -i -t 8ba85cef /bin/sh
  nomadlab nomad -- job run - < web.nomad.hcl
  nomadlab nomad -- acl token create -name me -policy developer`,
		ValidArgsFunction: a.completeLabs(1),
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
				if call, err = withFiles(call); err != nil {
					return err
				}
			}
			c := a.console(cmd)
			var said denials
			err = c.attach(func(s engine.Streams) (int, error) {
				s.Stdout, s.Stderr = io.MultiWriter(s.Stdout, &said), io.MultiWriter(s.Stderr, &said)
				call.Streams = s
				return l.RunCLI(cmd.Context(), call)
			})
			if err != nil && said.seen.Load() && l.Contained() {
				c.errs.printf("%s", writesNothing(l.Name()))
			}
			return err
		}),
	}
	addLabFlag(cmd, &name, a)
	return cmd
}

// denials is a writer that notes whether it was given "permission denied" in one piece.
type denials struct{ seen atomic.Bool }

func (d *denials) Write(p []byte) (int, error) {
	if bytes.Contains(bytes.ToLower(p), []byte("permission denied")) {
		d.seen.Store(true)
	}
	return len(p), nil
}

// writesNothing says why a command that writes a file, such as `operator snapshot save` or `job init`, was denied that, and
// what to do.
func writesNothing(name string) string {
	return fmt.Sprintf("nomadlab: if it was to write a file: in Docker the command runs in a container of its own, which is removed\n"+
		"  and cannot write to your folder. With a nomad of your own: eval \"$(nomadlab env %s)\", then run it here.", name)
}

// addLabFlag adds the flag that names the lab of a command that takes further arguments.
func addLabFlag(cmd *cobra.Command, name *string, a *app) {
	cmd.Flags().StringVar(name, "lab", "", "name of the lab, instead of NAME")
	mustComplete(cmd, "lab", a.completeLabs(anyNumber))
}

const (
	// largestFile is the size of a file that is copied at most, in bytes: files go through memory.
	largestFile = 256 << 20
	// copied is the folder of this machine's files where a command runs. The image's own folders may be closed to the
	// command's user, as /root is.
	copied = "/copied"
)

// withFiles adds the files of this machine that the call's arguments name, below the folder copied, and changes absolute
// names to these. Relative names stay: the command runs below copied, in the folder of that name. An argument that names
// no regular file stays as it is.
func withFiles(c lab.Call) (lab.Call, error) {
	args := slices.Clone(c.Args)
	for i, arg := range args {
		name := fileName(arg)
		at, size, regular := regularFile(c.Folder, name)
		if !regular {
			continue
		}
		if filepath.IsAbs(name) {
			args[i] = strings.TrimSuffix(arg, name) + below(name)
		}
		if slices.ContainsFunc(c.Files, func(f engine.File) bool { return f.Path == below(at) }) {
			continue
		}
		if size > largestFile {
			return lab.Call{}, fmt.Errorf("copy a file into the lab: %s has %d MB, and at most %d can be copied", at, size>>20, largestFile>>20)
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return lab.Call{}, fmt.Errorf("copy a file into the lab: %w", err)
		}
		c.Files = append(c.Files, engine.File{Path: below(at), Mode: 0o444, Data: data})
	}
	c.Args, c.Folder = args, below(c.Folder)
	return c, nil
}

// regularFile returns the path and the size of a file that a name means from the folder, and whether it is a regular one.
func regularFile(folder, name string) (at string, size int64, regular bool) {
	if name == "" || name == "-" {
		return "", 0, false
	}
	if at = name; !filepath.IsAbs(at) {
		at = filepath.Join(folder, at)
	}
	info, err := os.Stat(at)
	if err != nil {
		return at, 0, false
	}
	return at, info.Size(), info.Mode().IsRegular()
}

// below returns the path that an absolute path of this machine has where a command runs.
func below(at string) string { return path.Join(copied, filepath.ToSlash(at)) }

// fileName returns the part of an argument that can name a file: FILE, -flag=FILE, @FILE.
func fileName(arg string) string {
	if strings.HasPrefix(arg, "-") && arg != "-" {
		_, arg, _ = strings.Cut(arg, "=")
	}
	return strings.TrimPrefix(arg, "@")
}
