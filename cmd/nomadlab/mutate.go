package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// mutateFlags are the flags of `mutate`.
type mutateFlags struct {
	config     configFlags
	only       []string
	jobs       int
	list, json bool
	all        bool
}

func (a *app) mutateCommand() *cobra.Command {
	var f mutateFlags
	cmd := &cobra.Command{
		Use:   "mutate",
		Short: "Change your agent configuration one setting at a time, and see which checks notice",
		Long: `mutate takes protections away from your agent configuration: it changes one setting, certificate
or file at a time, runs each such mutation on one agent of a real cluster, and names the check that
killed it, that is, which fails with the mutation and passes without. Mutations of one agent each
share a cluster; one that is not killed there gets a cluster of its own. A mutation that survives
is a mistake that you could make without any check noticing. Mutations that are known to change
nothing are run as well: every check must have the same result with them.

Your files are only read: mutations are copies. A run takes some minutes; --only and --jobs
change that.

It exits with 0 if every mutation that an agent starts with was killed by a check that names the
setting, or if a check that names its setting already fails without it; with 1 if one survived, was
killed for another reason, could not be tried, or changed something though it is listed as
equivalent; with 2 for errors that you can correct; with 3 if no mutation counts: none applies that
takes a protection away, or agents start with none, or such a check fails without each of them.`,
		Example: `  nomadlab mutate --server-config server.d --client-config client.d
  nomadlab mutate --server-config server.hcl --only 'server-tls-*' --jobs 2
  nomadlab mutate --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return usagef(cmd, "unexpected argument %q: name the configuration with --server-config and --client-config", args[0])
			case !f.list && len(f.config.paths.Server) == 0:
				return usagef(cmd, "name the servers' configuration with --server-config; --list shows the mutations")
			case f.jobs < 0:
				return usagef(cmd, "--jobs is %d: use 1 or more", f.jobs)
			}
			all := regress.Mutations()
			if f.list {
				all = mutation.All()
			}
			_, err := mutation.Match(all, f.only...)
			return err
		},
	}
	cmd.RunE = a.do(func(cmd *cobra.Command, args []string) error {
		if f.list {
			return a.listMutations(cmd, f)
		}
		return a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.mutate(cmd, e, f) })(cmd, args)
	})
	f.config.add(cmd, "", filesHelp, filesHelp)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "only these mutations: IDs or patterns of IDs")
	flags.IntVar(&f.jobs, "jobs", 0, "clusters at the same time (default: two for each processor)")
	flags.BoolVar(&f.list, "list", false, "list all mutations, those of up --mutation included")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVarP(&f.all, "verbose", "v", false, "show every check that a mutation makes fail, and mutations that do not apply")
	return cmd
}

// listMutations lists the table of mutations.
func (a *app) listMutations(cmd *cobra.Command, f mutateFlags) error {
	chosen, err := mutation.Match(mutation.All(), f.only...)
	if err != nil {
		return err
	}
	out := a.console(cmd).out
	list, rows := []mutationJSON{}, []table.Row{}
	for _, chosen := range chosen {
		m, kind := mutationAsJSON(chosen), "weaker"
		if m.Equivalent != "" {
			kind = "equivalent"
		}
		list, rows = append(list, m), append(rows, table.Row{m.ID, kind, strings.Join(m.For, ", "), m.Change})
	}
	if f.json {
		return out.json(list)
	}
	out.grid([]string{"MUTATION", "KIND", "FOR", "CHANGE"}, rows)
	return nil
}

// mutate runs the mutations.
func (a *app) mutate(cmd *cobra.Command, e *engines.Set, f mutateFlags) error {
	source, err := regress.Read(f.config.paths)
	if err != nil {
		return err
	}
	o := regress.MutateOptions{Jobs: f.jobs}
	if o.Mutations, err = mutation.Match(regress.Mutations(), f.only...); err != nil {
		return err
	}
	if o.Options, err = f.config.options(cmd, e); err != nil {
		return err
	}
	if o.Jobs == 0 {
		o.Jobs = 2 * runtime.GOMAXPROCS(0)
	}
	c := a.console(cmd)
	c.note(e.Note())
	p := newProgress(c.errs)
	p.doing("base", "checking the configuration itself")
	showMutations(p, &o)
	run, err := regress.Mutate(cmd.Context(), o, source)
	p.stop()
	if len(run.Results) == 0 || cmd.Context().Err() != nil {
		return err
	}
	if f.json {
		err = errors.Join(err, c.out.json(mutationRunAsJSON(run)))
	} else {
		c.mutations(run, f.all)
	}
	return passOn(mutationsCode(run), err)
}

// mutationsCode returns the exit code of a run.
func mutationsCode(run regress.MutationRun) int {
	killed, of := run.Score()
	switch {
	case killed < of:
		return exitFailed
	case of == 0:
		return exitUnproved
	default:
		return exitFine
	}
}

// showMutations makes the run show its progress, and how much time it still needs.
func showMutations(p *progress, o *regress.MutateOptions) {
	var began time.Time
	of, done := 0, 0
	o.Begun = func(count int, base finding.Report) {
		began, of = time.Now(), count
		p.done(fmt.Sprintf("the configuration itself: %s", finding.Summarize(base.Findings)))
		p.doing("mutations", fmt.Sprintf("mutations: 0 of %d", count))
	}
	o.Tell = func(r regress.Result) {
		done++
		left := (time.Since(began) / time.Duration(done) * time.Duration(of-done)).Round(time.Second)
		if r.Fate != regress.Inapplicable {
			by := ""
			if len(r.By) > 0 {
				by = " by " + r.By[0]
			}
			p.done(fmt.Sprintf("%d of %d, about %s left  %s: %s%s", done, of, left, r.Mutation.ID, r.Fate, by))
		}
		if p.to.terminal {
			p.doing("mutations", fmt.Sprintf("mutations: %d of %d, about %s left", done, of, left))
		}
	}
}

// mutations prints the results of a run.
func (c console) mutations(run regress.MutationRun, all bool) {
	counts := map[regress.Fate]int{}
	var rows []table.Row
	for _, r := range run.Results {
		counts[r.Fate]++
		if r.Fate == regress.Inapplicable && !all {
			continue
		}
		rows = append(rows, table.Row{c.fate(r.Fate), r.Mutation.ID, r.Mutation.String(), killers(r, all)})
		if all && r.Apart != "" {
			rows = append(rows, table.Row{"", "", "", c.out.faint("in a cluster of its own: " + r.Apart)})
		}
	}
	c.out.grid([]string{"FATE", "MUTATION", "CHANGE", "BY"}, rows)
	c.out.printf("")
	killed, of := run.Score()
	c.out.printf("%s of %d mutations that are not equivalent were killed by a check that names the setting, in %s", c.out.bold(fmt.Sprint(killed)), of, brief(run.Took))
	var words []string
	for _, f := range []regress.Fate{
		regress.Survived, regress.KilledByOthers, regress.NotEquivalent, regress.Failed, regress.Refused, regress.OpenWithout,
		regress.Equivalent, regress.Inapplicable,
	} {
		if counts[f] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	if len(words) > 0 {
		c.out.printf("also: %s", strings.Join(words, ", "))
	}
}

// fate returns a fate in its colour.
func (c console) fate(f regress.Fate) string {
	switch f {
	case regress.Killed:
		return c.out.good(string(f))
	case regress.Survived, regress.KilledByOthers, regress.NotEquivalent, regress.Failed:
		return c.out.bad(string(f))
	default:
		return c.out.faint(string(f))
	}
}

// killers returns the checks that killed a mutation, all or in short, or the reason why it needs none.
func killers(r regress.Result, all bool) string {
	switch {
	case r.Fate == regress.Equivalent || len(r.By) == 0:
		return r.Reason
	case all:
		return strings.Join(r.By, ", ")
	case len(r.By) > 1:
		return fmt.Sprintf("%s and %d more", r.By[0], len(r.By)-1)
	default:
		return r.By[0]
	}
}

// mutationJSON is a mutation of the table as JSON.
type mutationJSON struct {
	ID       string   `json:"id"`
	Change   string   `json:"change"`
	Settings []string `json:"settings,omitempty"`
	// Equivalent says why the mutation changes nothing. It is empty if it takes a protection away.
	Equivalent string `json:"equivalent,omitempty"`
	// For has the commands that take it: mutate, up.
	For []string `json:"for"`
}

func mutationAsJSON(m mutation.Mutation) mutationJSON {
	out := mutationJSON{ID: m.ID, Change: m.String(), Settings: m.Settings, Equivalent: m.Equivalent}
	if m.ForConfiguration() {
		out.For = append(out.For, "mutate")
	}
	if m.WhyNotInLab() == "" {
		out.For = append(out.For, "up")
	}
	return out
}

// mutationResultJSON is a mutation's result as JSON.
type mutationResultJSON struct {
	mutationJSON
	Fate   regress.Fate `json:"fate"`
	By     []string     `json:"by,omitempty"`
	Reason string       `json:"reason,omitempty"`
	// Whole is true if all checks were run.
	Whole bool `json:"whole"`
	// Apart says why the mutation got a cluster of its own after a shared one.
	Apart   string  `json:"apart,omitempty"`
	Seconds float64 `json:"seconds"`
}

func mutationRunAsJSON(run regress.MutationRun) any {
	killed, of := run.Score()
	out := struct {
		Killed    int                  `json:"killed"`
		Of        int                  `json:"of"`
		Seconds   float64              `json:"seconds"`
		Mutations []mutationResultJSON `json:"mutations"`
	}{Killed: killed, Of: of, Seconds: run.Took.Seconds(), Mutations: []mutationResultJSON{}}
	for _, r := range run.Results {
		out.Mutations = append(out.Mutations, mutationResultJSON{
			mutationJSON: mutationAsJSON(r.Mutation), Fate: r.Fate, By: r.By, Reason: r.Reason,
			Whole: r.Whole, Apart: r.Apart, Seconds: r.Took.Seconds(),
		})
	}
	return out
}
