package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// writeFiles writes files below a folder, with their modes whatever the umask. It returns an error for a path outside.
func writeFiles(folder string, files []engine.File) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, f := range files {
		name, err := filepath.Rel(folder, f.Path)
		if err != nil || !filepath.IsAbs(f.Path) || !filepath.IsLocal(name) {
			return fmt.Errorf("file %s is not below %s, where it has to be", f.Path, folder)
		}
		if name == "." {
			continue // the folder itself, which exists
		}
		if err := writeFile(root, name, f); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(root *os.Root, name string, f engine.File) error {
	folder := filepath.Dir(name)
	if f.Mode.IsDir() {
		folder = name
	}
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if !f.Mode.IsDir() {
		write := func() error { return root.WriteFile(name, f.Data, 0o600) }
		if f.Mode&0o111 != 0 {
			plain := write
			write = func() error { return betweenForks(plain) }
		}
		if err := write(); err != nil {
			return err
		}
	}
	return root.Chmod(name, f.Mode.Perm())
}

// betweenForks calls a function that writes a program, while this process starts no other. A process that is started has all open
// files until it runs its own program, and a program that is open for writing cannot be run: "text file busy" (golang/go#22315).
func betweenForks(write func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return write()
}

// chownAll gives everything in the node's folder to the node's user, the folder itself last. If the node asked for a user,
// its files keep their own owners.
func chownAll(home string, user account, n engine.Node) error {
	owners := map[string]int{}
	if n.User != "" {
		for _, f := range n.Files {
			owners[filepath.Clean(f.Path)] = f.Owner
		}
	}
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == home {
			return err
		}
		if owner, named := owners[path]; named {
			return os.Lchown(path, owner, owner)
		}
		return os.Lchown(path, user.uid, user.gid)
	})
	if err == nil {
		err = os.Lchown(home, user.uid, user.gid)
	}
	if err != nil {
		return fmt.Errorf("give the node's files to user %d: %w", user.uid, err)
	}
	return nil
}

// CopyOut returns the files in a folder of the node. It follows no link out of the node's folder, which a task may have made.
func (e *Engine) CopyOut(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
	files, err := e.copyOut(ctx, r, folder)
	if err != nil {
		return nil, fmt.Errorf("copy %s out of %s: %w", folder, r, err)
	}
	return files, nil
}

func (e *Engine) copyOut(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
	n, err := e.record(r)
	if err != nil {
		return nil, err
	}
	inside, err := filepath.Rel(e.run(n.Run).home(n.Node), folder)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(e.run(n.Run).home(n.Node))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), inside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", engine.ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	var files []engine.File
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		f, err := readFile(root, path.Join(inside, entry.Name()))
		if err != nil {
			return nil, err
		}
		f.Path = path.Join(folder, entry.Name())
		files = append(files, f)
	}
	return files, ctx.Err()
}

func readFile(root *os.Root, name string) (engine.File, error) {
	// A task may have replaced the file with a pipe that has no writer.
	opened, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return engine.File{}, err
	}
	defer func() { _ = opened.Close() }()
	info, err := opened.Stat()
	if err != nil {
		return engine.File{}, err
	}
	data, err := io.ReadAll(io.LimitReader(opened, engine.CopyOutLimit+1))
	if err != nil {
		return engine.File{}, err
	}
	if len(data) > engine.CopyOutLimit {
		return engine.File{}, fmt.Errorf("%s is larger than %d MiB", name, engine.CopyOutLimit>>20)
	}
	f := engine.File{Mode: info.Mode().Perm(), Data: data}
	if owner, known := info.Sys().(*syscall.Stat_t); known {
		f.Owner = int(owner.Uid)
	}
	return f, nil
}
