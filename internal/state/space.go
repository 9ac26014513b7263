package state

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/spec"
)

// folderSpace is the free space in bytes that a lab's folder needs, mostly for logs.
const folderSpace = 32 << 20

// CheckSpace returns ErrNoSpace if the file system of the folder of labs has no room for another lab.
func CheckSpace() error {
	path := labsFolder()
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", path, err)
	}
	if free := stat.Bavail * uint64(stat.Bsize); free < folderSpace {
		return fmt.Errorf("%w: %s has %d MiB left, a lab needs %d for its keys and logs: free some, or let XDG_STATE_HOME name a folder elsewhere",
			spec.ErrNoSpace, path, free>>20, folderSpace>>20)
	}
	return nil
}

// OutOfSpace returns err, wrapped in ErrNoSpace if it says that a disk is full.
func OutOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", spec.ErrNoSpace, err)
	}
	return err
}
