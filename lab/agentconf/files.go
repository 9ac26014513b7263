package agentconf

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/hcl/parser"

	"nomadlab.internal/lab/agentconf/model"
)

// File is one file of an agent's configuration, as its user wrote it: in HCL, or in JSON, which Nomad tells apart by the
// first character, not by the name.
type File struct {
	// Name is what errors and lines call the file.
	Name string
	Text []byte
}

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

func (f File) check() error {
	t, err := parse(f.Text)
	var line, column int
	var words string
	if err != nil {
		line, column, words = f.fault(err)
	} else if _, err = model.Parse(f.Text); err != nil {
		line, column, words = f.refused(t, err)
	} else {
		return nil
	}
	at := fmt.Sprintf("%d:%d", line, column)
	if f.Name != "" {
		at = f.Name + ":" + at
	}
	return fmt.Errorf("%s: %s", at, f.withoutSecrets(words))
}

// ofText finds what an error may have of a text: words with what may stand in a key, a token or a password.
var ofText = regexp.MustCompile(`[^\s"'\x60,;:()\[\]{}]{3,}`)

// withoutSecrets is what Nomad says of the text, without those of its words that are part of a secret's value in it.
func (f File) withoutSecrets(words string) string {
	secrets := secretSpans(f.Text)
	return ofText.ReplaceAllStringFunc(words, func(word string) string {
		if slices.ContainsFunc(secrets, func(s span) bool { return bytes.Contains(f.Text[s.from:s.to], []byte(word)) }) {
			return redacted
		}
		return word
	})
}

// refused is where the setting stands that Nomad refuses, and what it says. Nomad tells the place of few: it is the first
// without which Nomad says something else.
func (f File) refused(t *tree, err error) (line, column int, words string) {
	words = strings.TrimPrefix(err.Error(), "failed to decode HCL file: ")
	if placed, is := errors.AsType[*parser.PosError](err); is && placed.Pos.Line > 0 {
		return placed.Pos.Line, placed.Pos.Column, placed.Err.Error()
	}
	at := 0
	c := search{t: t, says: err.Error(), left: searched}
	if p, found := c.in(t.root); found {
		at = p.item().from
		if name := p.item().names[len(p.item().names)-1]; !strings.Contains(words, name) {
			words += " (" + name + ")"
		}
	}
	return 1 + bytes.Count(f.Text[:at], []byte("\n")), 1 + at - (bytes.LastIndexByte(f.Text[:at], '\n') + 1), words
}

// searched is how many items of a text are looked at for the one that Nomad refuses.
const searched = 1000

// search looks for the item that Nomad refuses a text for.
type search struct {
	t    *tree
	says string
	left int
}

// in is the innermost item of a block without which Nomad does not say that of the text.
func (s *search) in(b *body) (place, bool) {
	for index, i := range b.items {
		for _, inner := range i.val.bodies() {
			if p, found := s.in(inner); found {
				return p, true
			}
		}
		p := place{b, index}
		if s.left--; s.left < 0 {
			return place{}, false
		}
		if _, err := model.Parse(s.t.cut(p, "")); err == nil || err.Error() != s.says {
			return p, true
		}
	}
	return place{}, false
}

// fail puts the name of the file, if it has one, in front of an error.
func (f File) fail(err error) error {
	if f.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.Name, err)
}

// position is how HCL 1's scanner of JSON begins an error.
var position = regexp.MustCompile(`^(\d+):(\d+): `)

// fault is where HCL 1 found an error, and what it says about it. Its parser of JSON does not say where, so that the
// place is the token at which the same reading ends here. At a panic in HCL, it is the beginning.
func (f File) fault(err error) (line, column int, words string) {
	if placed, is := errors.AsType[*parser.PosError](err); is {
		return placed.Pos.Line, placed.Pos.Column, placed.Err.Error()
	}
	words = err.Error()
	if model.CheckDepth(f.Text) != nil {
		return 1, 1, words
	}
	if at := position.FindStringSubmatch(words); at != nil {
		line, _ = strconv.Atoi(at[1])
		column, _ = strconv.Atoi(at[2])
		return line, column, words[len(at[0]):]
	}
	if isJSON(f.Text) {
		at := endOfJSON(f.Text)
		return at.Line, at.Column, words
	}
	return 1, 1, words
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

// line is a place in the file's words.
func (f File) line(t *tree, p place) Line {
	at := p.item()
	line := Line{f.Name, 1 + bytes.Count(t.text[:at.from], []byte("\n")), string(t.text[at.val.from:at.val.to])}
	if len(at.val.bodies()) > 0 {
		line.Value = "{ … }"
	}
	return line
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

// clone is a copy that shares nothing with the files.
func (f Files) clone() Files {
	out := slices.Clone(f)
	for i := range out {
		out[i].Text = bytes.Clone(out[i].Text)
	}
	return out
}

// tree is the text as Nomad reads it.
func (f File) tree() (*tree, error) {
	t, err := parse(f.Text)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", f.check())
	}
	return t, nil
}

// changeable returns an error for a text that Nomad reads otherwise than it looks.
func (f File) changeable(t *tree) error {
	if t.odd == "" {
		return nil
	}
	return f.fail(fmt.Errorf("%s: write it as other readers of JSON would take it", t.odd))
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
		t, err := parse(file.Text)
		if err != nil {
			t = &tree{root: &body{}}
		}
		out[i] = t
	}
	return out
}
