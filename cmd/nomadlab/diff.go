package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// diffFlags are the flags of `diff`.
type diffFlags struct {
	server, client []string
	// tls, serverTLS and clientTLS are folders within each of the two.
	tls, serverTLS, clientTLS string
	nomad                     nomadFlags
	quick                     bool
	json                      bool
}

func (a *app) diffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say which promises a change of your agent configuration gains and loses",
		Long: `diff brings up one real cluster with each of two agent configurations, side by side, and shows
only what differs in what they let in, with the line that most likely did it.

OLD and NEW are folders, or files for servers alone. Within each, server/ and client/ are the configurations of servers and
clients, or what --server-config and --client-config name. Where there is no server/, the whole
folder, or the file, is the servers' configuration.

It exits with 0 when both give the same posture, with 1 when NEW is weaker, with 3 when that
could not be told, with 4 when NEW is only stronger.`,
		Example: `  nomadlab diff deployed/ proposed/
  nomadlab diff old.hcl new.hcl
  nomadlab diff main/ branch/ --server-config server.hcl,gossip.hcl --client-config client.hcl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef(cmd, "name two configurations: the old one and the new one")
			}
			return nil
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.diff(cmd, args, e, f) }),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.server, "server-config", nil, "within OLD and NEW: the servers' files and folders (default server)")
	flags.StringSliceVar(&f.client, "client-config", nil, "within OLD and NEW: the clients' (default client)")
	flags.StringVar(&f.tls, "tls-dir", "", "within OLD and NEW: the folder of the files that the tls blocks name")
	flags.StringVar(&f.serverTLS, "server-tls-dir", "", "within OLD and NEW: the same for servers, where each role has a folder of its own")
	flags.StringVar(&f.clientTLS, "client-tls-dir", "", "within OLD and NEW: the same for clients")
	flags.BoolVar(&f.quick, "quick", false, "leave out what waits for limits of time or uses up connections")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	f.nomad.add(cmd)
	return cmd
}

// within are the paths in one of the two configurations.
func (f diffFlags) within(root string) regress.Paths {
	join := func(names []string, usual string) []string {
		if len(names) == 0 && isDir(filepath.Join(root, usual)) {
			names = []string{usual}
		}
		var out []string
		for _, name := range names {
			out = append(out, filepath.Join(root, name))
		}
		return out
	}
	p := regress.Paths{Server: join(f.server, "server"), Client: join(f.client, "client")}
	if len(p.Server) == 0 {
		p.Server = []string{root}
	}
	inside := func(folder string) string {
		if folder == "" {
			return ""
		}
		return filepath.Join(root, folder)
	}
	p.TLS, p.ServerTLS, p.ClientTLS = inside(f.tls), inside(f.serverTLS), inside(f.clientTLS)
	return p
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// diff checks both configurations side by side, and tells what differs.
func (a *app) diff(cmd *cobra.Command, args []string, e *engines.Set, f diffFlags) error {
	var sources []regress.Source
	for _, root := range args {
		s, err := regress.Read(f.within(root))
		if err != nil {
			return fmt.Errorf("%s: %w", root, err)
		}
		sources = append(sources, s)
	}
	o, err := (&configFlags{nomad: f.nomad}).options(cmd, e)
	if err != nil {
		return err
	}
	c := a.console(cmd)
	if e.Note() != "" {
		c.errs.printf("%s %s", c.errs.uneasy("note:"), e.Note())
	}
	p := newProgress(c.errs)
	p.doing("diff", "bringing up one cluster with each configuration, and checking both")
	o.Progress, o.Inspect = p.event, inspect.Options{Quick: f.quick, Tell: p.counting()}
	r, err := regress.Diff(cmd.Context(), o, args[0], sources[0], sources[1])
	p.stop()
	if err != nil {
		return err
	}
	if f.json {
		err = c.out.json(r.Comparison)
	} else {
		c.differences(r, args[1])
	}
	if err == nil {
		err = annotate(c, r)
	}
	if err != nil {
		return err
	}
	return passOn(compared(r), nil)
}

// differences shows what differs, and nothing else.
func (c console) differences(r finding.Report, name string) {
	defer func() {
		for _, note := range r.Notes {
			c.out.printf("note: %s", note)
		}
	}()
	changes := r.Comparison.Changes
	if len(changes) == 0 {
		c.out.printf("%s and %s give the same posture: %s alike", r.Comparison.With, name, count(len(r.Findings), "finding"))
		c.settingsThatDiffer(r.Comparison.Settings)
		return
	}
	groups := lock.BySetting(*r.Comparison)
	c.out.printf("%s: %s in the posture that %s gives", name, count(len(changes), "difference"), r.Comparison.With)
	for _, g := range groups {
		c.group(g)
	}
	c.settingsThatDiffer(r.Comparison.Settings)
}

// settingsThatDiffer tells the settings that differ, whatever came of it: what no check rests on may matter all the same.
func (c console) settingsThatDiffer(all []finding.SettingChange) {
	if len(all) == 0 {
		return
	}
	c.out.printf("")
	c.out.printf("%s:", count(len(all), "setting")+" of the configuration set to another value")
	for _, s := range all {
		c.out.printf("  %s", c.out.wrapped(s.String(), "    "))
	}
}

// group shows the changes that one setting most likely made.
func (c console) group(g lock.Cause) {
	c.out.printf("")
	where := "by nothing in the configuration that is known"
	if g.Setting != "" {
		where = "most likely by " + c.out.bold(g.Setting)
	}
	if g.File != "" {
		where += fmt.Sprintf(", %s:%d", g.File, g.Line)
	}
	c.out.printf("%s", where)
	for _, change := range g.Changes {
		way := fmt.Sprintf("%-8s", change.Direction)
		switch change.Direction {
		case finding.Weaker:
			way = c.out.bad(way)
		case finding.Stronger:
			way = c.out.good(way)
		}
		const margin = "                      "
		c.out.printf("  %s  %-8s  %s", way, change.Severity, c.out.wrapped(change.Text+": "+change.Title, margin))
		c.out.printf("%s%s", margin, c.out.faint(change.ID))
	}
}
