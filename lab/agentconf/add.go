package agentconf

import (
	"bytes"
	"strings"
)

// add writes a new line into a block, with the missing blocks around it. path is the path of the line; its first depth
// names lead to the block.
func (t *tree) add(b *body, path []string, depth int, v newValue, note string) ([]byte, error) {
	written, err := v.in(t)
	if err != nil {
		return nil, err
	}
	if t.json {
		return t.addJSON(b, path[depth:], written), nil
	}
	name := path[len(path)-1]
	if depth == len(path)-1 {
		return t.addLine(b, nameInHCL(name)+" = "+written, note), nil
	}
	if note != "" {
		note = " # " + note
	}
	lines := []string{nameInHCL(name) + " = " + written + note}
	for n := len(path) - 2; n >= depth; n-- {
		opening := nameInHCL(path[n]) + " {"
		if n > depth && labelled(path[:n]) {
			n--
			opening = nameInHCL(path[n]) + " " + quoted(path[n+1]) + " {"
		}
		for i := range lines {
			lines[i] = "  " + lines[i]
		}
		lines = append(append([]string{opening}, lines...), "}")
	}
	return t.addLines(b, lines), nil
}

// addLine writes one line into a block, which may itself be in one line.
func (t *tree) addLine(b *body, line, note string) []byte {
	if t.oneLine(b) {
		if note != "" {
			line += " /* " + note + " */"
		}
		return t.addWithin(b, line)
	}
	if note != "" {
		line += " # " + note
	}
	return t.addLines(b, []string{line})
}

// oneLine reports whether something stands before the closing brace of a block in its line. The top has no brace.
func (t *tree) oneLine(b *body) bool {
	return b != t.root && !blank(t.text[bytes.LastIndexByte(t.text[:b.to], '\n')+1:b.to])
}

// addLines writes lines at the end of a block, in front of its closing brace.
func (t *tree) addLines(b *body, lines []string) []byte {
	end := t.lineEnd()
	if b == t.root {
		var gap string
		if len(t.text) > 0 {
			gap = end
			if !bytes.HasSuffix(t.text, []byte("\n")) {
				gap += end
			}
		}
		return splice(t.text, span{len(t.text), len(t.text)}, gap+strings.Join(lines, end)+end)
	}
	if t.oneLine(b) {
		return t.addWithin(b, strings.Join(lines, end))
	}
	indent := t.indent(b.to) + "  "
	if n := len(b.items); n > 0 && bytes.ContainsRune(t.text[b.from:b.items[n-1].from], '\n') {
		indent = t.indent(b.items[n-1].from)
	}
	var gap string
	if len(lines) > 1 && len(b.items) > 0 {
		gap = end
	}
	at := bytes.LastIndexByte(t.text[:b.to], '\n') + 1
	return splice(t.text, span{at, at}, gap+indent+strings.Join(lines, end+indent)+end)
}

// addWithin writes something into a block that is in one line.
func (t *tree) addWithin(b *body, what string) []byte {
	n := len(b.items)
	if n == 0 {
		what = " " + what
		if b.from == b.to {
			what += " "
		}
		return splice(t.text, span{b.from, b.from}, what)
	}
	at := b.items[n-1].to
	if b.items[n-1].val.heredoc {
		at += bytes.IndexByte(t.text[at:], '\n') + 1
		return splice(t.text, span{at, at}, what+" ")
	}
	if behind := skipComma(t.text, at); behind > at {
		return splice(t.text, span{behind, behind}, " "+what)
	}
	return splice(t.text, span{at, at}, ", "+what)
}

// addJSON writes a line with the missing blocks around it. A block in a block becomes a list of one block: HCL 1 reads a
// block that contains only blocks as a labelled block, and Nomad then refuses the name of the inner one
// (json/parser/flatten.go of hcl v1.0.1-nomad-1).
func (t *tree) addJSON(b *body, names []string, written string) []byte {
	for n := len(names) - 1; n > 0; n-- {
		written = "{" + textInJSON(names[n]) + ": " + written + "}"
		if n > 1 || b != t.root {
			written = "[" + written + "]"
		}
	}
	what := textInJSON(names[0]) + ": " + written
	if n := len(b.items); n > 0 {
		last := b.items[n-1]
		gap := t.text[b.from:b.items[0].from]
		if n > 1 {
			gap = t.text[b.items[n-2].to:last.from]
			gap = gap[bytes.IndexByte(gap, ',')+1:]
		}
		at, comma := last.to, ","
		if rest := t.text[at:b.to]; bytes.ContainsRune(rest, ',') {
			at, comma = at+bytes.IndexByte(rest, ',')+1, ""
		}
		if n == 1 && len(gap) == 0 {
			gap = []byte(" ")
		}
		return splice(t.text, span{at, at}, comma+string(gap)+what)
	}
	if !bytes.ContainsRune(t.text, '\n') {
		return splice(t.text, b.span, what)
	}
	end, indent := t.lineEnd(), t.indent(b.from)
	return splice(t.text, b.span, end+indent+"  "+what+end+indent)
}
