package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// CopyIn writes files into the node's folder. It follows no link out of that folder, which a task may have made.
func (e *Engine) CopyIn(ctx context.Context, r engine.Ref, files []engine.File) error {
	if err := errors.Join(e.copyIn(r, files), ctx.Err()); err != nil {
		return fmt.Errorf("copy files into %s: %w", r, e.explain(err))
	}
	return nil
}

func (e *Engine) copyIn(r engine.Ref, files []engine.File) error {
	n, err := e.record(r)
	if err != nil {
		return err
	}
	home := e.run(n.Run).home(n.Node)
	root, err := os.OpenRoot(home)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, f := range files {
		name, err := filepath.Rel(home, f.Path)
		if err != nil || !filepath.IsAbs(f.Path) || !filepath.IsLocal(name) {
			return fmt.Errorf("file %s is not below %s, where it has to be", f.Path, home)
		}
		if name == "." {
			continue // the folder itself, which exists
		}
		user := n.account(e.users)
		if n.OwnersGiven {
			user.uid, user.gid = f.Owner, f.Owner
		}
		if f.Mode.IsDir() {
			err = replaceFolder(root, name, f, user)
		} else {
			err = replaceFile(root, name, f, user)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", engine.ErrNotFound, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// temporaryName returns a name that no file has.
func temporaryName() string { return ".nomadlab-" + rand.Text() }

// replaceFolder makes a folder, or gives an existing one its mode and owner.
func replaceFolder(root *os.Root, name string, f engine.File, user account) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(give(folder, f.Mode, user), folder.Close())
}

// replaceFile writes a file under another name and renames it, so that a reader sees the old content or the new one.
func replaceFile(root *os.Root, name string, f engine.File, user account) error {
	fresh := filepath.Join(filepath.Dir(name), temporaryName())
	write := func() error {
		file, err := root.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = file.Write(f.Data)
		return errors.Join(err, give(file, f.Mode, user), file.Close())
	}
	var err error
	if f.Mode&0o111 != 0 {
		err = betweenForks(write)
	} else {
		err = write()
	}
	if err == nil {
		err = root.Rename(fresh, name)
	}
	if err != nil {
		if left := root.Remove(fresh); !errors.Is(left, fs.ErrNotExist) {
			err = errors.Join(err, left)
		}
	}
	return err
}

// give gives an open file or folder its owner and mode.
func give(file *os.File, mode fs.FileMode, user account) error {
	if user.isOther {
		if err := file.Chown(user.uid, user.gid); err != nil {
			return err
		}
	}
	return file.Chmod(mode.Perm())
}
