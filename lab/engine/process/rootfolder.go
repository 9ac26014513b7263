package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// prepareRoot makes the engine's folder and returns its path without links. It returns an error for a folder that another
// user owns or may write to, because that user could replace it, and for one that others may list or read.
func prepareRoot(folder string, separate bool) (string, error) {
	folder, err := resolve(folder)
	if err != nil {
		return "", fmt.Errorf("find the folder of process labs: %w: let TMPDIR name a folder that is there", err)
	}
	if err := checkAncestors(filepath.Dir(folder)); err != nil {
		return "", err
	}
	mode := folderMode(separate)
	if err := os.Mkdir(folder, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of process labs: %w: let TMPDIR name a folder that you may write to", err)
	}
	if err := checkRoot(folder, mode); err != nil {
		return "", err
	}
	if err := os.Chmod(folder, mode); err != nil { // the umask may have removed bits
		return "", fmt.Errorf("open the folder of process labs: %w", err)
	}
	if separate {
		return folder, checkEnterable(filepath.Dir(folder))
	}
	return folder, nil
}

// resolve returns a folder's path with the links in its parent resolved. The folder itself need not exist, and is not
// resolved: it must not be a link.
func resolve(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	above, err := filepath.EvalSymlinks(filepath.Dir(folder))
	return filepath.Join(above, filepath.Base(folder)), err
}

// checkAncestors returns an error if another user could rename a folder or one above it. In a sticky folder, such as /tmp,
// users can rename only what they own.
func checkAncestors(folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		info, err := os.Lstat(folder)
		if err != nil {
			return fmt.Errorf("look at the folder above process labs: %w", err)
		}
		const mend = "and could put something else in the place of process labs: let TMPDIR name a folder where no other user can, such as /tmp"
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

// folderMode returns the mode of a folder that only the caller may list, and that other users may pass through if nodes have
// users of their own.
func folderMode(separate bool) fs.FileMode {
	if separate {
		return 0o711
	}
	return 0o700
}

// checkRoot returns an error if the folder is another user's, or has more permissions than most.
func checkRoot(folder string, most fs.FileMode) error {
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

// checkEnterable returns an error if the nodes' users cannot enter that folder.
func checkEnterable(folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return fmt.Errorf("look at the folder above process labs: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("agents do not run as root, and only root may enter %s: let TMPDIR name a folder that every user may enter, such as /tmp", folder)
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}
