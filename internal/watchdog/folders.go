package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// removeFolders returns how many of the folders were there.
func removeFolders(folders []string) (int, error) {
	found := 0
	var failed []error
	for _, folder := range folders {
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		found++
		if err := unmountBelow(folder); err != nil {
			failed = append(failed, fmt.Errorf("keep folder %s, something is mounted in it: %w", folder, err))
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			failed = append(failed, fmt.Errorf("remove folder %s: %w", folder, err))
		}
	}
	return found, errors.Join(failed...)
}
