package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

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
		Short: "Weaken your agent configuration one step at a time, and say who notices",
		Long: `mutate takes your agent configuration apart: it weakens it by one setting, certificate or file
at a time, has an agent of a real cluster run each such mutation, and says which check killed it:
which promise is broken there that held before. Mutations that show at one agent share a cluster,
and one that is not killed there gets one of its own. What survives is what you could change by
mistake without any check telling you. Mutations that are known to change nothing are run as well,
and every check must see the very same of them.

Your files are read and never written to: mutations are copies. It takes some minutes: --only and
--jobs say how many.

It exits with 0 when every mutation that an agent starts with was killed by a check that names the
setting, or opens what such a check finds open without it, with 1 when one survived, was killed for another reason, could not be tried, or changed
something though it was taken for equivalent, with 2 for what you can put right, with 3 when none
of those that weaken applies.`,
		Example: `  nomadlab mutate --server-config server.d --client-config client.d
  nomadlab mutate --server-config server.hcl --only 'server-tls-*' --jobs 2
  nomadlab mutate --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return usagef(cmd, "it takes no arguments: name the configuration with --server-config and --client-config")
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
	f.config.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "only the mutations with these IDs, or patterns of them")
	flags.IntVar(&f.jobs, "jobs", 0, "clusters at the same time (default: two for each processor)")
	flags.BoolVar(&f.list, "list", false, "list the mutations, those that a lab can carry among them")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVarP(&f.all, "verbose", "v", false, "show every check that was broken by a mutation, and what does not apply")
	return cmd
}

// listMutations lists what there is.
func (a *app) listMutations(cmd *cobra.Command, f mutateFlags) error {
	chosen, err := mutation.Match(mutation.All(), f.only...)
	if err != nil {
		return err
	}
	out := a.console(cmd).out
	if f.json {
		return out.json(mutationsAsJSON(chosen))
	}
	var rows [][]string
	for _, m := range mutationsAsJSON(chosen) {
		kind := "weakens"
		if m.Equivalent != "" {
			kind = "changes nothing"
		}
		rows = append(rows, []string{m.ID, kind, strings.Join(m.For, ", "), m.Change})
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
	if e.Note() != "" {
		c.errs.printf("%s %s", c.errs.uneasy("note:"), e.Note())
	}
	p := newProgress(c.errs)
	p.doing("base", "checking the configuration itself")
	watch := &mutationWatch{console: c, progress: p}
	o.Begun, o.Tell = watch.begin, watch.take
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

// mutantsCode is the exit code of a run.
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

// mutantWatch tells how far a run is.
type mutationWatch struct {
	console
	progress *progress
	began    time.Time
	of, done int
}

// begin is told how many there are.
func (w *mutationWatch) begin(count int, base finding.Report) {
	w.began, w.of = time.Now(), count
	w.progress.done(fmt.Sprintf("the configuration itself: %s", finding.Summarize(base.Findings)))
	w.progress.doing("mutations", fmt.Sprintf("mutations: 0 of %d", count))
}

// take is told of each mutation.
func (w *mutationWatch) take(r regress.Result) {
	w.done++
	left := (time.Since(w.began) / time.Duration(w.done) * time.Duration(w.of-w.done)).Round(time.Second)
	if r.Fate != regress.Inapplicable {
		by := ""
		if len(r.By) > 0 {
			by = " by " + r.By[0]
		}
		w.progress.done(fmt.Sprintf("%d of %d, about %s left  %s: %s%s", w.done, w.of, left, r.Mutation.ID, r.Fate, by))
	}
	if w.errs.terminal {
		w.progress.doing("mutations", fmt.Sprintf("mutations: %d of %d, about %s left", w.done, w.of, left))
	}
}

// mutations is what a person reads of a run.
func (c console) mutations(run regress.MutationRun, all bool) {
	counts := map[regress.Fate]int{}
	var rows [][]string
	for _, r := range run.Results {
		counts[r.Fate]++
		if r.Fate == regress.Inapplicable && !all {
			continue
		}
		rows = append(rows, []string{c.fate(r.Fate), r.Mutation.ID, r.Mutation.String(), tellBy(r, all)})
		if all && r.Apart != "" {
			rows = append(rows, []string{"", "", "", c.out.faint("tried apart: " + r.Apart)})
		}
	}
	c.out.grid([]string{"FATE", "MUTANT", "CHANGE", "BY"}, rows)
	c.out.printf("")
	killed, of := run.Score()
	c.out.printf("%s of %d mutations that weaken it were killed by a check that names the setting, in %s", c.out.bold(fmt.Sprint(killed)), of, brief(run.Took))
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
		c.out.printf("besides: %s", strings.Join(words, ", "))
	}
}

// fate is a fate with its colour.
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

// tellBy says who noticed, or why nobody had to.
func tellBy(r regress.Result, all bool) string {
	switch {
	case r.Fate == regress.Equivalent:
		return r.Reason
	case len(r.By) == 0:
		return r.Reason
	case all:
		return strings.Join(r.By, ", ")
	case len(r.By) > 1:
		return fmt.Sprintf("%s and %d more", r.By[0], len(r.By)-1)
	default:
		return r.By[0]
	}
}

// mutationJSON is a mutation of the table for programs.
type mutationJSON struct {
	ID       string   `json:"id"`
	Change   string   `json:"change"`
	Settings []string `json:"settings,omitempty"`
	// Equivalent says why it changes nothing. Empty: it weakens.
	Equivalent string `json:"equivalent,omitempty"`
	// For are the commands that take it: mutate, up.
	For []string `json:"for"`
}

func mutationsAsJSON(all []mutation.Mutation) []mutationJSON {
	out := make([]mutationJSON, 0, len(all))
	for _, m := range all {
		row := mutationJSON{ID: m.ID, Change: m.String(), Settings: m.Settings, Equivalent: m.Equivalent, For: []string{}}
		if m.OfConfiguration() {
			row.For = append(row.For, "mutate")
		}
		if m.OfLab() == "" {
			row.For = append(row.For, "up")
		}
		out = append(out, row)
	}
	return out
}

// mutationResultJSON is a result for programs.
type mutationResultJSON struct {
	ID       string       `json:"id"`
	Change   string       `json:"change"`
	Settings []string     `json:"settings"`
	Fate     regress.Fate `json:"fate"`
	By       []string     `json:"by,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	// Whole is true where the whole posture was tried.
	Whole bool `json:"whole"`
	// Apart says why it was tried in a cluster of its own after one that it shared.
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
			ID: r.Mutation.ID, Change: r.Mutation.String(), Settings: r.Mutation.Settings, Fate: r.Fate, By: r.By, Reason: r.Reason,
			Whole: r.Whole, Apart: r.Apart, Seconds: r.Took.Seconds(),
		})
	}
	return out
}
