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

// File is one file of an agent's configuration, as its user wrote it: HCL, or JSON, which Nomad recognizes by the first
// character and not by the name. It is immutable, and parsed only once. Zero: an empty file without a name.
type File struct {
	name string
	text []byte
	// syntax and meaning parse the text as HCL 1 and as Nomad do, once.
	syntax  func() (*tree, error)
	meaning func() (*model.Config, error)
}

// NewFile returns a file with a copy of the text. The name is for errors and lines.
func NewFile(name string, text []byte) File {
	text = bytes.Clone(text)
	return File{
		name:    name,
		text:    text,
		syntax:  sync.OnceValues(func() (*tree, error) { return parse(text) }),
		meaning: sync.OnceValues(func() (*model.Config, error) { return model.Parse(text) }),
	}
}

// Name returns the name of the file.
func (f File) Name() string { return f.name }

// Text returns a copy of the content.
func (f File) Text() []byte { return bytes.Clone(f.text) }

// with returns a file of the same name with another text.
func (f File) with(text []byte) File { return NewFile(f.name, text) }

// parsed returns the text with the place of everything in it.
func (f File) parsed() (*tree, error) {
	if f.syntax == nil {
		return parse(f.text)
	}
	return f.syntax()
}

// config returns the configuration that Nomad reads in the text.
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

// ofText matches the words of an error that may be part of the text, with the characters of a key, a token or a password.
var ofText = regexp.MustCompile(`[^\s"'\x60,;:()\[\]{}]{3,}`)

// withoutSecrets returns Nomad's message about the text without the words that are part of a secret in it.
func (f File) withoutSecrets(words string) string {
	secrets := secretSpans(f.text)
	return ofText.ReplaceAllStringFunc(words, func(word string) string {
		if slices.ContainsFunc(secrets, func(s span) bool { return bytes.Contains(f.text[s.from:s.to], []byte(word)) }) {
			return redacted
		}
		return word
	})
}

// refused returns the place of the setting that Nomad refuses, and the message. For most refusals Nomad names no place:
// it is then the first setting without which the message is another one.
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

// gone names the keys that an earlier release of Nomad has read.
func gone(e *model.UnexpectedKeysError) string {
	var words strings.Builder
	for _, key := range e.Keys {
		if release := model.GoneSince(append(slices.Clip(e.Path), key)); release != "" {
			words.WriteString("; " + key + " is not read any more since Nomad " + release + ": take it out")
		}
	}
	return words.String()
}

// searched is how many settings of a text are tried in order to find the refused one.
const searched = 1000

// sinks matches Nomad's name of an audit sink, which has the number of the sink in the text.
var sinks = regexp.MustCompile(`^audit\.sink\.(\d+)`)

// saysTheSame reports whether Nomad refuses a text from which something was cut as it refused the whole. The number of a
// sink may have become smaller by the cut; a larger one is that of another sink.
func saysTheSame(cut, whole string) bool {
	now, was := sinks.FindStringSubmatch(cut), sinks.FindStringSubmatch(whole)
	if now == nil || was == nil {
		return cut == whole
	}
	less := len(now[1]) < len(was[1]) || len(now[1]) == len(was[1]) && now[1] <= was[1]
	return less && cut[len(now[0]):] == whole[len(was[0]):]
}

// search finds the setting because of which Nomad refuses a text.
type search struct {
	t    *tree
	says string
	left int
}

// in returns the innermost item of a block without which Nomad's message is another one.
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

// fail adds the name of the file to an error.
func (f File) fail(err error) error {
	if f.name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// position matches how errors of HCL 1's JSON scanner and of model.CheckDepth begin.
var position = regexp.MustCompile(`^(\d+):(\d+): `)

// fault returns where HCL 1 found an error, and its message. HCL 1's JSON parser gives no place: it is then the token at
// which the same reading ends here. For a panic in HCL it is the beginning.
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

// tree returns the text as Nomad reads it.
func (f File) tree() (*tree, error) {
	t, err := f.parsed()
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", f.check())
	}
	return t, nil
}

// changeable returns an error for a JSON text that Nomad reads differently from other readers.
func (f File) changeable(t *tree) error {
	if t.odd == "" {
		return nil
	}
	return f.fail(fmt.Errorf("%s: write it as other readers of JSON would take it", t.odd))
}

// line returns the Line of a place in the file.
func (f File) line(t *tree, p place) Line {
	at := p.item()
	line := Line{f.name, 1 + bytes.Count(t.text[:at.from], []byte("\n")), string(t.text[at.val.from:at.val.to])}
	if len(at.val.bodies()) > 0 {
		line.Value = "{ … }"
	}
	return line
}
