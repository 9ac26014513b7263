package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// runFlags are the flags of `run`.
type runFlags struct {
	nomad           nomadFlags
	all, list, json bool
	keep            bool
	timeout         time.Duration
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "Run scenarios, each on a fresh lab, and tell what was seen",
		Long: `run brings up a fresh lab for each scenario, tells the scenario step by step, and removes the
lab whatever happens. When a scenario fails, it names the folder that has the evidence.`,
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
			case f.timeout <= 0:
				return usagef(cmd, "--timeout is %s: use a positive duration such as 5m", f.timeout)
			case len(args) == 0 && !f.all && !f.list:
				return usagef(cmd, "name a scenario, or use --all; --list shows them")
			}
			return nil
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			if f.list {
				return a.listScenarios(cmd, f.json)
			}
			return a.run(cmd, args, f)
		}),
	}
	f.nomad.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "run every scenario")
	flags.BoolVar(&f.list, "list", false, "list the scenarios")
	flags.BoolVar(&f.json, "json", false, "print JSON; the telling goes to standard error")
	flags.BoolVar(&f.keep, "keep", false, "leave the labs as the scenarios left them, for two hours at most")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long one scenario may take")
	return cmd
}

func (a *app) listScenarios(cmd *cobra.Command, asJSON bool) error {
	type item struct {
		Name  string `json:"name"`
		Claim string `json:"claim"`
		Steps int    `json:"steps"`
	}
	items, rows := []item{}, [][]string{}
	for _, s := range a.all() {
		items = append(items, item{s.Name, s.Claim, len(s.Steps())})
		rows = append(rows, []string{s.Name, s.Claim})
	}
	out := a.console(cmd).out
	if asJSON {
		return out.json(items)
	}
	out.grid([]string{"SCENARIO", "CLAIM"}, rows)
	return nil
}

func (a *app) chosen(args []string, all bool) ([]scenario.Scenario, error) {
	if !all {
		return a.find(args...)
	}
	list := a.all()
	if len(list) == 0 {
		return nil, errors.New("there are no scenarios: nothing was proved")
	}
	return list, nil
}

func (a *app) run(cmd *cobra.Command, args []string, f runFlags) error {
	list, err := a.chosen(args, f.all)
	if err != nil {
		return err
	}
	nomad, err := f.nomad.over(cmd, spec.Nomad{})
	if err != nil {
		return err
	}
	e, err := a.engines(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	c := a.console(cmd)
	t := teller{console: c, to: c.out, engines: e, nomad: nomad, keep: f.keep, timeout: f.timeout}
	if f.json {
		t.to = c.errs
	}
	results := []outcome{}
	for _, s := range list {
		if cmd.Context().Err() == nil {
			results = append(results, t.tell(cmd.Context(), s))
		}
	}
	t.sum(results, len(list))
	if f.json {
		if err := c.out.json(results); err != nil {
			return err
		}
	}
	return verdict(cmd.Context(), results)
}
