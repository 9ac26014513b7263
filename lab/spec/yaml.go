package spec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"nomadlab.internal/internal/userfile"
)

// Document is the content of a lab's file.
type Document struct {
	Spec `yaml:",inline"`
	// Mutation is the ID of a mutation that the lab carries; see package mutation. Zero: none.
	Mutation string `yaml:"mutation,omitempty"`
}

// parseRead parses what was read of a lab's file. err is the error of the read.
func parseRead(ctx context.Context, text []byte, err error) (Document, error) {
	switch {
	case ctx.Err() != nil && err != nil:
		return Document{}, fmt.Errorf("read the lab's file: %w", err)
	case err != nil:
		return Document{}, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, err)
	default:
		return decode(text)
	}
}

// ReadDocument reads a lab's file in YAML; it gives up when ctx ends. Its errors wrap ErrInvalid. They name the line of a
// field that is unknown or of the wrong type, and quote a value that cannot be read.
func ReadDocument(ctx context.Context, path string) (Document, error) {
	text, err := userfile.ReadAny(ctx, path)
	d, err := parseRead(ctx, text, err)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// DecodeDocument is ReadDocument for a reader, which it does not close. An empty document is the zero Spec.
func DecodeDocument(ctx context.Context, r io.Reader) (Document, error) {
	text, err := userfile.ReadFrom(ctx, "the lab's file", r)
	return parseRead(ctx, text, err)
}

func decode(text []byte) (Document, error) {
	var d Document
	if err := CheckYAML(text); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&d)
	if err != nil && !errors.Is(err, io.EOF) {
		text := yaml.FormatError(err, false, true)
		if strings.Contains(text, "time.Duration") {
			text += "\nwrite a duration with its unit, such as 24h or 90s; leave it out for the usual one"
		}
		for key, mend := range formerKeys() {
			if strings.Contains(text, fmt.Sprintf("unknown field %q", key)) {
				text += "\n" + mend
			}
		}
		return Document{}, fmt.Errorf("%w:\n%s", ErrInvalid, text)
	}
	return d, nil
}

// formerKeys returns what to write instead of a key that older versions of a lab's file had.
func formerKeys() map[string]string {
	return map[string]string{
		"weaken": "weaken is gone: name a mutation, as in `mutation: server-plain-http` (`nomadlab mutate --list` shows all), " +
			"or change lines with overrides",
		"settings": "settings is overrides now, with the same lines below it",
		"joiners":  "joiners is extra_nodes now, with the same nodes below it",
		"flaws":    "flaws is defects now: defects: [{role: client, defect: no-eku}]",
		"flaw":     "flaw is defect now, with the same value",
	}
}

// Limits of a YAML file, in bytes and levels. Files that are written by hand are far below.
const (
	largestYAML = 1 << 20
	deepestYAML = 50
)

// CheckYAML refuses a YAML text that a parser would need too much memory or stack for: one with aliases, which can
// multiply its size, one with too many levels, and one that is too large.
func CheckYAML(text []byte) error {
	if len(text) > largestYAML {
		return fmt.Errorf("more than %d MB of YAML, %w", largestYAML>>20, userfile.ErrLimit)
	}
	if line, deep := deepLine(string(text)); deep {
		return fmt.Errorf("line %d: nested more than %d times, %w", line, deepestYAML, userfile.ErrLimit)
	}
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.AliasType || t.Type == token.AnchorType || t.Type == token.MergeKeyType {
			return fmt.Errorf("line %d: %s: anchors and aliases are not read, %w: write the value where it is meant", t.Position.Line, t.Value, userfile.ErrLimit)
		}
	}
	return nil
}

// deepLine returns the first line that has too many levels, by its brackets, by the list and key marks at its begin, or
// by its indentation. Quotes and comments count too.
func deepLine(text string) (int, bool) {
	depth, number := 0, 0
	for line := range strings.Lines(text) {
		number++
		for _, r := range line {
			switch r {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
			if depth > deepestYAML {
				return number, true
			}
		}
		marks := 0
		for word := range strings.FieldsSeq(line) {
			if word != "-" && word != "?" {
				break
			}
			marks++
		}
		if indent := len(line) - len(strings.TrimLeft(line, " ")); marks > deepestYAML || indent > 20*deepestYAML {
			return number, true
		}
	}
	return 0, false
}
