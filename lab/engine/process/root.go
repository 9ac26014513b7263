package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// prepare makes the folder, or refuses one that somebody else could have prepared: what a stranger owns or may write to
// could be exchanged under our hands, and what others may list or read tells them of our labs.
func prepare(folder string, agents account) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("find the folder of process labs: %w", err)
	}
	mode := passable(agents)
	if err := os.Mkdir(folder, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of process labs: %w: let TMPDIR name a folder that you may write to", err)
	}
	if err := inspect(folder, mode); err != nil {
		return "", err
	}
	if err := os.Chmod(folder, mode); err != nil { // the umask may have taken from it
		return "", fmt.Errorf("open the folder of process labs: %w", err)
	}
	if agents.other {
		return folder, enterable(filepath.Dir(folder))
	}
	return folder, nil
}

// passable is the mode of a folder that agents must come through, and nobody else may look into.
func passable(agents account) fs.FileMode {
	if agents.other {
		return 0o711
	}
	return 0o700
}

func inspect(folder string, most fs.FileMode) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return fmt.Errorf("look at the folder of process labs: %w", err)
	}
	mend := fmt.Sprintf("see who made it, then remove it (`rm -r %s`), or let TMPDIR name another folder", folder)
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder, but %s: %s", folder, info.Mode().Type(), mend)
	case !known || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user: %s", folder, mend)
	case info.Mode().Perm()&^most != 0:
		return fmt.Errorf("%s is open to others (mode %04o): %s", folder, info.Mode().Perm(), mend)
	}
	return nil
}

// enterable returns why the agents' user cannot get as far as that folder.
func enterable(folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return fmt.Errorf("look at the folder above process labs: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("agents do not run as root, and only root may enter %s: let TMPDIR name a folder that everybody may enter, such as /tmp", folder)
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}
