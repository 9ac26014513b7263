package agentconf

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/hcl/parser"

	"nomadlab.internal/lab/agentconf/model"
)

// File is one file of an agent's configuration, as its user wrote it: in HCL, or in JSON, which Nomad tells apart by the
// first character, not by the name. It does not change, so that it is read once, however often and by how many it is asked.
// Zero: an empty file without a name.
type File struct {
	name string
	text []byte
	// syntax and meaning are the text as HCL 1 and as Nomad read it. They are made when they are first asked for.
	syntax  func() (*tree, error)
	meaning func() (*model.Config, error)
}

// NewFile returns the file of that text. The name is what errors and lines call it. The text is copied.
func NewFile(name string, text []byte) File {
	text = bytes.Clone(text)
	return File{
		name:    name,
		text:    text,
		syntax:  sync.OnceValues(func() (*tree, error) { return parse(text) }),
		meaning: sync.OnceValues(func() (*model.Config, error) { return model.Parse(text) }),
	}
}

// Name is what errors and lines call the file.
func (f File) Name() string { return f.name }

// Text is a copy of what stands in the file.
func (f File) Text() []byte { return bytes.Clone(f.text) }

// with is a file of that name and another text.
func (f File) with(text []byte) File { return NewFile(f.name, text) }

// parsed is the text with where everything stands.
func (f File) parsed() (*tree, error) {
	if f.syntax == nil {
		return parse(f.text)
	}
	return f.syntax()
}

// config is what the text says to Nomad.
func (f File) config() (*model.Config, error) {
	if f.meaning == nil {
		return model.Parse(f.text)
	}
	return f.meaning()
}

func (f File) check() error {
	t, err := f.parsed()
	var line, column int
	var words string
	if err != nil {
		line, column, words = f.fault(err)
	} else if _, err = f.config(); err != nil {
		line, column, words = f.refused(t, err)
	} else {
		return nil
	}
	at := fmt.Sprintf("%d:%d", line, column)
	if f.name != "" {
		at = f.name + ":" + at
	}
	return fmt.Errorf("%s: %s", at, f.withoutSecrets(words))
}

// ofText finds what an error may have of a text: words with what may stand in a key, a token or a password.
var ofText = regexp.MustCompile(`[^\s"'\x60,;:()\[\]{}]{3,}`)

// withoutSecrets is what Nomad says of the text, without those of its words that are part of a secret's value in it.
func (f File) withoutSecrets(words string) string {
	secrets := secretSpans(f.text)
	return ofText.ReplaceAllStringFunc(words, func(word string) string {
		if slices.ContainsFunc(secrets, func(s span) bool { return bytes.Contains(f.text[s.from:s.to], []byte(word)) }) {
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
	if unexpected, is := errors.AsType[*model.UnexpectedKeysError](err); is {
		words += gone(unexpected)
	}
	return 1 + bytes.Count(f.text[:at], []byte("\n")), 1 + at - (bytes.LastIndexByte(f.text[:at], '\n') + 1), words
}

// gone says which of the keys an earlier release of Nomad has read.
func gone(e *model.UnexpectedKeysError) string {
	var words strings.Builder
	for _, key := range e.Keys {
		if release := model.GoneSince(append(slices.Clip(e.Path), key)); release != "" {
			words.WriteString("; " + key + " is not read any more since Nomad " + release + ": take it out")
		}
	}
	return words.String()
}

// searched is how many items of a text are looked at for the one that Nomad refuses.
const searched = 1000

// sinks are how Nomad names those of its audit, by their number in the text.
var sinks = regexp.MustCompile(`^audit\.sink\.(\d+)`)

// saysTheSame reports whether Nomad refuses a text with something taken out as it refused the whole. A smaller number is that of the
// same sink, once one before it is taken out; a larger one is another sink's.
func saysTheSame(cut, whole string) bool {
	now, was := sinks.FindStringSubmatch(cut), sinks.FindStringSubmatch(whole)
	if now == nil || was == nil {
		return cut == whole
	}
	less := len(now[1]) < len(was[1]) || len(now[1]) == len(was[1]) && now[1] <= was[1]
	return less && cut[len(now[0]):] == whole[len(was[0]):]
}

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
		if _, err := model.Parse(s.t.cut(p, "")); err == nil || !saysTheSame(err.Error(), s.says) {
			return p, true
		}
	}
	return place{}, false
}

// fail puts the name of the file, if it has one, in front of an error.
func (f File) fail(err error) error {
	if f.name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// position is how HCL 1's scanner of JSON and model.CheckDepth begin an error.
var position = regexp.MustCompile(`^(\d+):(\d+): `)

// fault is where HCL 1 found an error, and what it says about it. Its parser of JSON does not say where, so that the
// place is the token at which the same reading ends here. At a panic in HCL, it is the beginning.
func (f File) fault(err error) (line, column int, words string) {
	if placed, is := errors.AsType[*parser.PosError](err); is {
		return placed.Pos.Line, placed.Pos.Column, placed.Err.Error()
	}
	words = err.Error()
	if at := position.FindStringSubmatch(words); at != nil {
		line, _ = strconv.Atoi(at[1])
		column, _ = strconv.Atoi(at[2])
		return line, column, words[len(at[0]):]
	}
	if isJSON(f.text) {
		at := endOfJSON(f.text)
		return at.Line, at.Column, words
	}
	return 1, 1, words
}

// tree is the text as Nomad reads it.
func (f File) tree() (*tree, error) {
	t, err := f.parsed()
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

// line is a place in the file's words.
func (f File) line(t *tree, p place) Line {
	at := p.item()
	line := Line{f.name, 1 + bytes.Count(t.text[:at.from], []byte("\n")), string(t.text[at.val.from:at.val.to])}
	if len(at.val.bodies()) > 0 {
		line.Value = "{ … }"
	}
	return line
}
