package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
)

const (
	// largestFile is what may be copied for a command: files go through memory.
	largestFile = 256 << 20
	// copied is the folder that stands for this machine where a command runs. An image's own folders may be closed to the
	// command's user, as /root is, and are not to be written into.
	copied = "/copied"
)

// takeAlong puts the files of this machine that a call's arguments name below the folder copied, and makes the arguments
// name them there. Relative names are meant from the call's folder and stay as they are, as the command then runs in
// below that folder. What names no regular file is not an error: it is an argument like any other.
func takeAlong(c lab.Call) (lab.Call, error) {
	args := slices.Clone(c.Args)
	for i, arg := range args {
		name := fileName(arg)
		at, regular := regularFile(c.Folder, name)
		if !regular {
			continue
		}
		if filepath.IsAbs(name) {
			args[i] = strings.TrimSuffix(arg, name) + below(name)
		}
		if slices.ContainsFunc(c.Files, func(f engine.File) bool { return f.Path == below(at) }) {
			continue
		}
		data, err := read(at)
		if err != nil {
			return lab.Call{}, fmt.Errorf("copy a file into the lab: %w", err)
		}
		c.Files = append(c.Files, engine.File{Path: below(at), Mode: 0o444, Data: data})
	}
	c.Args, c.Folder = args, below(c.Folder)
	return c, nil
}

// regularFile is where the file of that name is, if it is one.
func regularFile(folder, name string) (at string, regular bool) {
	if name == "" || name == "-" {
		return "", false
	}
	if at = name; !filepath.IsAbs(at) {
		at = filepath.Join(folder, at)
	}
	info, err := os.Stat(at)
	return at, err == nil && info.Mode().IsRegular()
}

func read(at string) ([]byte, error) {
	info, err := os.Stat(at)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestFile {
		return nil, fmt.Errorf("%s has %d MB, and at most %d can be copied", at, info.Size()>>20, largestFile>>20)
	}
	return os.ReadFile(at)
}

// below is where an absolute path of this machine is where a command runs.
func below(at string) string { return path.Join(copied, filepath.ToSlash(at)) }

// fileName is the part of an argument that can name a file, which is its end: FILE, -flag=FILE, @FILE.
func fileName(arg string) string {
	if strings.HasPrefix(arg, "-") && arg != "-" {
		_, arg, _ = strings.Cut(arg, "=")
	}
	return strings.TrimPrefix(arg, "@")
}
