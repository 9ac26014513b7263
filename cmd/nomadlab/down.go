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
finds these by the lab's labels, so it also removes a lab whose start was killed, or whose
folder is lost. If the lab is already gone, down exits with 0.

Without a name it removes the only lab, or the one called "lab", if its folder is here. --all
removes every lab of "nomadlab up". Labs of tests, scenarios and checks, which end by themselves,
and labs of Docker Compose stay unless you name them.`,
		Example: `  nomadlab down
  nomadlab down demo other
  nomadlab down --all`,
		ValidArgsFunction: a.completeLabs(anyNumber),
		Args: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usagef(cmd, "names and --all exclude each other")
			}
			return nil
		},
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.down(cmd, args, e, all) }),
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove every lab of \"nomadlab up\"")
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
			return fmt.Errorf("nothing is removed, and labs may exist that you may not see: %w", e.Unseen())
		}
		c.note(unseen(e))
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

// downOne removes one lab and prints the result. there is false if no engine lists the lab.
func (a *app) downOne(ctx context.Context, c console, e *engines.Set, name string, state engine.LabState, there bool) error {
	p := newProgress(c.errs)
	if c.errs.terminal {
		p.doing("down", "removing lab "+name)
	}
	began := time.Now()
	has, err := e.Of(ctx, name)
	if err == nil {
		err = lab.Remove(ctx, has, name)
	}
	p.stop()
	switch {
	case errors.Is(err, lab.ErrElsewhere):
		return err
	case err != nil:
		return fmt.Errorf("lab %s is not completely removed, try again: %w", name, err)
	case there:
		c.out.printf("lab %s: removed, %s in %s", c.out.bold(name), count(len(state.Nodes), "node"), brief(time.Since(began)))
	case errors.Is(e.Unseen(), engine.ErrDenied):
		return fmt.Errorf("lab %s is not removed: it may exist where you may not see it: %w", name, e.Unseen())
	default:
		c.out.printf("lab %s: there is none, nothing to remove", c.out.bold(name))
	}
	return nil
}

// toRemove returns the names of the labs to remove. With all, these are all labs but those of Docker Compose, for which it
// prints a note, and those that expire by themselves. Without names, it is the only lab that this user can open.
func toRemove(cmd *cobra.Command, e *engines.Set, args []string, all bool) ([]string, error) {
	if all {
		labs, err := lab.List(cmd.Context(), e.All()...)
		var names []string
		for _, l := range labs {
			if l.Origin != "" {
				cmd.PrintErrf("lab %s belongs to Docker Compose and stays. To remove it: `nomadlab down %s`\n", l.Name, l.Name)
			} else if l.Expires.IsZero() {
				names = append(names, l.Name)
			}
		}
		return names, err
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

// onlyOurs returns the lab that is meant when none is named. It must be one that this user can open: the only lab of
// this machine may be another user's.
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
		return nil, usagef(cmd, "the only lab, %s, belongs to Docker Compose, and perhaps to another user: "+
			"name it to remove it, `nomadlab down %s`", name, name)
	}
	if _, err := openNamed(cmd.Context(), e, name); errors.Is(err, spec.ErrDamaged) || errors.Is(err, spec.ErrOtherState) {
		return nil, usagef(cmd, "the only lab, %s, may be another user's, because its folder cannot be read here: "+
			"name it to remove it, `nomadlab down %s` (%w)", name, name, err)
	}
	return []string{name}, nil
}
