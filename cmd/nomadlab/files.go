package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/engine"
)

// largestFile is what may be copied for a command: files go through memory.
const largestFile = 256 << 20

// namedFiles returns the files of this machine that a command's arguments name, to be put at the same absolute path
// where it runs. Relative names are meant from folder. What names no regular file is not an error: it is an argument
// like any other.
func namedFiles(folder string, args []string) ([]engine.File, error) {
	var files []engine.File
	var seen []string
	for _, arg := range args {
		path := fileName(arg)
		if path == "" || path == "-" {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || slices.Contains(seen, path) {
			continue
		}
		if info.Size() > largestFile {
			return nil, fmt.Errorf("copy %s into the lab: it has %d MB, and at most %d can be copied", path, info.Size()>>20, largestFile>>20)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("copy a file into the lab: %w", err)
		}
		seen = append(seen, path)
		files = append(files, engine.File{Path: filepath.ToSlash(path), Mode: 0o444, Data: data})
	}
	return files, nil
}

// fileName is the part of an argument that can name a file: FILE, -flag=FILE, @FILE.
func fileName(arg string) string {
	if strings.HasPrefix(arg, "-") && arg != "-" {
		_, arg, _ = strings.Cut(arg, "=")
	}
	return strings.TrimPrefix(arg, "@")
}
