package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
)

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [NAME]",
		Short: "Say who gets into a cluster and who does not, with the evidence",
		Long: `check tries every front door of a lab's agents (HTTP, RPC, Raft, gossip, the network between
them) with every kind of stranger, and whether they have formed a cluster, and says which
promises hold and which are broken. Every refusal is compared with the same attempt with the
one thing put right. It leaves the lab as it was.

With --server-config and --client-config it brings up a cluster that runs a copy of your own
agent configuration, checks that, and removes it. What a lab cannot have of it is replaced, and
the report lists each such line. With --lock it compares the posture with the one that you have
committed, and says which promise a change has lost or gained, and by which line.

With --addr it checks a cluster that nomadlab did not start: only with what leaves no trace,
and without certificates that only the cluster's authority could make. It asks first which
versions of Nomad there are, and says so. It sends reads, and beside them only requests of which
it was verified that each of these versions refuses them without effect; all else is skipped, for
that reason. A token is sent to those agents alone whose certificate is for the host of the
address, for server.REGION.nomad at a server, or for the name that --tls-server-name gives; never
in the clear. Agents are called directly, whatever HTTP_PROXY and HTTPS_PROXY say.

It exits with 0 when every promise held that applies, with 1 when one is broken, with 3 when
none is but some could not be tried, as an agent does not answer. What is skipped, for a
reason that is given, makes no difference. With --lock it exits with 0 when the posture is the
lock's, with 1 when it is weaker, with 3 when that could not be told, and with 4 when it is only
stronger, so that the lock is out of date. With --update it writes the lock, and exits with 0.`,
		Example: `  nomadlab check
  nomadlab check demo --only raft,gossip -v
  nomadlab check --only 'rpc-refuses-*'
  nomadlab check --out report              # report/index.html, report.json, junit.xml, report.md
  nomadlab check --format markdown > summary.md
  nomadlab check --server-config server.d --client-config client.d
  nomadlab check --server-config server.hcl --lock posture.lock.yaml --update
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
			case f.config.given():
				return a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.checkConfiguration(cmd, e, f) })(cmd, args)
			case len(f.remote.Addresses) > 0:
				return a.check(cmd, f, func(ctx context.Context, o inspect.Options) (finding.Report, error) {
					return inspect.Cluster(ctx, f.cluster(), o)
				})
			default:
				return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error { return a.checkLab(cmd, args, e, f) })(cmd, args)
			}
		}),
	}
	f.add(cmd)
	return cmd
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
	r, err := a.found(cmd, f, func(ctx context.Context, _ *progress, o inspect.Options) (finding.Report, error) {
		return inspected(ctx, o)
	})
	if err != nil && len(r.Findings) == 0 {
		return err
	}
	if err := errors.Join(f.tell(a.console(cmd), r), err); err != nil {
		return err
	}
	return passOn(proved(r), nil)
}

// found carries out the checks, and shows meanwhile how far they are.
func (a *app) found(cmd *cobra.Command, f checkFlags, inspected func(context.Context, *progress, inspect.Options) (finding.Report, error)) (finding.Report, error) {
	p := newProgress(a.console(cmd).errs)
	p.doing("check", "checking")
	o := inspect.Options{Only: f.only, SafeOnly: f.safe, Quick: f.quick, NoMatrix: f.bare}
	o.Tell = p.counting()
	r, err := inspected(cmd.Context(), p, o)
	p.stop()
	if err == nil && cmd.Context().Err() != nil {
		err = fmt.Errorf("%w", cmd.Context().Err())
	}
	return r, err
}

// proved is the exit code of what was found.
func proved(r finding.Report) int {
	all := finding.Summarize(r.Findings)
	if r.Matrix != nil {
		for _, row := range r.Matrix.Rows {
			for _, cell := range row.Cells {
				all = all.With(cell.Result)
			}
		}
	}
	switch {
	case all.Fail > 0:
		return exitFailed
	case all.Inconclusive > 0 || all.Pass == 0:
		return exitUnproved
	default:
		return exitFine
	}
}

// listChecks lists the catalogue.
func (a *app) listChecks(cmd *cobra.Command, f checkFlags) error {
	all, err := f.chosen()
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(all))
	for _, check := range all {
		s := check.Spec()
		rows = append(rows, []string{s.ID, string(s.Plane), string(s.Kind), string(s.Severity), s.Title})
	}
	a.console(cmd).out.grid([]string{"CHECK", "PLANE", "KIND", "SEVERITY", "PROMISE"}, rows)
	return nil
}
