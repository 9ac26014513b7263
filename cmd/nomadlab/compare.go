package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/spec"
)

// compareFlags are the flags of `compare`.
type compareFlags struct {
	sources          []string
	password         string
	servers, clients int
	nomad            nomadFlags
	json             bool
}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Check the same lab with certificates from each source, side by side",
		Long: `compare brings up a hardened lab for each source of certificates, one after the other, runs every
check and the whole matrix, removes the lab, and shows the results side by side: how many checks pass
with each source, and which do not.

cfssl-as-published and vault-as-published follow the widely read guides to the letter, with a gossip
key of 16 bytes: what fails there is what the guides leave weak. vault builds Vault, which takes some
minutes, if it is not cached and no registry has it.

It exits as check does: with 0 if every check passes with every source, with 1 if one fails, with 3
if none fails but some are inconclusive.`,
		Example: `  nomadlab compare
  nomadlab compare --authority builtin,nomad
  nomadlab compare --authority cfssl,cfssl-as-published
  nomadlab compare --authority builtin,./certs --json`,
		Args: noArguments(": name the sources with --authority"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.compare(cmd, e, f) }),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.sources, "authority", spec.Sources(), "the sources: builtin, nomad, cfssl, vault, cfssl-as-published, vault-as-published, or folders")
	flags.StringVar(&f.password, "password-file", "", "file with the password of the folders' PKCS#12 files")
	flags.IntVar(&f.servers, "servers", 3, "servers of each lab")
	flags.IntVar(&f.clients, "clients", 1, "clients of each lab")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	f.nomad.add(cmd)
	published := []string{spec.CFSSLSource + asPublished, spec.VaultSource + asPublished}
	mustComplete(cmd, "authority", cobra.FixedCompletions(slices.Concat(spec.Sources(), published), cobra.ShellCompDirectiveDefault))
	return cmd
}

// asPublished ends the name of a source that follows its guide to the letter.
const asPublished = "-as-published"

// guidesGossipKey is the length of the gossip key in the guides, in bytes.
const guidesGossipKey = 16

// spec returns the lab of a source.
func (f compareFlags) spec(source string, nomad spec.Nomad) spec.Spec {
	s := spec.Spec{Name: "compare-" + random(), Nomad: nomad, Hardened: true}
	s.Authority.Source = source
	for _, known := range []string{spec.CFSSLSource, spec.VaultSource} {
		if source == known+asPublished {
			s.Authority, s.GossipKeyBytes = spec.Authority{Source: known, AsPublished: true}, guidesGossipKey
		}
	}
	if s.Authority.Folder() != "" {
		s.Authority.PasswordFile = f.password
	}
	return s.With(spec.Servers(f.servers), spec.Clients(f.clients))
}

// compared is the posture of one source.
type compared struct {
	Source string `json:"authority"`
	// Ready is how long the lab took to be ready.
	Ready time.Duration `json:"ready_ns"`
	// Checks and Cells count the results of the checks and of the matrix.
	Checks finding.Summary `json:"checks"`
	Cells  finding.Summary `json:"matrix_cells"`
	// Others are the checks and the rows of the matrix that do not pass, with the worst result and its reason.
	Others map[string]notPassed `json:"not_passed"`
	code   int
}

// notPassed is the result of a check that does not pass.
type notPassed struct {
	Result finding.Result `json:"result"`
	Reason string         `json:"reason"`
}

func (a *app) compare(cmd *cobra.Command, e *engines.Set, f compareFlags) error {
	nomad, err := f.nomad.over(cmd, spec.Nomad{})
	if err != nil {
		return err
	}
	labs := make([]spec.Spec, 0, len(f.sources))
	for _, source := range f.sources {
		s := f.spec(source, nomad)
		if err := s.Validate(); err != nil {
			return fmt.Errorf("authority %s: %w", source, err)
		}
		labs = append(labs, s)
	}
	var all []compared
	for i, source := range f.sources {
		one, err := a.compareOne(cmd, e, source, labs[i])
		if err != nil {
			return errors.Join(a.showCompared(cmd, all, f.json), fmt.Errorf("authority %s: %w", source, err))
		}
		all = append(all, one)
	}
	code := exitFine
	for _, one := range all {
		if one.code == exitFailed || code == exitFine {
			code = one.code
		}
	}
	return passOn(code, a.showCompared(cmd, all, f.json))
}

