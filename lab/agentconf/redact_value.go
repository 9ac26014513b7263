package agentconf

import (
	"bytes"
	"regexp"
)

var (
	heredoc = regexp.MustCompile(`^<<-?(\S+)[^\n]*\n`)
	literal = regexp.MustCompile(`^(true|false|null)(?:[\s,\]}]|$)`)
	// bareWord is what stands in no quotes of its own, such as a password in a
	// go-discover string; it ends where that string does.
	bareWord = regexp.MustCompile(`^(?:\\.|[^\s"\\])*`)
)

// valueLength returns how many bytes of text the value at its beginning takes:
// a string, a heredoc, a list, an object, or a bare word. A value without an end
// takes the rest of the text.
func valueLength(text []byte) int {
	switch {
	case len(text) == 0:
		return 0
	case bytes.HasPrefix(text, []byte(`\"`)):
		return escapedStringLength(text)
	case text[0] == '"':
		return stringLength(text)
	case text[0] == '\'':
		return singleQuotedLength(text)
	case text[0] == '[' || text[0] == '{':
		return nestedLength(text)
	case heredoc.Match(text):
		return heredocLength(text)
	}
	if word := literal.FindSubmatch(text); word != nil {
		return len(word[1])
	}
	return len(bareWord.Find(text))
}

// escapedStringLength measures a string within a string: \"…\".
func escapedStringLength(text []byte) int {
	if end := bytes.Index(text[2:], []byte(`\"`)); end >= 0 {
		return 2 + end + 2
	}
	return len(text)
}

// stringLength measures a quoted string, in which quotes may be escaped or, as
// both versions of HCL allow, stand inside an interpolation: "${f("x")}". Only
// there may it span lines.
func stringLength(text []byte) int {
	braces := 0
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case bytes.HasPrefix(text[i:], []byte("${")):
			braces++
			i++
		case braces > 0 && text[i] == '{':
			braces++
		case braces > 0 && text[i] == '}':
			braces--
		case braces == 0 && text[i] == '"':
			return i + 1
		case braces == 0 && text[i] == '\n':
			return i
		}
	}
	return len(text)
}

// singleQuotedLength measures what stands in single quotes, as YAML, shells and go-discover's strings have it, in one line.
func singleQuotedLength(text []byte) int {
	for i := 1; i < len(text) && text[i] != '\n'; i++ {
		if text[i] == '\'' {
			return i + 1
		}
	}
	return len(bareWord.Find(text))
}

// nestedLength measures a list or an object. Brackets inside strings do not
// count; those inside comments do, and may make the value longer than it is.
func nestedLength(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// heredocLength measures a heredoc, up to and with the line that holds its
// marker alone.
func heredocLength(text []byte) int {
	opening := heredoc.FindSubmatch(text)
	marker, at := opening[1], len(opening[0])
	for line := range bytes.Lines(text[at:]) {
		at += len(line)
		if bytes.Equal(bytes.TrimSpace(line), marker) {
			return at
		}
	}
	return len(text)
}
