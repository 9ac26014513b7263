package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// largestUserFile bounds what is read of a user, in bytes. The largest agent configuration that is known has some KB.
const largestUserFile = 4 << 20

// ErrUserFile is wrapped by the errors of ReadUserFile and CheckYAML about what nomadlab does not read, although somebody else
// may.
var ErrUserFile = errors.New("a limit of nomadlab")

// ReadUserFile reads a file that a user names. What is no file, such as a pipe, which would keep it waiting, or /dev/zero, which
// has no end, is refused, and so is one of more than 4 MB. Its errors name the file.
func ReadUserFile(path string) ([]byte, error) {
	// A pipe would be waited for when it is opened.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder, not a file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file (%s), %w: write what it has into one", path, info.Mode().Type(), ErrUserFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, largestUserFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largestUserFile {
		return nil, fmt.Errorf("%s has more than %d MB, %w: take out what is none of its settings", path, largestUserFile>>20, ErrUserFile)
	}
	return text, nil
}

// What a file in YAML may have: nobody writes more of either by hand.
const (
	largestYAML = 1 << 20
	deepestYAML = 50
)

// CheckYAML refuses a text in YAML that would take more memory than it has reason to: one with aliases, of which each may stand
// for all before it, one that is nested deeper than any file of a lab is, and a very large one.
func CheckYAML(text []byte) error {
	if len(text) > largestYAML {
		return fmt.Errorf("more than %d MB of YAML, %w", largestYAML>>20, ErrUserFile)
	}
	if line, deep := deepLine(string(text)); deep {
		return fmt.Errorf("line %d: nested more than %d times, %w", line, deepestYAML, ErrUserFile)
	}
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.AliasType || t.Type == token.AnchorType || t.Type == token.MergeKeyType {
			return fmt.Errorf("line %d: %s: anchors and aliases are not read, %w: write the value where it is meant", t.Position.Line, t.Value, ErrUserFile)
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
