package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
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
		Short: "Check what a cluster lets in, with evidence",
		Long: `check calls every endpoint of a lab's agents (HTTP, RPC, Raft, gossip, the network between them)
with every kind of caller, and looks whether the agents have formed a cluster. It says which checks
pass and which fail. Each refusal is compared with the same call with the one thing put right.
check leaves the lab as it was.

With --server-config and --client-config it brings up a cluster that runs a copy of your own agent
configuration, checks that, and removes it. Lines that a lab cannot have are replaced, and the
report lists each. With --lock it compares the posture with the lock file that you have committed,
and says which checks a change made fail or pass, and by which line.

With --addr it checks a cluster that nomadlab did not start. It makes no certificates, and it sends
only reads, and requests that every Nomad version of the cluster is verified to refuse without
effect; other checks are skipped with that reason. It asks for the versions first. A token is sent
only to agents whose certificate is for the host of the address, for server.REGION.nomad at a
server, or for the name in --tls-server-name; never without TLS. Agents are called directly,
whatever HTTP_PROXY and HTTPS_PROXY say.

It exits with 0 if every check passes, with 1 if one fails, with 3 if none fails but some are
inconclusive, for example because an agent does not answer. Skipped checks, each with its reason,
do not count. It also exits with 3 if all checks are skipped, or if no agent answers at all.
With --lock it exits with 0 if the posture is the lock's, with 1 if it is weaker, with 3 if that is
not known, and with 4 if it is only stronger, so that the lock is out of date. With --update it
exits with 0 once it has written the lock.`,
		Example: `  nomadlab check
  nomadlab check demo --only raft,gossip -v
  nomadlab check --only 'rpc-refuses-*'
  nomadlab check --out report              # report/index.html, report.txt, report.json, junit.xml, report.md
  nomadlab check --format markdown > summary.md
  nomadlab check --server-config server.d --client-config client.d
  nomadlab check --server-config server.hcl --lock posture.lock.yaml --update
  nomadlab check --addr https://10.0.0.5:4646 --ca ca.pem --cert cli.pem --key cli-key.pem`,
		ValidArgsFunction: a.completeLabs(1),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(cmd, args); err != nil {
				return err
			}
			return optionalName(cmd, args)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error { return a.runCheckCommand(cmd, args, f) }),
	}
	f.add(cmd)
	return cmd
}

// runCheckCommand lists the checks, or checks a cluster by its addresses, a configuration, or a lab.
func (a *app) runCheckCommand(cmd *cobra.Command, args []string, f checkFlags) error {
	switch {
	case f.list:
		return a.listChecks(cmd, f)
	case len(f.remote.Addresses) > 0:
		return a.check(cmd, f, func(ctx context.Context, _ *progress, o inspect.Options) (finding.Report, error) {
			return inspect.Cluster(ctx, f.cluster(), o)
		})
	default:
		return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			if f.config.given() {
				return a.checkConfiguration(cmd, e, f)
			}
			l, err := open(cmd, e, first(args))
			if err != nil {
				return err
			}
			return a.check(cmd, f, func(ctx context.Context, _ *progress, o inspect.Options) (finding.Report, error) {
				return inspect.Lab(ctx, l, o)
			})
		})(cmd, args)
	}
}

// checkRun runs checks with the options, and may show its own progress.
type checkRun func(context.Context, *progress, inspect.Options) (finding.Report, error)

// check runs the checks, and prints and writes the report.
func (a *app) check(cmd *cobra.Command, f checkFlags, run checkRun) error {
	r, err := a.runChecks(cmd, f, run)
	if err != nil && len(r.Findings) == 0 {
		return err
	}
	if err := errors.Join(f.output(a.console(cmd), r), err); err != nil {
		return err
	}
	return passOn(resultCode(r), nil)
}

