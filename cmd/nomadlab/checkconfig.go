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
