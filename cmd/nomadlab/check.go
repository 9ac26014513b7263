package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/report"
)

// checkFlags are the flags of `check`.
type checkFlags struct {
	only                             []string
	list, quick, safe, bare, verbose bool
	formats                          []string
	out                              string
	remote                           inspect.Remote
}

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [NAME]",
		Short: "Say who gets into a cluster and who does not, with the evidence",
		Long: `check tries every front door of a lab's agents (HTTP, RPC, Raft, gossip, the network between
them) with every kind of stranger, and says which promises hold and which are broken. Every
refusal is compared with the same attempt with the one thing put right. It leaves the lab as
it was.

With --addr it checks a cluster that nomadlab did not start: only with what leaves no trace,
and without certificates that only the cluster's authority could make.

It exits with 0 when every promise holds that could be tried, with 1 when one is broken, with
3 when none is but some could not be tried.`,
		Example: `  nomadlab check
  nomadlab check demo --only raft,gossip -v
  nomadlab check --only 'rpc-refuses-*'
  nomadlab check --out report              # report/index.html, report.json, junit.xml, report.md
  nomadlab check --format markdown > summary.md
  nomadlab check --addr https://10.0.0.5:4646 --ca ca.pem --cert cli.pem --key cli-key.pem`,
		ValidArgsFunction: a.completeLab(),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(cmd, args); err != nil {
				return err
			}
			return optionalName(cmd, args)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			switch {
			case f.list:
				return a.listChecks(cmd, f)
			case len(f.remote.Addresses) > 0:
				return a.check(cmd, f, func(ctx context.Context, o inspect.Options) (finding.Report, error) {
					return inspect.Cluster(ctx, f.remote, o)
				})
			default:
				return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.checkLab(cmd, args, e, f) })(cmd, args)
			}
		}),
	}
	f.add(cmd)
	return cmd
}

// add adds the flags.
func (f *checkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "only these: planes, IDs of checks, patterns of IDs, or matrix")
	flags.BoolVar(&f.list, "list", false, "list the checks")
	flags.BoolVar(&f.quick, "quick", false, "leave out what waits for limits of time or uses up connections")
	flags.BoolVar(&f.safe, "safe", false, "leave out what has to clean up behind itself")
	flags.BoolVar(&f.bare, "no-matrix", false, "leave out the matrix of certificates and entries")
	flags.StringSliceVar(&f.formats, "format", nil, "what to print or write: "+strings.Join(formatNames(), ", "))
	flags.StringVar(&f.out, "out", "", "write the report into this folder, in all formats unless --format says which")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the evidence of each check")
	flags.StringSliceVar(&f.remote.Addresses, "addr", nil, "check the cluster of this agent, instead of a lab; may be repeated")
	flags.StringVar(&f.remote.CA, "ca", "", "with --addr: file of the authority's certificate")
	flags.StringVar(&f.remote.Certificate, "cert", "", "with --addr: file of your certificate")
	flags.StringVar(&f.remote.Key, "key", "", "with --addr: file of its key")
	flags.StringVar(&f.remote.TokenFile, "token-file", "", "with --addr: file of a management token")
	mustComplete(cmd, "format", fixed(formatNames()...))
	mustComplete(cmd, "only", completeChecks)
}

// validate tells what does not go together.
func (f *checkFlags) validate(cmd *cobra.Command, args []string) error {
	for _, name := range f.formats {
		if !slices.Contains(formatNames(), name) {
			return usagef(cmd, "--format is %q: use %s", name, strings.Join(formatNames(), ", "))
		}
	}
	remote := f.remote
	credentials := []string{remote.CA, remote.Certificate, remote.Key}
	switch {
	case len(f.formats) > 1 && f.out == "":
		return usagef(cmd, "several formats need a folder: add --out")
	case len(remote.Addresses) > 0 && len(args) > 0:
		return usagef(cmd, "a lab (%s) and --addr exclude each other", args[0])
	case len(remote.Addresses) > 0 && slices.Contains(credentials, ""):
		return usagef(cmd, "--addr needs --ca, --cert and --key: what is refused proves nothing unless somebody is let in")
	case len(remote.Addresses) == 0 && (remote.TokenFile != "" || slices.ContainsFunc(credentials, func(c string) bool { return c != "" })):
		return usagef(cmd, "--ca, --cert, --key and --token-file go with --addr: a lab's credentials are known")
	}
	return nil
}

// checkLab checks the lab that is meant.
func (a *app) checkLab(cmd *cobra.Command, args []string, e *engines.Set, f checkFlags) error {
	l, err := open(cmd, e, first(args))
	if err != nil {
		return err
	}
	return a.check(cmd, f, func(ctx context.Context, o inspect.Options) (finding.Report, error) { return inspect.Lab(ctx, l, o) })
}

// check carries out the checks, and tells what they found.
func (a *app) check(cmd *cobra.Command, f checkFlags, inspected func(context.Context, inspect.Options) (finding.Report, error)) error {
	c := a.console(cmd)
	p := newProgress(c.errs)
	p.doing("check", "checking")
	o := inspect.Options{Only: f.only, SafeOnly: f.safe, Quick: f.quick, NoMatrix: f.bare}
	done := 0
	o.Tell = func(finding.Finding) {
		done++
		p.doing("check", fmt.Sprintf("checking: %s", count(done, "finding")))
	}
	r, err := inspected(cmd.Context(), o)
	p.stop()
	if errors.Is(err, posture.ErrNoSuchCheck) {
		return asUsage(cmd, fmt.Errorf("--only: %w", err))
	}
	if err != nil {
		return err
	}
	if err := f.tell(c, r); err != nil {
		return err
	}
	if cmd.Context().Err() != nil {
		return fmt.Errorf("%w", cmd.Context().Err())
	}
	return passOn(proved(r), nil)
}

// proved is the exit code of what was found.
func proved(r finding.Report) int {
	all := finding.Summarize(r.Findings)
	if r.Matrix != nil {
		for _, row := range r.Matrix.Rows {
			for _, cell := range row.Cells {
				all = all.With(cell.Verdict)
			}
		}
	}
	switch {
	case all.Broken > 0:
		return exitFailed
	case all.NotCarriedOut > 0 || all.Held == 0:
		return exitUnproved
	default:
		return exitFine
	}
}

// listChecks lists the catalogue.
func (a *app) listChecks(cmd *cobra.Command, f checkFlags) error {
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return err
	}
	if all, err = posture.Choose(all, f.only...); err != nil {
		return asUsage(cmd, fmt.Errorf("--only: %w", err))
	}
	rows := make([][]string, 0, len(all))
	for _, check := range all {
		s := check.Spec()
		rows = append(rows, []string{s.ID, string(s.Plane), string(s.Kind), string(s.Severity), s.Title})
	}
	a.console(cmd).out.grid([]string{"CHECK", "PLANE", "KIND", "SEVERITY", "PROMISE"}, rows)
	return nil
}

// completeChecks completes planes and IDs of checks.
func completeChecks(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	words := []cobra.Completion{inspect.MatrixName}
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, check := range all {
		s := check.Spec()
		if plane := strings.ToLower(string(s.Plane)); !slices.Contains(words, plane) {
			words = append(words, plane)
		}
		words = append(words, cobra.CompletionWithDesc(s.ID, s.Title))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// formatNames are the names of the formats of a report.
func formatNames() []string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}
