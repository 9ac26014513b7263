package lab

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"nomadlab.internal/lab/userfile"
)

// What a file in YAML may have: nobody writes more of either by hand.
const (
	largestYAML = 1 << 20
	deepestYAML = 50
)

// CheckYAML refuses a text in YAML that would take more memory than it has reason to: one with aliases, of which each may stand
// for all before it, one that is nested deeper than any file of a lab is, and a very large one.
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

// deepLine returns the first line that nests too deep by its brackets, by the marks of lists and keys in front of its text, or
// by its white space, whatever is in quotes or comments: nobody has that many of them there either.
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
