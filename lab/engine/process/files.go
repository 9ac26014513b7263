package process

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nomadlab.internal/lab/engine"
)

// lay puts files below a folder, whatever the umask, and nothing outside of it.
func lay(folder string, files []engine.File) error {
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
			continue // the folder itself, which is ours to make
		}
		if err := layOne(root, name, f); err != nil {
			return err
		}
	}
	return nil
}

func layOne(root *os.Root, name string, f engine.File) error {
	folder := filepath.Dir(name)
	if f.Mode.IsDir() {
		folder = name
	}
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if !f.Mode.IsDir() {
		if err := root.WriteFile(name, f.Data, 0o600); err != nil {
			return err
		}
	}
	return root.Chmod(name, f.Mode.Perm())
}

// give makes all that is in the node's folder the node's user's, the folder itself last. Files have an owner of their own
// where the node asked for a user.
func give(home string, user account, n engine.Node) error {
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
