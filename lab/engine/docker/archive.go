package docker

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"strings"

	"nomadlab.internal/lab/engine"
)

// pack puts files into one archive, so that a node costs one call to the daemon.
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
