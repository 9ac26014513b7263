package agentconf

import (
	"errors"
	"strings"

	"nomadlab.internal/lab/agentconf/model"
)

// Files are the configuration of an agent in the order in which Nomad merges it. Zero: an agent without configuration,
// which has Nomad's defaults.
//
// Its methods return what the files say, merged as Nomad 1.11.3 merges them (package model). They do not return Nomad's
// defaults. Paths are those of Edit. A name may be in quotes, and must be if it contains dots:
// client.options."driver.allowlist". As in Nomad, the case of a setting's name does not count, and that of a label or of
// a map's key does. Methods without an error ignore invalid paths, and files that Nomad cannot read; use Check for those.
//
// Of the blocks of consul and vault, methods return the values of the cluster without a name, and the lines of all.
type Files []File

// InFolder reports whether Nomad loads a file of that name from a folder that is given with -config: *.hcl and *.json,
// but no temporary files of editors (command/agent/config.go:3143 and :3219 of Nomad 1.11.3). A file that is itself given
// with -config is loaded whatever its name is.
func InFolder(name string) bool {
	temporary := strings.HasSuffix(name, "~") || strings.HasPrefix(name, ".#") || (strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"))
	return !temporary && (strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".json"))
}

// Check returns why Nomad cannot read the files: an error for each such file, with its name, the line, the column, and
// Nomad's words.
func (f Files) Check() error {
	var errs []error
	for _, file := range f {
		errs = append(errs, file.check())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := f.merged()
	return err
}

// Line is a place of a setting in a file.
type Line struct {
	// File is the name of the file.
	File string
	// Number counts from 1.
	Number int
	// Value is the literal as it is written, and "{ … }" for a block.
	Value string
}

// Lookup returns every place of the setting, in the order in which Nomad merges them, also those that a later one
// overrides. Each block of a name is a place.
func (f Files) Lookup(path string) []Line {
	names, err := parsePath(path)
	if err != nil {
		return nil
	}
	var out []Line
	for i, t := range f.readable() {
		for _, p := range t.root.places(queryOf(names)) {
			out = append(out, f[i].line(t, p))
		}
	}
	return out
}

// Labels returns the labels of the blocks of that path, such as plugin or client.host_volume, each once, in the order of
// the files.
func (f Files) Labels(path string) []string {
	return f.inside(path, func(a, b string) bool { return a == b })
}

// Names returns the names of the settings and blocks directly in the blocks of that path, each once, in the order of the
// files and as they are first written. The empty path is the top. In a map, such as client.meta, names that differ only
// in case are different.
func (f Files) Names(path string) []string {
	names, _ := parsePath(path)
	if setting, _ := model.Find(names); setting.IsMap() {
		return f.inside(path, func(a, b string) bool { return a == b })
	}
	return f.inside(path, strings.EqualFold)
}

func (f Files) inside(path string, same func(a, b string) bool) []string {
	var names, out []string
	if path != "" {
		var err error
		if names, err = parsePath(path); err != nil {
			return nil
		}
	}
	for _, t := range f.readable() {
		out = append(out, t.root.inside(queryOf(names))...)
	}
	return unique(out, same)
}

// trees returns the texts as Nomad reads them.
func (f Files) trees() ([]*tree, error) {
	out := make([]*tree, len(f))
	for i, file := range f {
		var err error
		if out[i], err = file.tree(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readable returns the texts as Nomad reads them, and an empty one for each text that cannot be read.
func (f Files) readable() []*tree {
	out := make([]*tree, len(f))
	for i, file := range f {
		t, err := file.parsed()
		if err != nil {
			t = &tree{root: &body{}}
		}
		out[i] = t
	}
	return out
}
