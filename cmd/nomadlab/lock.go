package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/regress/lock"
)

// lockCommand returns `lock`, whose subcommands work on lock files and start nothing.
func (a *app) lockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lock",
		Short:   "Work on the lock files of your configurations",
		Long:    `lock works on the lock files that "nomadlab check --lock FILE --update" writes. It starts no cluster.`,
		Example: `  nomadlab lock migrate posture.lock.yaml`,
		Args:    a.unknownCommand,
		RunE:    a.do(func(cmd *cobra.Command, _ []string) error { return cmd.Help() }),
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "migrate FILE…",
		Short: "Convert lock files of an older nomadlab, and keep their results",
		Long: `migrate converts lock files of version 1 to version 2, in place. Settings and results stay the same,
in the present words ("held" is pass, "broken" is fail, "not carried out" is inconclusive, the plane
"wire" is network). What failed still fails, so the next "nomadlab check --lock FILE" shows only what
has really changed.

A lock that was edited by hand, a newer one, and a file that is no lock are refused and stay as they
are. A lock of the present version stays as it is. Each file is replaced whole or not at all, and
keeps its mode.

It exits with 0 when all files are of the present version, with 2 when one was refused, with 1 when
one could not be written.`,
		Example: `  nomadlab lock migrate posture.lock.yaml
  nomadlab lock migrate clusters/*/posture.lock.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name the lock files to convert")
			}
			return nil
		},
		RunE: a.do(a.migrateLocks),
	})
	return cmd
}

// migrateLocks converts the files that args name, and tries all of them.
func (a *app) migrateLocks(cmd *cobra.Command, args []string) error {
	c := a.console(cmd)
	var errs []error
	for _, path := range args {
		if err := cmd.Context().Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		changed, err := migrateLock(path)
		switch {
		case err != nil:
			errs = append(errs, err)
		case changed:
			c.out.printf("%s: converted to the present version, with the same results", path)
		default:
			c.out.printf("%s: has the present version already", path)
		}
	}
	return errors.Join(errs...)
}

// migrateLock converts one file in its place, if it is of an older version.
func migrateLock(path string) (changed bool, err error) {
	content, err := userfile.Read(path)
	if err != nil {
		return false, fmt.Errorf("%w: %w", lock.ErrLock, err)
	}
	migrated, changed, err := lock.Migrate(path, content)
	if err != nil || !changed {
		return false, err
	}
	at, err := filepath.EvalSymlinks(path) // the file is replaced, not the link to it
	if err != nil {
		return false, err
	}
	info, err := os.Stat(at)
	if err != nil {
		return false, err
	}
	if err := replaceFile(at, info.Mode().Perm(), migrated); err != nil {
		return false, fmt.Errorf("%s is as it was: %w", path, err)
	}
	return true, nil
}

// replaceFile writes the content beside the file and renames it, so that the file has its old or its new content at any time.
func replaceFile(path string, mode fs.FileMode, content []byte) (err error) {
	part, err := os.CreateTemp(filepath.Dir(path), ".nomadlab-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	_, err = part.Write(content)
	if err := errors.Join(err, part.Chmod(mode), part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}
