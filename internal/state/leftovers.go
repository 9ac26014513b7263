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

// RemoveLeftovers removes the folders, with keys in them, whose owner is dead and of whose run the engine has nothing.
// Those of labs that are being started are left alone: a folder looks the same before its owner has locked it.
func RemoveLeftovers(runs map[string]bool) error {
	return exclusively(func() error {
		if err := tidyLocks(); err != nil {
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

// cannotRunAgain is true for the folder of a lab without containers whose nodes' files are gone, as after a reboot: nothing of
// it can ever run again.
func (f Folder) cannotRunAgain() bool {
	r, err := f.Read()
	if err != nil || !filepath.IsAbs(r.Site) || f.Condition() != Kept {
		return false
	}
	_, err = os.Stat(filepath.Join(r.Site, r.Run))
	return errors.Is(err, fs.ErrNotExist)
}

// RemoveComposeLeftovers removes the keys of labs that Compose brought up and took down again. Opening such a lab, should it come
// back, fetches them anew.
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

// tidyLocks removes the reservations of starts that were killed; those that stay are held. Nobody else may look at them.
func tidyLocks() error {
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
