package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// rootfs is everything in an image. Changes of this code require another layoutVersion.
type rootfs struct {
	part    Part
	program string // path of the part's static binary
	busybox busybox
	common  fs.FS // files that every image has
}

// entry is one file, folder or link of an image, owned by root.
type entry struct {
	header tar.Header
	source func() (io.ReadCloser, error) // nil: it has no content
}

// write writes the image's files as a tar archive, in a stable order and without times.
func (f rootfs) write(w io.Writer) error {
	entries, err := f.entries()
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, e := range entries {
		if err := e.write(archive); err != nil {
			return fmt.Errorf("put %s in the image: %w", e.header.Name, err)
		}
	}
	return archive.Close()
}

func (f rootfs) entries() ([]entry, error) {
	folders := map[string]int64{"tmp": 0o1777, "root": 0o700, "bin": 0o755}
	var files []entry
	err := fs.WalkDir(f.common, ".", func(name string, item fs.DirEntry, err error) error {
		if err == nil && !item.IsDir() {
			files = append(files, regular(name, 0o644, func() (io.ReadCloser, error) { return f.common.Open(name) }))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the image's files: %w", err)
	}
	for name, source := range map[string]string{strings.TrimPrefix(f.part.Path(), "/"): f.program, "bin/busybox": f.busybox.path} {
		files = append(files, regular(name, 0o755, func() (io.ReadCloser, error) { return os.Open(source) }))
	}
	for _, name := range f.busybox.applets {
		files = append(files, entry{header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "/bin/busybox", Mode: 0o777}})
	}
	for _, file := range files {
		for folder := path.Dir(file.header.Name); folder != "."; folder = path.Dir(folder) {
			if _, known := folders[folder]; !known {
				folders[folder] = 0o755
			}
		}
	}
	for name, mode := range folders {
		files = append(files, entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}})
	}
	// A folder's name is a prefix of the names in it, so it is sorted before them.
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.header.Name, b.header.Name) })
	return files, nil
}

func regular(name string, mode int64, source func() (io.ReadCloser, error)) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, source: source}
}

func (e entry) write(archive *tar.Writer) error {
	if e.source == nil {
		return archive.WriteHeader(&e.header)
	}
	content, err := e.source()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	file, ok := content.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return fmt.Errorf("its size is unknown")
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	e.header.Size = info.Size()
	if err := archive.WriteHeader(&e.header); err != nil {
		return err
	}
	_, err = io.Copy(archive, content)
	return err
}
