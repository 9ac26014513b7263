package agentconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// splice returns a copy of the text with a span replaced.
func splice(text []byte, at span, by string) []byte {
	return slices.Concat(text[:at.from], []byte(by), text[at.to:])
}

// replace writes another value at a place. The note, if any, becomes a comment behind the value.
func (t *tree) replace(p place, by newValue, note string) ([]byte, error) {
	old := p.item().val
	if old.kind == isBlock && by.kind != isBlock {
		return nil, fmt.Errorf("%s is a block here, with lines of its own", p.item().names[len(p.item().names)-1])
	}
	written, err := by.in(t)
	if err != nil {
		return nil, err
	}
	if old.heredoc {
		// A brace or a comma may follow in the next line alone.
		return splice(t.text, old.span, written), nil
	}
	return splice(t.text, old.span, written+t.comment(note, old.to)), nil
}

// comment returns a note as a comment for a place; empty if it is there already.
func (t *tree) comment(note string, at int) string {
	rest := restOfLine(t.text, at)
	switch behind := bytes.TrimSpace(rest); {
	case note == "" || t.json || bytes.Contains(rest, []byte(note)):
		return ""
	case len(behind) == 0 || behind[0] == '#' || bytes.HasPrefix(behind, []byte("//")):
		return " # " + note
	default:
		return " /* " + note + " */"
	}
}

// cut removes an item. With a note, the comments above it are removed too, and the note takes their place.
func (t *tree) cut(p place, note string) []byte {
	i := p.item()
	if t.json {
		return t.cutJSON(p)
	}
	whole := i.span
	behind := skipComma(t.text, whole.to)
	start := bytes.LastIndexByte(t.text[:whole.from], '\n') + 1
	rest := restOfLine(t.text, behind)
	if !blank(t.text[start:whole.from]) || !blankOrComment(rest) {
		return t.cutWithin(p, span{whole.from, behind}, note)
	}
	end := min(behind+len(rest)+1, len(t.text))
	if note == "" {
		return splice(t.text, span{start, end}, "")
	}
	indent := string(t.text[start:whole.from])
	return splice(t.text, span{commentsAbove(t.text, start), end}, indent+"# "+note+t.lineEnd())
}

// cutWithin removes an item from a line that contains other things.
func (t *tree) cutWithin(p place, at span, note string) []byte {
	if last := p.index == len(p.body.items)-1; last && p.index > 0 && at.to == p.item().to {
		// The comma in front of it has nothing to part any more.
		before := p.body.items[p.index-1].to
		if behind := skipComma(t.text, before); behind > before && blank(t.text[behind:at.from]) {
			at.from = before
		}
	} else {
		for at.to < len(t.text) && (t.text[at.to] == ' ' || t.text[at.to] == '\t') && at.from > 0 && blank(t.text[at.from-1:at.from]) {
			at.to++
		}
	}
	if note != "" {
		note = "/* " + note + " */ "
	}
	return splice(t.text, at, note)
}

// cutJSON removes an item and one comma beside it. If only blocks are left, one of them becomes a list of one block, for
// the reason in addJSON.
func (t *tree) cutJSON(p place) []byte {
	items := p.body.items
	var at span
	switch {
	case len(items) == 1:
		return splice(t.text, p.body.span, "")
	case p.index+1 < len(items):
		at = span{items[p.index].from, items[p.index+1].from}
	default:
		at = span{items[p.index-1].to, items[p.index].to}
	}
	left := slices.Delete(slices.Clone(items), p.index, p.index+1)
	if p.body == t.root || slices.ContainsFunc(left, func(i *item) bool { return i.val.kind != isBlock }) {
		return splice(t.text, at, "")
	}
	block := left[0].val.span
	listed := "[" + string(t.text[block.from:block.to]) + "]"
	if at.from < block.from {
		return splice(splice(t.text, block, listed), at, "")
	}
	return splice(splice(t.text, at, ""), block, listed)
}

// lineEnd returns how the text ends its lines.
func (t *tree) lineEnd() string {
	if end := bytes.IndexByte(t.text, '\n'); end > 0 && t.text[end-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indent returns the white space at the beginning of the line of a place.
func (t *tree) indent(at int) string {
	line := t.text[bytes.LastIndexByte(t.text[:at], '\n')+1:]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// restOfLine returns what follows in the line, without its end.
func restOfLine(text []byte, at int) []byte {
	rest, _, _ := bytes.Cut(text[at:], []byte("\n"))
	return rest
}

func blank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// blankOrComment reports whether the rest of a line is blank, or a comment that ends with the line.
func blankOrComment(rest []byte) bool {
	for {
		rest = bytes.TrimSpace(rest)
		if len(rest) == 0 || rest[0] == '#' || bytes.HasPrefix(rest, []byte("//")) {
			return true
		}
		_, behind, closed := bytes.Cut(rest, []byte("*/"))
		if !bytes.HasPrefix(rest, []byte("/*")) || !closed || len(rest)-len(behind) < len("/**/") {
			return false
		}
		rest = behind
	}
}

// skipComma returns the place behind a comma that follows in the line, or the place itself if there is none.
func skipComma(text []byte, at int) int {
	rest := bytes.TrimLeft(text[at:], " \t")
	if !bytes.HasPrefix(rest, []byte(",")) {
		return at
	}
	return len(text) - len(rest) + 1
}

// commentsAbove returns the beginning of the comment lines directly above a line.
func commentsAbove(text []byte, start int) int {
	for start > 0 {
		above := bytes.LastIndexByte(text[:start-1], '\n') + 1
		line := strings.TrimSpace(string(text[above:start]))
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "//") || strings.Contains(line, editor) {
			break
		}
		start = above
	}
	return start
}

// takeOut removes an item. If it was the only one in the block around it, and the path of that block must end with a
// label, the block is removed too: Nomad refuses such an empty block, or panics at it.
func (t *tree) takeOut(p place, note string) []byte {
	for len(p.body.items) == 1 && p.body != t.root {
		owner, path, found := t.owner(p.body, t.root, nil)
		if !found || !labelled(path) {
			break
		}
		if list := owner.item().val.list; len(list) > 1 {
			return t.cutElement(list, p.body)
		}
		p = owner
	}
	return t.cut(p, note)
}

// cutElement removes a block from a list of several, and one comma beside it.
func (t *tree) cutElement(list []value, of *body) []byte {
	n := slices.IndexFunc(list, func(v value) bool { return v.body == of })
	if n+1 < len(list) {
		return splice(t.text, span{list[n].from, list[n+1].from}, "")
	}
	return splice(t.text, span{list[n-1].to, list[n].to}, "")
}

// owner returns the item whose value a block is or is part of, and the names that lead to it.
func (t *tree) owner(of, from *body, path []string) (place, []string, bool) {
	for index, i := range from.items {
		at := append(slices.Clip(path), i.names...)
		for _, b := range i.val.bodies() {
			if b == of {
				return place{from, index}, at, true
			}
			if p, names, found := t.owner(of, b, at); found {
				return p, names, true
			}
		}
	}
	return place{}, nil, false
}
