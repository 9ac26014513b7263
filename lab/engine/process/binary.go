package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// checkProgram returns an error if path is not the absolute path of an executable file.
func checkProgram(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("image %q is not the absolute path of a binary, which is what this engine runs", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("binary: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("binary %s is no program (mode %s)", path, info.Mode())
	}
	return nil
}

// programFor returns the path at which nodes can execute the program. If they have other users than the caller, those may
// not be able to enter its folder, such as root's own cache: programFor then links or copies it into the run's folder, once
// a run. name is the program's, which the process list shows, and by which Nomad starts itself again.
func (e *Engine) programFor(r run, program, name string) (string, error) {
	if !e.users.separate {
		return program, nil
	}
	e.binaryMu.Lock()
	defer e.binaryMu.Unlock()
	sum := sha256.Sum256([]byte(program))
	folder := r.own(binFolder, hex.EncodeToString(sum[:8]))
	target := filepath.Join(folder, name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	for _, f := range []string{r.own(binFolder), folder} {
		if err := makeFolder(f, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	if err := linkOrCopy(program, target); err != nil {
		return "", fmt.Errorf("link or copy %s to where agents may run it: %w", program, err)
	}
	return target, nil
}

// linkOrCopy links the program, or copies it if it is on another disk or other users may not execute it.
func linkOrCopy(program, target string) error {
	program, err := filepath.EvalSymlinks(program)
	if err != nil {
		return err
	}
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	if others := fs.FileMode(0o005); info.Mode().Perm()&others == others && os.Link(program, target) == nil {
		return nil
	}
	fresh := target + ".new"
	if err := betweenForks(func() error { return copyProgram(program, fresh) }); err != nil {
		return err
	}
	return errors.Join(os.Chmod(fresh, 0o755), os.Rename(fresh, target))
}

// copyProgram copies a file. It leaves nothing behind if it fails.
func copyProgram(program, fresh string) error {
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}
