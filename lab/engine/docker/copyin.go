package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// CopyIn copies files into the node's container. If the node runs, it copies each under another name and renames it, because
// the daemon first removes a file that it replaces.
func (e *Engine) CopyIn(ctx context.Context, r engine.Ref, files []engine.File) error {
	if err := e.replace(ctx, r, files, nil); err != nil {
		return fmt.Errorf("copy files into %s: %w", r, err)
	}
	return nil
}

// program is a file that is copied from this machine's disk.
type program struct {
	path string
	from *os.File
	size int64
}

// replace copies files, and a program if there is one, which becomes executable and root's.
func (e *Engine) replace(ctx context.Context, r engine.Ref, files []engine.File, p *program) error {
	name := containerName(r.Lab, r.Node)
	inspected, err := e.client.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if err != nil {
		return explain(err)
	}
	if err := e.checkFolders(ctx, name, files); err != nil {
		return err
	}
	state := inspected.Container.State
	var moves []move
	if state != nil && state.Running && !state.Paused {
		files, moves = underOtherNames(files)
		if p != nil {
			other := *p
			other.path = besides(p.path)
			p, moves = &other, append(moves, move{other.path, p.path})
		}
	}
	if err := e.send(ctx, name, files, p); err != nil {
		return err
	}
	return e.rename(ctx, r, moves)
}

// checkFolders returns an error that wraps engine.ErrNotFound if a folder is missing that no earlier file is: the daemon would
// make it.
func (e *Engine) checkFolders(ctx context.Context, container string, files []engine.File) error {
	there := map[string]bool{"/": true}
	for _, f := range files {
		if !path.IsAbs(f.Path) {
			return fmt.Errorf("the path %q is not absolute", f.Path)
		}
		if folder := path.Dir(path.Clean(f.Path)); !there[folder] {
			s, err := e.client.ContainerStatPath(ctx, container, client.ContainerStatPathOptions{Path: folder})
			if err != nil {
				return fmt.Errorf("the folder %s of %s: %w", folder, path.Base(f.Path), explain(err))
			}
			if !s.Stat.Mode.IsDir() && s.Stat.Mode&fs.ModeSymlink == 0 {
				return fmt.Errorf("the folder %s of %s is none", folder, path.Base(f.Path))
			}
			there[folder] = true
		}
		if f.Mode.IsDir() {
			there[path.Clean(f.Path)] = true
		}
	}
	return nil
}

// move is a file's temporary name and its own.
type move struct{ from, to string }

// besides returns a name in the same folder that no file has.
func besides(file string) string {
	return path.Join(path.Dir(file), ".nomadlab-"+rand.Text())
}

// underOtherNames returns the files with temporary names, and how to rename them. Folders keep their names.
func underOtherNames(files []engine.File) ([]engine.File, []move) {
	files = slices.Clone(files)
	var moves []move
	for i := range files {
		if f := &files[i]; !f.Mode.IsDir() {
			moves = append(moves, move{besides(f.Path), path.Clean(f.Path)})
			f.Path = moves[len(moves)-1].from
		}
	}
	return files, moves
}

// send copies files, and a program if there is one, into a container.
func (e *Engine) send(ctx context.Context, container string, files []engine.File, p *program) error {
	archive, err := pack(files)
	if err != nil {
		return fmt.Errorf("pack them: %w", err)
	}
	if p != nil {
		archive = p.archive()
	}
	_, err = e.client.CopyToContainer(ctx, container, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	return explain(err)
}

// archive returns a tar archive of the program, which it reads while it is read itself: a program can be large.
func (p *program) archive() io.Reader {
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	_ = w.WriteHeader(&tar.Header{Name: p.path[1:], Mode: 0o755, Size: p.size, Typeflag: tar.TypeReg, Format: tar.FormatPAX}) // into memory
	const block = 512
	end := make([]byte, 2*block+(block-p.size%block)%block)
	return io.MultiReader(&head, io.LimitReader(p.from, p.size), bytes.NewReader(end))
}

// rename gives files their own names. Without capabilities, not even root may write to another user's folder: it runs mv as the
// owner of each folder. If it fails it removes what is left under a temporary name.
func (e *Engine) rename(ctx context.Context, r engine.Ref, moves []move) error {
	byFolder := map[string][]string{}
	var folders []string
	for _, m := range moves {
		folder := path.Dir(m.to)
		if _, known := byFolder[folder]; !known {
			folders = append(folders, folder)
		}
		byFolder[folder] = append(byFolder[folder], m.from, m.to)
	}
	const script = `code=0
while [ $# -gt 0 ]; do
	if [ -d "$2" ]; then echo "$2 is a folder" >&2; false; else mv -f "$1" "$2"; fi || { code=1; rm -f "$1"; }
	shift 2
done
exit $code`
	for _, folder := range folders {
		owner, err := e.owner(ctx, r, folder)
		if err != nil {
			return err
		}
		var said bytes.Buffer
		args := append([]string{shell, "-c", script, "rename"}, byFolder[folder]...)
		code, err := e.exec(ctx, r, owner, engine.Command{Args: args, Streams: engine.Streams{Stdout: &said, Stderr: &said}})
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("replace files in %s: mv ended with code %d: %s", folder, code, bytes.TrimSpace(said.Bytes()))
		}
	}
	return nil
}

// owner returns the user and group that a folder belongs to. The archive that the daemon makes of it begins with the folder.
func (e *Engine) owner(ctx context.Context, r engine.Ref, folder string) (string, error) {
	out, err := e.client.CopyFromContainer(ctx, containerName(r.Lab, r.Node), client.CopyFromContainerOptions{SourcePath: path.Join(folder, ".")})
	if err != nil {
		return "", fmt.Errorf("owner of %s: %w", folder, explain(err))
	}
	h, err := tar.NewReader(out.Content).Next()
	if err = errors.Join(err, out.Content.Close()); err != nil {
		return "", fmt.Errorf("owner of %s: %w", folder, err)
	}
	return strconv.Itoa(h.Uid) + ":" + strconv.Itoa(h.Gid), nil
}
