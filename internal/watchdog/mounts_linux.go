package watchdog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountBelow detaches every mount below the folder, the deepest first. A Nomad client that runs as root mounts a tmpfs
// for each task's secrets and binds host folders into a task's root (client/allocdir); after kill -9 those mounts stay,
// and removing files through them would remove the host's own.
func unmountBelow(folder string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("read the mount table: %w", err)
	}
	var failed []error
	for _, point := range slices.Backward(mountPoints(string(table))) {
		if point == trueFolder(folder) || !contains(trueFolder(folder), point) {
			continue
		}
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			failed = append(failed, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(failed...)
}

// trueFolder follows the links above the folder, as the mount table does, but not the folder itself: where that is a
// link, only the link is removed.
func trueFolder(folder string) string {
	clean := filepath.Clean(folder)
	return filepath.Join(realPath(filepath.Dir(clean)), filepath.Base(clean))
}

// mountPoints reads the fifth field of each line (proc_pid_mountinfo(5)), in the order in which they were mounted.
func mountPoints(table string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	return points
}
