package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
)

// upgradeFlags are the flags of `upgrade`.
type upgradeFlags struct {
	rolloutFlags
	nodes       []string
	newSettings bool
}

func (a *app) upgradeCommand() *cobra.Command {
	var f upgradeFlags
	cmd := &cobra.Command{
		Use:   "upgrade VERSION [NAME]",
		Short: "Bring a newer Nomad to a running lab, node by node",
		Long: `upgrade restarts each agent of a lab with a newer Nomad: the servers one after another, the
leader last, then the clients. Tasks of a client go on while its agent restarts. Each step waits
until the leader lists the node with the new version, as a healthy voter or a ready client.

The configuration stays as it is. Where the lab's own configuration lacks a setting because the old
version does not know it, --new-settings adds it when all nodes run the new version.

With --node only these nodes change, and the lab runs two versions. A client may not be newer than
a server. There is no way back: Nomad does not guarantee that an older version reads the state of a
newer one. So an upgrade that is interrupted stops after the node at which it is, and the same
command goes on.`,
		Example: `  nomadlab up --nomad-version 1.10.5
  nomadlab upgrade 1.11.3 --dry-run
  nomadlab upgrade 1.11.3 --node server-1
  nomadlab upgrade 1.11.3`,
		ValidArgsFunction: a.completeUpgrade,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef(cmd, "say to which version of Nomad: nomadlab upgrade %s", image.DefaultVersion)
			case len(args) > 2:
				return usagef(cmd, "unexpected argument %q: name a version and one lab", args[2])
			case f.newSettings && len(f.nodes) > 0:
				return usagef(cmd, "--node and --new-settings exclude each other: the settings are for a lab that runs one version")
			}
			return nil
		},
		RunE: a.changing(&f.rolloutFlags, func(args []string) string { return first(args[1:]) },
			func(ctx context.Context, _ *cobra.Command, c console, l *lab.Lab, args []string) (change, error) {
				return f.planned(ctx, c, l, strings.TrimPrefix(args[0], "v"))
			}),
	}
	f.add(cmd)
	cmd.Flags().StringSliceVar(&f.nodes, "node", nil, "upgrade only this node; may be repeated")
	cmd.Flags().BoolVar(&f.newSettings, "new-settings", false, "then add the settings that the old version did not know")
	mustComplete(cmd, "node", a.completeNodes(anyNumber))
	return cmd
}

// completeUpgrade completes a version, and then a lab.
func (a *app) completeUpgrade(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return image.Nomad.Versions(), cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeLabs(2)(cmd, args, toComplete)
}

func (f upgradeFlags) planned(ctx context.Context, c console, l *lab.Lab, version string) (change, error) {
	if err := ready(ctx, l); err != nil {
		return change{}, err
	}
	nodes, err := chosen(ctx, l, f.nodes)
	if err != nil {
		return change{}, err
	}
	p, err := rollout.UpgradeNodes(l, nodes, lab.Nomad{Version: version}) // what cannot be is said before a build
	switch {
	case err == nil && !f.dryRun:
		to, err := c.find(ctx, l, version)
		if err == nil {
			p, err = rollout.UpgradeNodes(l, nodes, to)
		}
		if err != nil {
			return change{}, err
		}
	case errors.Is(err, rollout.ErrThatVersion) && f.newSettings:
	case err != nil:
		return change{}, fmt.Errorf("%w: %w", errRollout, err)
	}
	if err := f.addSettings(ctx, c, l, &p, version); err != nil {
		return change{}, err
	}
	done := "runs Nomad " + version
	if len(f.nodes) > 0 {
		done = strings.Join(f.nodes, ", ") + " now with Nomad " + version
	}
	return change{lab: l, plan: p, done: done, stopped: func(out *rollout.Outcome) string { return stoppedAt(l, out, version) }}, nil
}

// find finds, pulls or builds the version for the lab's nodes, and shows it.
func (c console) find(ctx context.Context, l *lab.Lab, version string) (lab.Nomad, error) {
	p := newProgress(c.errs)
	defer p.stop()
	to, err := l.FindNomad(ctx, version, func(e image.Event) { p.doing("nomad", e.Text) })
	if err == nil {
		p.done(fmt.Sprintf("Nomad %s from %s", to.Version, to.Binary))
	}
	return to, err
}

// addSettings appends the steps that add what the old version did not know, or notes that they are left out.
func (f upgradeFlags) addSettings(ctx context.Context, c console, l *lab.Lab, p *rollout.Plan, version string) error {
	if !f.newSettings {
		for _, o := range l.Plan().LeftOut {
			c.note(o.String() + ": --new-settings adds it")
		}
		return nil
	}
	s := l.Spec()
	s.Nomad = spec.Nomad{Version: version}
	more, err := rollout.Toward(ctx, l, rollout.Target{Title: "add the settings that Nomad " + version + " knows", Spec: s})
	if err != nil {
		return fmt.Errorf("%w: %w", errRollout, err)
	}
	if p.Title == "" {
		p.Title = more.Title
	}
	p.Steps = append(p.Steps, more.Steps...)
	return nil
}

// stoppedAt returns which nodes run which version after an upgrade that stopped.
func stoppedAt(l *lab.Lab, out *rollout.Outcome, version string) string {
	var done, others []string
	for _, n := range rollout.Members(l) {
		if n.NomadVersion() == version {
			done = append(done, n.Name())
		} else {
			others = append(others, n.Name()+" "+n.NomadVersion())
		}
	}
	last := out.Done[len(out.Done)-1]
	return fmt.Sprintf("lab %s stands in the middle of its upgrade, at %q: %s run Nomad %s, the others: %s. Nothing is taken back. "+
		"When `nomadlab status %s` says that it is ready, `nomadlab upgrade %s %s` goes on",
		l.Name(), last, orDash(strings.Join(done, ", ")), version, orDash(strings.Join(others, ", ")), l.Name(), version, l.Name())
}
