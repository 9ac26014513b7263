package tlsfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Most is how many files of one folder Paths lists.
const Most = 2000

// ErrTooMany is returned, wrapped, by Paths for a folder with more than Most files.
var ErrTooMany = errors.New("too many files")

// Paths returns the files in a folder and in the folders below it, in the order of their names. It follows symbolic links, and
// lists each folder once, so that links cannot lead it in a circle. errs has an *fs.PathError for each folder that cannot be
// listed and for each link that leads nowhere; the other files are returned all the same. A file may be of any kind: a reader
// must expect pipes and devices.
func Paths(folder string) (paths []string, errs []error) {
	l := listing{}
	l.add(folder)
	if l.cut {
		l.errs = append(l.errs, fmt.Errorf("%s has %w, more than %d: name the folder of the certificates alone", folder, ErrTooMany, Most))
	}
	return l.paths, l.errs
}

// listing is what Paths has found.
type listing struct {
	paths []string
	errs  []error
	seen  []fs.FileInfo
	cut   bool
}

// add lists one folder.
func (l *listing) add(folder string) {
	info, err := os.Stat(folder)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	if slices.ContainsFunc(l.seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
		return
	}
	l.seen = append(l.seen, info)
	entries, err := os.ReadDir(folder)
	if err != nil {
		l.errs = append(l.errs, err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		info, err := os.Stat(path)
		switch {
		case l.cut:
			return
		case err != nil:
			l.errs = append(l.errs, err)
		case info.IsDir():
			l.add(path)
		case len(l.paths) == Most:
			l.cut = true
		default:
			l.paths = append(l.paths, path)
		}
	}
}

// Same reports whether two paths lead to one file.
func Same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
