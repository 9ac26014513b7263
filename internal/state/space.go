package state

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/spec"
)

// folderSpace is what a lab's folder may take: keys and certificates are small, logs are not.
const folderSpace = 32 << 20

// CheckSpace returns ErrNoSpace when the file system of labs' folders has no room for another.
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

// OutOfSpace returns the error as one that wraps ErrNoSpace too, if it is that of a disk that filled up in the middle.
func OutOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", spec.ErrNoSpace, err)
	}
	return err
}
