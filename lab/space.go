package lab

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/spec"
)

// ErrNoSpace is returned when the disk of the lab's folder is too full for a lab. It is an ErrInvalid.
const ErrNoSpace = spec.InputError("not enough disk space")

// folderSpace is what a lab's folder may take: keys and certificates are small, logs are not.
const folderSpace = 32 << 20

// checkSpace returns ErrNoSpace when a folder's file system has no room for a lab's folder.
func checkSpace(path string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", path, err)
	}
	if free := stat.Bavail * uint64(stat.Bsize); free < folderSpace {
		return fmt.Errorf("%w: %s has %d MiB left, a lab needs %d for its keys and logs: free some, or let XDG_STATE_HOME name a folder elsewhere",
			ErrNoSpace, path, free>>20, folderSpace>>20)
	}
	return nil
}

// outOfSpace makes a full disk plain that filled up in the middle.
func outOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
