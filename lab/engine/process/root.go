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
// could be exchanged under our hands, and what others may list or read tells them of our labs. It returns the folder's path
// without links, which could be exchanged too.
func prepare(folder string, apart bool) (string, error) {
	folder, err := resolve(folder)
	if err != nil {
		return "", fmt.Errorf("find the folder of process labs: %w: let TMPDIR name a folder that is there", err)
	}
	if err := undisturbed(filepath.Dir(folder)); err != nil {
		return "", err
	}
	mode := passable(apart)
	if err := os.Mkdir(folder, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of process labs: %w: let TMPDIR name a folder that you may write to", err)
	}
	if err := inspect(folder, mode); err != nil {
		return "", err
	}
	if err := os.Chmod(folder, mode); err != nil { // the umask may have taken from it
		return "", fmt.Errorf("open the folder of process labs: %w", err)
	}
	if apart {
		return folder, enterable(filepath.Dir(folder))
	}
	return folder, nil
}

// resolve follows the links on the way to a folder that need not be there, but not the folder itself: that must be none.
func resolve(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	above, err := filepath.EvalSymlinks(filepath.Dir(folder))
	return filepath.Join(above, filepath.Base(folder)), err
}

// undisturbed returns why somebody else could rename what is on the way to a folder, that folder included. In one that is
// sticky, as /tmp is, they can rename only what they own.
func undisturbed(folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		info, err := os.Lstat(folder)
		if err != nil {
			return fmt.Errorf("look at the folder above process labs: %w", err)
		}
		const mend = "and could put something else in the place of process labs: let TMPDIR name a folder where nobody can, such as /tmp"
		stat, known := info.Sys().(*syscall.Stat_t)
		switch {
		case !known || stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
			return fmt.Errorf("%s belongs to another user, who could rename what is in it %s", folder, mend)
		case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
			return fmt.Errorf("%s is writable by others and not sticky (mode %04o): they could rename what is in it %s", folder, info.Mode().Perm(), mend)
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}

// passable is the mode of a folder that nobody else may look into, and that agents come through where they are other users.
func passable(apart bool) fs.FileMode {
	if apart {
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