// compareOne checks a lab of one source, and removes it.
func (a *app) compareOne(cmd *cobra.Command, e *engines.Set, source string, s spec.Spec) (compared, error) {
	c := a.console(cmd)
	c.errs.printf("authority %s", c.errs.bold(source))
	l, took, err := bringUp(cmd.Context(), c, e, s, lab.UpOptions{})
	if err != nil {
		return compared{}, err
	}
	r, err := a.runChecks(cmd, checkFlags{}, func(ctx context.Context, _ *progress, o inspect.Options) (finding.Report, error) {
		return inspect.Lab(ctx, l, o)
	})
	if err = errors.Join(err, removeNow(cmd.Context(), l)); err != nil {
		return compared{}, interrupted(cmd.Context(), l.Name(), err)
	}
	out := compared{Source: source, Ready: took, Checks: finding.Summarize(r.Findings), Others: map[string]notPassed{}, code: resultCode(r)}
	for _, found := range r.Findings {
		out.note(found.ID, found.Result, found.Reason)
	}
	if r.Matrix != nil {
		for _, row := range r.Matrix.Rows {
			for _, cell := range row.Cells {
				out.Cells = out.Cells.With(cell.Result)
				out.note("row "+row.Certificate+" of the matrix", cell.Result, cell.Reason)
			}
		}
	}
	return out, nil
}

// note notes a result that is not a pass; the worst of several stays.
func (c *compared) note(id string, result finding.Result, reason string) {
	if before, is := c.Others[id]; result == finding.Pass || is && finding.Worse(before.Result, result) == before.Result {
		return
	}
	c.Others[id] = notPassed{result, reason}
}

// showCompared prints the sources side by side, and the checks that do not pass with all of them.
func (a *app) showCompared(cmd *cobra.Command, all []compared, asJSON bool) error {
	c := a.console(cmd)
	if asJSON {
		return c.out.json(all)
	}
	if len(all) == 0 {
		return nil
	}
	rows, ids := make([]table.Row, 0, len(all)), []string{}
	for _, one := range all {
		rows = append(rows, table.Row{
			one.Source, brief(one.Ready), one.Checks.Pass, orDashNumber(one.Checks.Fail), orDashNumber(one.Checks.Inconclusive), orDashNumber(one.Checks.Skipped),
			fmt.Sprintf("%d of %d", one.Cells.Pass, one.Cells.Total()), orDashNumber(one.Cells.Fail),
		})
		for id := range one.Others {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	c.out.grid([]string{"AUTHORITY", "READY IN", "PASS", "FAIL", "INCONCLUSIVE", "SKIPPED", "MATRIX PASSES", "MATRIX FAILS"}, rows)
	if len(ids) == 0 {
		c.out.printf("\nevery check and every cell of the matrix passes with each of them")
		return nil
	}
	slices.Sort(ids)
	c.out.printf("\nwhat does not pass with each of them")
	for _, group := range groupCompared(all, ids) {
		c.out.printf("  %s", c.out.wrapped(group, "      "))
	}
	return nil
}

// mostReasons is for how many reasons of one source the checks are listed.
const mostReasons = 8

// groupCompared returns a line for each reason, with the source and the checks.
func groupCompared(all []compared, ids []string) []string {
	var out []string
	for _, one := range all {
		reasons, byReason := []string{}, map[string][]string{}
		for _, id := range ids {
			if other, is := one.Others[id]; is {
				key := string(other.Result) + ": " + other.Reason
				if byReason[key] == nil {
					reasons = append(reasons, key)
				}
				byReason[key] = append(byReason[key], id)
			}
		}
		if len(reasons) > mostReasons {
			out = append(out, fmt.Sprintf("%s: %d checks and rows of the matrix, for %d reasons, which --json lists; the first is %s", one.Source, len(one.Others), len(reasons), reasons[0]))
			continue
		}
		for _, reason := range reasons {
			out = append(out, fmt.Sprintf("%s %s: %s", one.Source, reason, strings.Join(byReason[reason], ", ")))
		}
	}
	return out
}

// orDashNumber returns a number, or a dash for zero.
func orDashNumber(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
