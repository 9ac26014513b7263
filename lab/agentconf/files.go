package agentconf

import (
	"errors"
	"strings"

	"nomadlab.internal/lab/agentconf/model"
)

// Files are an agent's configuration in the order in which Nomad merges it. Zero: an agent without any, which has
// Nomad's defaults.
//
// What reads them says what the files say, merged as Nomad 1.11.3 does (package model), not what Nomad's default is where
// they say nothing. Paths are those of Edit; besides, a name may stand in quotes, as one with dots in it must:
// client.options."driver.allowlist". Nomad does not look at the case of a setting's name, and neither does Files; that of a
// label and of a map's key counts. A path that is none, and a file that Nomad could not read, are passed over where no error
// is returned: Check has them.
//
// Of blocks of consul and vault the cluster without a name is read; lines are those of all.
type Files []File

// InFolder says whether Nomad loads a file of that name from a folder that it is given with -config: it takes *.hcl and
// *.json, sorted by name, none from folders inside, and none that an editor left behind (command/agent/config.go:3143 and
// :3219 of Nomad 1.11.3). A file that is given itself is loaded whatever its name is.
func InFolder(name string) bool {
	temporary := strings.HasSuffix(name, "~") || strings.HasPrefix(name, ".#") || (strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"))
	return !temporary && (strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".json"))
}

// Check returns what keeps Nomad from reading the files: an error for each such file, with its name, the line and the
// column, and Nomad's words.
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

// Line is a place where a setting stands.
type Line struct {
	// File is the name of the file.
	File string
	// Number counts from 1.
	Number int
	// Value is the literal as it stands there. That of a block is "{ … }".
	Value string
}

// Lookup returns every place where the setting stands, in the order in which Nomad merges them: also one that a later one
// outdoes. Blocks of one name are a place each.
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

// Labels are those of the blocks with a label of that path, such as plugin and client.host_volume, each once, in the
// order in which they stand.
func (f Files) Labels(path string) []string {
	return f.inside(path, func(a, b string) bool { return a == b })
}

// Names are the names of the settings and blocks which stand directly in the blocks of that path, each once, in the order
// in which they stand, and as they are first written. With an empty path, they are those of the top. In a map, such as
// client.meta, two names that differ by their case are two.
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

// trees are the texts as Nomad reads them.
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

// readable are the texts that can be read. One that cannot is empty.
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
