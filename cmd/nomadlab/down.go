package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/spec"
)

func (a *app) downCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "down [NAME…]",
		Short: "Remove labs",
		Long: `down removes labs: their containers or processes, networks, keys, certificates and logs. It
finds what belongs to a lab by its labels, so it also removes one whose start was killed, or
whose folder is lost. A lab that is gone already is fine.

Without a name it removes the only lab, or the one called "lab", if its folder is here. --all
removes every lab of this machine. Both leave out those of tests and scenarios, which end by
themselves, and those that Docker Compose brought up: these go only when they are named.`,
		Example: `  nomadlab down
  nomadlab down demo other
  nomadlab down --all`,
		ValidArgsFunction: a.completeLabs(),
		Args: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usagef(cmd, "names and --all exclude each other")
			}
			return nil
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.down(cmd, args, e, all) }),
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove every lab but those of tests, scenarios and Docker Compose")
	return cmd
}

func (a *app) down(cmd *cobra.Command, args []string, e *engines.Set, all bool) error {
	c := a.console(cmd)
	known, err := e.Labs(cmd.Context())
	if err != nil {
		return err
	}
	names, err := toRemove(cmd, e, args, all)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if errors.Is(e.Unseen(), engine.ErrDenied) {
			return fmt.Errorf("nothing is removed, and there may be labs that are not to be seen: %w", e.Unseen())
		}
		if e.Unseen() != nil {
			c.errs.printf("%s %s", c.errs.uneasy("note:"), unseen(e))
		}
		c.out.printf("there is no lab: nothing to remove")
	}
	var failed []error
	for _, name := range names {
		if err := cmd.Context().Err(); err != nil {
			failed = append(failed, fmt.Errorf("lab %s is not removed: %w", name, err))
			continue
		}
		state, there := known[name]
		failed = append(failed, a.downOne(cmd.Context(), c, e, name, state, there))
	}
	return errors.Join(failed...)
}

// downOne removes a lab and says so. That one is not removed keeps no other from being.
func (a *app) downOne(ctx context.Context, c console, e *engines.Set, name string, state engine.LabState, there bool) error {
	p := newProgress(c.errs)
	if c.errs.terminal {
		p.doing("down", "removing lab "+name)
	}
	began := time.Now()
	err := remove(ctx, e, name)
	p.stop()
	switch {
	case errors.Is(err, lab.ErrElsewhere):
		return err
	case err != nil:
		return fmt.Errorf("lab %s is not wholly removed, try again: %w", name, err)
	case there:
		c.out.printf("lab %s: removed, %s in %s", c.out.bold(name), count(len(state.Nodes), "node"), brief(time.Since(began)))
	case errors.Is(e.Unseen(), engine.ErrDenied):
		return fmt.Errorf("lab %s is not removed: it may be where it is not to be seen: %w", name, e.Unseen())
	default:
		c.out.printf("lab %s: there is none, nothing to remove", c.out.bold(name))
	}
	return nil
}

// remove removes the lab of that name, whichever engine has it.
func remove(ctx context.Context, e *engines.Set, name string) error {
	has, err := e.Of(ctx, name)
	if err != nil {
		return err
	}
	return lab.Remove(ctx, has, name)
}

func toRemove(cmd *cobra.Command, e *engines.Set, args []string, all bool) ([]string, error) {
	if all {
		labs, err := lab.List(cmd.Context(), e.All()...)
		for _, l := range labs {
			if l.Origin != "" {
				cmd.PrintErrf("lab %s was brought up by Docker Compose, and stays unless it is named: `nomadlab down %s`\n", l.Name, l.Name)
			}
		}
		return lasting(labs), err
	}
	if len(args) == 0 {
		return onlyOurs(cmd, e)
	}
	for _, name := range args {
		if _, err := choose(cmd, e, name); err != nil {
			return nil, err
		}
	}
	return slices.Compact(slices.Clone(args)), nil
}

// lasting are the labs that nothing else will remove, and that nomadlab brought up.
func lasting(labs []lab.Listed) []string {
	var names []string
	for _, l := range labs {
		if l.Expires.IsZero() && l.Origin == "" {
			names = append(names, l.Name)
		}
	}
	return names
}

// onlyOurs is the lab that is meant when none is named. It must be one that we can open: the only lab of this machine
// may well be somebody else's, or belong to a test that runs now, and such a lab goes only when it is named.
func onlyOurs(cmd *cobra.Command, e *engines.Set) ([]string, error) {
	name, err := choose(cmd, e, "")
	if name == "" {
		return nil, err
	}
	labs, err := lab.List(cmd.Context(), e.All()...)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(labs, func(l lab.Listed) bool { return l.Name == name && l.Origin != "" }) {
		return nil, usagef(cmd, "lab %s is the one that there is, and Docker Compose brought it up, perhaps for somebody else: "+
			"name it to remove it, `nomadlab down %s`", name, name)
	}
	if _, err := openNamed(cmd.Context(), e, name); errors.Is(err, spec.ErrDamaged) || errors.Is(err, spec.ErrOtherState) {
		return nil, usagef(cmd, "lab %s is the one that there is, and it may be somebody else's, as its folder is not to be had here: "+
			"name it to remove it, `nomadlab down %s` (%w)", name, name, err)
	}
	return []string{name}, nil
}
