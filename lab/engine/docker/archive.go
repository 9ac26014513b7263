package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"nomadlab.internal/lab/engine"
)

// pack returns a tar archive of the files, so that one request to the daemon copies all of them.
func pack(files []engine.File) (io.Reader, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{
			Name:     strings.TrimPrefix(f.Path, "/"),
			Mode:     int64(f.Mode.Perm()),
			Uid:      f.Owner,
			Gid:      f.Owner,
			Size:     int64(len(f.Data)),
			Typeflag: tar.TypeReg,
			Format:   tar.FormatPAX,
		}
		if f.Mode&fs.ModeDir != 0 {
			h.Typeflag, h.Name, h.Size = tar.TypeDir, h.Name+"/", 0
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	return &buf, w.Close()
}

// unpack returns the regular files that are directly in a folder, from an archive that the daemon made of it. Names in
// the archive begin with the folder's base name.
func unpack(archive io.Reader, folder string) ([]engine.File, error) {
	var files []engine.File
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		inside, name := path.Split(h.Name)
		if h.Typeflag != tar.TypeReg || path.Clean(inside) != path.Base(folder) {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(r, engine.CopyOutLimit+1))
		if err != nil {
			return nil, err
		}
		if len(data) > engine.CopyOutLimit {
			return nil, fmt.Errorf("%s is larger than %d MiB", h.Name, engine.CopyOutLimit>>20)
		}
		files = append(files, engine.File{Path: path.Join(folder, name), Mode: h.FileInfo().Mode().Perm(), Owner: h.Uid, Data: data})
	}
}

// onlyFile returns the content of the regular file from which the daemon made an archive.
func onlyFile(archive io.Reader) ([]byte, error) {
	r := tar.NewReader(archive)
	if h, err := r.Next(); err != nil {
		return nil, err
	} else if h.Typeflag != tar.TypeReg || h.Size > engine.CopyOutLimit {
		return nil, fmt.Errorf("%s is no regular file, or is larger than %d MiB", h.Name, engine.CopyOutLimit>>20)
	}
	return io.ReadAll(r)
}