// runChecks runs checks with the flags' options, and shows their progress.
func (a *app) runChecks(cmd *cobra.Command, f checkFlags, run checkRun) (finding.Report, error) {
	p := newProgress(a.console(cmd).errs)
	p.doing("check", "checking")
	o := inspect.Options{Only: f.only, SafeOnly: f.safe, Quick: f.quick, NoMatrix: f.bare, Tell: p.counting()}
	r, err := run(cmd.Context(), p, o)
	p.stop()
	if err == nil && cmd.Context().Err() != nil {
		err = fmt.Errorf("%w", cmd.Context().Err())
	}
	return r, err
}

// resultCode returns the exit code of a report's results.
func resultCode(r finding.Report) int {
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
	rows := make([]table.Row, 0, len(all))
	for _, check := range all {
		s := check.Spec()
		rows = append(rows, table.Row{s.ID, s.Plane, s.Kind, s.Severity, s.Title})
	}
	a.console(cmd).out.grid([]string{"CHECK", "PLANE", "KIND", "SEVERITY", "TITLE"}, rows)
	return nil
}

// checkConfiguration checks a cluster with the user's configuration, and compares its posture with the lock.
func (a *app) checkConfiguration(cmd *cobra.Command, e *engines.Set, f checkFlags) error {
	source, err := regress.Read(f.config.paths)
	if err != nil {
		return err
	}
	c := a.console(cmd)
	locked, err := f.readLock(c)
	if err != nil {
		return err
	}
	c.note(e.Note())
	o, err := f.config.options(cmd, e)
	if err != nil {
		return err
	}
	r, err := a.runChecks(cmd, f, func(ctx context.Context, p *progress, i inspect.Options) (finding.Report, error) {
		o.Inspect, o.Progress = i, p.event
		return regress.Check(ctx, o, source)
	})
	if err != nil {
		if len(r.Findings) > 0 { // the cluster could not be removed, for example
			err = errors.Join(f.output(c, r), err)
		}
		return err
	}
	posture := lock.Of(r)
	if locked != nil {
		compared := lock.CompareLock(*locked, posture, f.lock)
		r.Comparison = &compared
	}
	if err := f.output(c, r); err != nil {
		return err
	}
	if err := annotate(c, r); err != nil {
		return err
	}
	if f.update {
		return f.writeLock(c, posture)
	}
	return passOn(comparisonCode(r), nil)
}

// readLock reads the lock before anything is started. It returns nil if there is none to compare with.
func (f checkFlags) readLock(c console) (*lock.Posture, error) {
	if f.lock == "" {
		return nil, nil //nolint:nilnil // without a lock nothing is compared
	}
	text, err := userfile.Read(f.lock)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.update:
		return nil, nil //nolint:nilnil // it is written for the first time
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s does not exist: write it with --update, read it, and commit it", lock.ErrLock, f.lock)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", lock.ErrLock, err)
	}
	if f.update && !lock.Is(text) {
		return nil, fmt.Errorf("%w: %s is no lock file, and is not replaced: name another file, or remove this one", lock.ErrLock, f.lock)
	}
	p, err := lock.ReadLock(f.lock, text)
	if err != nil && f.update && !errors.Is(err, lock.ErrOldVersion) {
		c.note(err.Error() + ": it is written anew, and compared with nothing")
		return nil, nil //nolint:nilnil // as the error advises
	}
	return &p, err
}

// writeLock writes the lock, completely or not at all.
func (f checkFlags) writeLock(c console, p lock.Posture) error {
	err := writeWhole(f.lock, func(w io.Writer) error {
		_, err := w.Write(p.Lock())
		return err
	})
	if err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	c.errs.printf("wrote %s: read what has changed in it, and commit it", f.lock)
	return nil
}

// annotate prints the changes as annotations of the lines that caused them, if GitHub Actions runs this.
func annotate(c console, r finding.Report) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	return report.Annotations(c.errs, r)
}

// comparisonCode returns the exit code of a comparison, or of the results if there is none.
func comparisonCode(r finding.Report) int {
	if r.Comparison == nil {
		return resultCode(r)
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
