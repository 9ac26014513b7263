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

// copyOutLimit bounds a file that is held in memory.
const copyOutLimit = 16 << 20

// CopyOut reads below the node's own folder alone: a task may have put a link there that leads out of it.
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
	// A task may have put a pipe in the place of the file, which nobody ever writes to.
	opened, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return engine.File{}, err
	}
	defer func() { _ = opened.Close() }()
	info, err := opened.Stat()
	if err != nil {
		return engine.File{}, err
	}
	data, err := io.ReadAll(io.LimitReader(opened, copyOutLimit+1))
	if err != nil {
		return engine.File{}, err
	}
	if len(data) > copyOutLimit {
		return engine.File{}, fmt.Errorf("%s is larger than %d MiB", name, copyOutLimit>>20)
	}
	f := engine.File{Mode: info.Mode().Perm(), Data: data}
	if owner, known := info.Sys().(*syscall.Stat_t); known {
		f.Owner = int(owner.Uid)
	}
	return f, nil
}
