package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
	"nomadlab.internal/lab/report"
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

// checkConfiguration brings up a cluster with the user's configuration, checks it, and compares it with the lock.
func (a *app) checkConfiguration(cmd *cobra.Command, e *engines.Set, f checkFlags) error {
	source, err := regress.Read(f.config.paths)
	if err != nil {
		return err
	}
	locked, err := f.readLock()
	if err != nil {
		return err
	}
	c := a.console(cmd)
	if e.Note() != "" {
		c.errs.printf("%s %s", c.errs.uneasy("note:"), e.Note())
	}
	o, err := f.config.options(cmd, e)
	if err != nil {
		return err
	}
	found, err := a.found(cmd, f, func(ctx context.Context, p *progress, i inspect.Options) (finding.Report, error) {
		o.Inspect, o.Progress = i, p.event
		return regress.Check(ctx, o, source)
	})
	if err != nil {
		if len(found.Findings) > 0 { // as where the cluster could not be removed
			err = errors.Join(f.tell(c, found), err)
		}
		return err
	}
	posture := lock.Of(found)
	if locked != nil {
		compared := lock.CompareLock(*locked, posture, f.lock)
		found.Comparison = &compared
	}
	if err := f.tell(c, found); err != nil {
		return err
	}
	if err := annotate(c, found); err != nil {
		return err
	}
	if f.update {
		return f.writeLock(c, posture)
	}
	return passOn(compared(found), nil)
}

// readLock reads the lock before anything is started. Nil: there is none to compare with.
func (f checkFlags) readLock() (*lock.Posture, error) {
	if f.lock == "" {
		return nil, nil //nolint:nilnil // without a lock nothing is compared
	}
	text, err := userfile.Read(f.lock)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.update:
		return nil, nil //nolint:nilnil // it is being written for the first time
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no %s yet: write it with --update, look at it, and commit it", lock.ErrLock, f.lock)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", lock.ErrLock, err)
	}
	p, err := lock.ReadLock(f.lock, text)
	if err != nil && f.update {
		return nil, nil //nolint:nilnil // what cannot be read is written anew, which is what the error advises
	}
	return &p, err
}

// writeLock writes the lock, whole or not at all.
func (f checkFlags) writeLock(c console, p lock.Posture) error {
	err := writeWhole(f.lock, func(w io.Writer) error {
		_, err := w.Write(p.Lock())
		return err
	})
	if err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	c.errs.printf("wrote %s: look at what has changed in it, and commit it", f.lock)
	return nil
}

// annotate tells GitHub, where it runs this, of what has changed, at the lines that did it.
func annotate(c console, r finding.Report) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	return report.Annotations(c.errs, r)
}

// compared is the exit code of what was found, beside a lock where there is one.
func compared(r finding.Report) int {
	if r.Comparison == nil {
		return proved(r)
	}
	code := exitFine
	for _, change := range r.Comparison.Changes {
		switch {
		case change.Direction == finding.Weaker:
			return exitFailed
		case change.Direction == finding.Stronger && code == exitFine:
			code = exitOutdated
		case change.Direction != finding.Stronger:
			code = exitUnproved
		}
	}
	return code
}
