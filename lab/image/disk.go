package image

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// spaceNeed is the space that is needed in a folder, which may not exist yet.
type spaceNeed struct {
	what  string
	path  string
	bytes uint64
}

// checkSpace returns ErrNoSpace if a file system has less free space than all needs on it together. alternative is what the
// user can do instead.
func checkSpace(needs []spaceNeed, instead string) error {
	byDevice := map[uint64][]spaceNeed{}
	for _, n := range needs {
		n.path = nearestFolder(n.path)
		var stat unix.Stat_t
		if err := unix.Stat(n.path, &stat); err != nil {
			return fmt.Errorf("look at the disk of %s: %w", n.path, err)
		}
		byDevice[uint64(stat.Dev)] = append(byDevice[uint64(stat.Dev)], n)
	}
	var problems []error
	for _, together := range byDevice {
		problems = append(problems, checkDevice(together, instead))
	}
	return errors.Join(problems...)
}

// checkDevice is checkSpace for needs on one file system.
func checkDevice(needs []spaceNeed, instead string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(needs[0].path, &stat); err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", needs[0].path, err)
	}
	free := uint64(stat.Bavail) * uint64(stat.Bsize)
	var sum uint64
	var parts []string
	for _, n := range needs {
		sum += n.bytes
		parts = append(parts, fmt.Sprintf("%s for %s (%s)", gigabytes(n.bytes), n.what, n.path))
	}
	if free >= sum {
		return nil
	}
	return fmt.Errorf("%w: %s free where %s are needed: %s. Free some space, or %s",
		ErrNoSpace, gigabytes(free), gigabytes(sum), strings.Join(parts, ", "), instead)
}

// nearestFolder returns the nearest existing folder, upwards from path.
func nearestFolder(path string) string {
	for {
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func gigabytes(bytes uint64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
