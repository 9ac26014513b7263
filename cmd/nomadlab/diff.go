package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
	"nomadlab.internal/lab/spec"
)

// diffFlags are the flags of `diff`.
type diffFlags struct {
	// config has the paths of the servers' and the clients' files within OLD and within NEW.
	config      configFlags
	quick, json bool
}

func (a *app) diffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show which checks a change of your agent configuration, or another Nomad, makes pass or fail",
		Long: `diff brings up one real cluster with each of two agent configurations, side by side, and shows
only the differences of their postures, with the line that most likely caused each.

OLD and NEW are folders, or files for servers alone. Within each, server/ and client/ are the
configurations of servers and clients, unless --server-config and --client-config name others. If
there is no server/, the whole folder, or the file, is the servers' configuration.

With --nomad-version OLDVERSION,NEWVERSION, OLD runs the one version of Nomad and NEW the other; a
single configuration is then run by both, which shows what an upgrade does to its posture. What one
of the versions does not know yet is left out of its configuration, and noted.

It exits with 0 if both have the same posture, with 1 if NEW is weaker, with 3 if that is not
known, with 4 if NEW is only stronger.`,
		Example: `  nomadlab diff deployed/ proposed/
  nomadlab diff old.hcl new.hcl
  nomadlab diff deployed/ --nomad-version 1.10.5,1.11.3
  nomadlab diff main/ branch/ --server-config server.hcl,gossip.hcl --client-config client.hcl`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch two := len(f.versions()) == 2; {
			case len(f.versions()) > 2:
				return usagef(cmd, "--nomad-version %s: name one version, or an old and a new one", f.config.nomad.version)
			case len(args) == 2, len(args) == 1 && two:
				return nil
			default:
				return usagef(cmd, "name two configurations: the old one and the new one; or one, and two versions (--nomad-version OLD,NEW)")
			}
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.diff(cmd, args, e, f) }),
	}
	f.config.add(cmd, "within OLD and NEW: ", " (default server)", " (default client)")
	cmd.Flags().BoolVar(&f.quick, "quick", false, quickHelp)
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// versions returns the versions of Nomad that the flag names: none, one, or the old and the new one.
func (f diffFlags) versions() []string {
	if f.config.nomad.version == "" {
		return nil
	}
	return strings.Split(f.config.nomad.version, ",")
}

// within returns the paths of the configuration below root.
func (f diffFlags) within(root string) regress.Paths {
	p := f.config.paths
	for role, paths := range map[string]*[]string{"server": &p.Server, "client": &p.Client} {
		names := *paths
		if len(names) == 0 && isDir(filepath.Join(root, role)) {
			names = []string{role}
		}
		*paths = nil // the flags' own list stays
		for _, name := range names {
			*paths = append(*paths, filepath.Join(root, name))
		}
	}
	if len(p.Server) == 0 {
		p.Server = []string{root}
	}
	for _, folder := range []*string{&p.TLS, &p.ServerTLS, &p.ClientTLS} {
		if *folder != "" {
			*folder = filepath.Join(root, *folder)
		}
	}
	return p
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// diff checks both configurations side by side, and prints the differences.
func (a *app) diff(cmd *cobra.Command, args []string, e *engines.Set, f diffFlags) error {
	if len(args) == 1 {
		args = []string{args[0], args[0]}
	}
	var sources []regress.Source
	for _, root := range args {
		s, err := regress.Read(f.within(root))
		if err != nil {
			return fmt.Errorf("%s: %w", root, err)
		}
		sources = append(sources, s)
	}
	o, err := f.config.options(cmd, e)
	if err != nil {
		return err
	}
	names := args
	if versions := f.versions(); len(versions) == 2 {
		o.Nomad, o.OldNomad = spec.Nomad{Version: versions[1]}, &spec.Nomad{Version: versions[0]}
		names = []string{args[0] + " with Nomad " + versions[0], args[1] + " with Nomad " + versions[1]}
	}
	c := a.console(cmd)
	c.note(e.Note())
	p := newProgress(c.errs)
	p.doing("diff", "checking one cluster with each configuration")
	o.Progress, o.Inspect = p.event, inspect.Options{Quick: f.quick, Tell: p.counting()}
	r, err := regress.Diff(cmd.Context(), o, names[0], sources[0], sources[1])
	p.stop()
	if err != nil {
		return err
	}
	if f.json {
		err = c.out.json(r.Comparison)
	} else {
		c.differences(r, names[1])
	}
	if err == nil {
		err = annotate(c, r)
	}
	if err != nil {
		return err
	}
	return passOn(comparisonCode(r), nil)
}

// differences prints how the posture of the configuration with that name differs from the other one.
func (c console) differences(r finding.Report, name string) {
	if changes := len(r.Comparison.Changes); changes == 0 {
		c.out.printf("%s and %s have the same posture: %s alike", r.Comparison.With, name, count(len(r.Findings), "finding"))
	} else {
		c.out.printf("%s: %s from the posture of %s", name, count(changes, "difference"), r.Comparison.With)
		for _, g := range lock.BySetting(*r.Comparison) {
			c.group(g, r.Comparison.Nomad)
		}
	}
	if r.Comparison.Note != "" {
		c.out.printf("")
		c.out.printf("note: %s", c.out.wrapped(r.Comparison.Note, "      "))
	}
	// A setting that no check names may matter too, so all that differ are listed.
	if settings := r.Comparison.Settings; len(settings) > 0 {
		c.out.printf("")
		c.out.printf("%s of the configuration set to another value:", count(len(settings), "setting"))
		for _, s := range settings {
			c.out.printf("  %s", c.out.wrapped(s.String(), "    "))
		}
	}
	for _, note := range r.Notes {
		c.out.printf("note: %s", note)
	}
}

// group prints the changes that one setting most likely caused.
func (c console) group(g lock.Cause, nomad finding.NomadChange) {
	c.out.printf("")
	where := "by no known difference of the configuration"
	if nomad != (finding.NomadChange{}) {
		where = fmt.Sprintf("most likely by the version of Nomad, %s → %s", nomad.Before, nomad.After)
	}
	if g.Setting != "" {
		where = "most likely by " + c.out.bold(g.Setting)
	}
	if g.File != "" {
		where += fmt.Sprintf(", %s:%d", g.File, g.Line)
	}
	c.out.printf("%s", where)
	for _, change := range g.Changes {
		direction := fmt.Sprintf("%-8s", change.Direction)
		switch change.Direction {
		case finding.Weaker:
			direction = c.out.bad(direction)
		case finding.Stronger:
			direction = c.out.good(direction)
		}
		const margin = "                      "
		c.out.printf("  %s  %-8s  %s", direction, change.Severity, c.out.wrapped(change.Text+": "+change.Title, margin))
		c.out.printf("%s%s", margin, c.out.faint(change.ID))
	}
}
