package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// RemoveLeftovers removes the folders, with their keys, whose owner has ended and whose run is not among runs, the runs
// that engines have. It passes over labs that are being started: before its owner has locked it, such a folder looks
// abandoned.
func RemoveLeftovers(runs map[string]bool) error {
	return exclusively(func() error {
		if err := removeStaleLocks(); err != nil {
			return err
		}
		all, err := folders()
		for _, f := range all {
			if _, free := os.Lstat(reservationFile(f.LabName())); free == nil || runs[f.base()] {
				continue
			}
			if f.Condition() == Abandoned || f.cannotRunAgain() {
				err = errors.Join(err, f.Remove())
			}
		}
		if err != nil {
			return fmt.Errorf("remove what a killed start left: %w", err)
		}
		return nil
	})
}

// cannotRunAgain reports whether the lab ran without containers and its nodes' files are gone, as after a reboot.
func (f Folder) cannotRunAgain() bool {
	r, err := f.Read()
	if err != nil || !filepath.IsAbs(r.Site) || f.Condition() != Kept {
		return false
	}
	_, err = os.Stat(filepath.Join(r.Site, r.Run))
	return errors.Is(err, fs.ErrNotExist)
}

// RemoveComposeLeftovers removes the keys of labs of Compose whose run is not among runs. Opening such a lab again copies
// its keys anew.
func RemoveComposeLeftovers(runs map[string]bool) error {
	all, err := folders()
	if err != nil {
		return err
	}
	for _, f := range all {
		name, run, _ := strings.Cut(f.base(), ".")
		if run == ComposeRun(name) && !runs[f.base()] {
			if err := f.Remove(); err != nil {
				return fmt.Errorf("remove the keys of lab %s, which is gone: %w", name, err)
			}
		}
	}
	return nil
}

// removeStaleLocks removes the reservations of killed starts. The caller must be in exclusively.
func removeStaleLocks() error {
	entries, err := os.ReadDir(labsFolder())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), lockSuffix) {
			continue
		}
		lock := flock.New(filepath.Join(labsFolder(), entry.Name()))
		if held, err := lock.TryLock(); err == nil && held {
			_ = os.Remove(lock.Path())
		}
		_ = lock.Close()
	}
	return nil
}
