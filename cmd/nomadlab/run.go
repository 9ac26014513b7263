package main

import (
	"errors"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// runFlags are the flags of `run`.
type runFlags struct {
	nomad           nomadFlags
	all, list, json bool
	keep            bool
	timeout         time.Duration
	// out is the folder for the reports; empty for none.
	out string
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "Run scenarios, each on a fresh lab",
		Long: `run brings up a fresh lab for each scenario, shows the scenario step by step, and removes the
lab whatever happens. If a scenario fails, run names the folder that has the evidence.`,
		Example: `  nomadlab run --list
  nomadlab run plain-http-is-rejected
  nomadlab run --all --json > results.json`,
		ValidArgsFunction: a.completeScenarios,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && (f.all || f.list):
				return usagef(cmd, "names of scenarios, --all and --list exclude each other")
			case f.all && f.list:
				return usagef(cmd, "--all and --list exclude each other")
			case len(args) == 0 && !f.all && !f.list:
				return usagef(cmd, "name a scenario, or use --all; --list shows them")
			}
			return positive(cmd, f.timeout)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			if f.list {
				return a.listScenarios(cmd, f.json)
			}
			return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.run(cmd, args, e, f) })(cmd, args)
		}),
	}
	f.nomad.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "run every scenario")
	flags.BoolVar(&f.list, "list", false, "list the scenarios")
	flags.BoolVar(&f.json, "json", false, "print JSON; the steps go to standard error")
	flags.BoolVar(&f.keep, "keep", false, "do not remove the labs at the end; they expire after two hours")
	flags.StringVar(&f.out, "out", "", "also write each scenario's report, in every format, into a folder of its name below this one")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Minute, "limit for one scenario")
	return cmd
}

func (a *app) listScenarios(cmd *cobra.Command, asJSON bool) error {
	type item struct {
		Name  string `json:"name"`
		Claim string `json:"claim"`
		Steps int    `json:"steps"`
	}
	items, rows := []item{}, []table.Row{}
	for _, s := range a.all() {
		items = append(items, item{s.Name, s.Claim, len(s.Steps())})
		rows = append(rows, table.Row{s.Name, s.Claim})
	}
	out := a.console(cmd).out
	if asJSON {
		return out.json(items)
	}
	out.grid([]string{"SCENARIO", "CLAIM"}, rows)
	return nil
}

// chosen returns the named scenarios, or all.
func (a *app) chosen(args []string, all bool) ([]scenario.Scenario, error) {
	if !all {
		return a.find(args...)
	}
	list := a.all()
	if len(list) == 0 {
		return nil, errors.New("no scenarios exist: nothing was proved")
	}
	return list, nil
}

func (a *app) run(cmd *cobra.Command, args []string, e *engines.Set, f runFlags) error {
	list, err := a.chosen(args, f.all)
	if err != nil {
		return err
	}
	if err := (checkFlags{out: f.out}).makePlaces(cmd); err != nil {
		return err
	}
	nomad, err := f.nomad.over(cmd, spec.Nomad{})
	if err != nil {
		return err
	}
	c := a.console(cmd)
	r := runner{console: c, to: c.out, engines: e, nomad: nomad, keep: f.keep, timeout: f.timeout, out: f.out}
	if f.json {
		r.to = c.errs
	}
	results := []scenarioResult{}
	for _, s := range list {
		if cmd.Context().Err() == nil {
			results = append(results, r.run(cmd.Context(), s))
		}
	}
	r.summary(results, len(list))
	if f.json {
		if err := c.out.json(results); err != nil {
			return err
		}
	}
	return resultsError(cmd.Context(), results)
}
