package agentconf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/token"

	"nomadlab.internal/lab/agentconf/model"
)

// tree is a configuration text as Nomad reads it, with the place of everything in it.
type tree struct {
	text []byte
	json bool
	root *body
	// odd is why the text cannot be changed although Nomad reads it. Empty: it can.
	odd string
}

// body is the content of a block, between its braces, or a whole HCL text.
type body struct {
	span
	items []*item
}

// item is a line or a block. The names of a block are its name and its labels.
type item struct {
	span
	names []string
	val   value
}

type kind int

const (
	isText kind = iota
	isNumber
	isFlag
	isList
	isBlock
)

// value is the value of a line, or a block.
type value struct {
	span
	kind kind
	// text is the text of a literal, without quotes. heredoc is true if it is written as one; nothing may follow in its last line.
	text    string
	heredoc bool
	list    []value
	body    *body
}

// bodies returns the blocks that the value consists of: one, or those of a list that contains only blocks, as in JSON.
func (v *value) bodies() []*body {
	if v.kind == isBlock {
		return []*body{v.body}
	}
	out := make([]*body, 0, len(v.list))
	for i := range v.list {
		if v.list[i].kind != isBlock {
			return nil
		}
		out = append(out, v.list[i].body)
	}
	return out
}

// isJSON reports whether HCL 1 reads the text as JSON (lex.go of hcl v1.0.1-nomad-1). The name of the file does not
// count.
func isJSON(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeftFunc(text, unicode.IsSpace), []byte("{"))
}

// parse reads a text as Nomad does. HCL 1, and so Nomad, panics at some texts; parse returns an error for them.
func parse(text []byte) (t *tree, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			t, err = nil, fmt.Errorf("HCL 1 fails on it: %v", fault)
		}
	}()
	if err := model.CheckDepth(text); err != nil {
		return nil, err
	}
	file, err := hcl.ParseBytes(text)
	if err != nil {
		return nil, err
	}
	if isJSON(text) {
		return parseJSON(text)
	}
	top, is := file.Node.(*ast.ObjectList)
	if !is {
		return nil, fmt.Errorf("the root is no object")
	}
	h := hclReader{text: text, removed: removedReturns(text)}
	return &tree{text: text, root: &body{span: span{0, len(text)}, items: h.items(top)}}, nil
}

// hclReader converts the syntax tree of HCL 1, whose positions are those of a text whose lines all end in \n
// (hcl/parser/parser.go:56 of hcl v1.0.1-nomad-1).
type hclReader struct {
	text []byte
	// removed are the places in that text before which a \r is missing.
	removed []int
}

func removedReturns(text []byte) (at []int) {
	for i := range text {
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			at = append(at, i-len(at))
		}
	}
	return at
}

// at returns the place in our text of an offset in HCL 1's.
func (h hclReader) at(offset int) int {
	before, _ := slices.BinarySearch(h.removed, offset+1)
	return offset + before
}

func (h hclReader) span(from token.Pos, length int) span {
	return span{h.at(from.Offset), h.at(from.Offset+length-1) + 1}
}

func (h hclReader) items(from *ast.ObjectList) []*item {
	out := make([]*item, 0, len(from.Items))
	for _, i := range from.Items {
		it := &item{val: h.value(i.Val)}
		for _, k := range i.Keys {
			it.names = append(it.names, nameOf(k.Token))
		}
		it.span = span{h.at(i.Keys[0].Token.Pos.Offset), it.val.to}
		out = append(out, it)
	}
	return out
}

func (h hclReader) value(node ast.Node) value {
	switch n := node.(type) {
	case *ast.ObjectType:
		whole := h.span(n.Lbrace, n.Rbrace.Offset-n.Lbrace.Offset+1)
		return value{span: whole, kind: isBlock, body: &body{span: span{whole.from + 1, whole.to - 1}, items: h.items(n.List)}}
	case *ast.ListType:
		v := value{span: h.span(n.Lbrack, n.Rbrack.Offset-n.Lbrack.Offset+1), kind: isList}
		for _, element := range n.List {
			v.list = append(v.list, h.value(element))
		}
		return v
	case *ast.LiteralType:
		v := literalValue(n.Token)
		// The line end behind a heredoc is part of it for HCL 1 only.
		v.span = h.span(n.Token.Pos, len(strings.TrimSuffix(n.Token.Text, "\n")))
		return v
	default:
		panic(fmt.Sprintf("a value of type %T", node))
	}
}

// literalValue returns the value of a literal, without its place.
func literalValue(t token.Token) value {
	switch t.Type {
	case token.BOOL:
		return value{kind: isFlag, text: t.Text}
	case token.NUMBER, token.FLOAT:
		return value{kind: isNumber, text: t.Text}
	default:
		return value{kind: isText, text: nameOf(t), heredoc: t.Type == token.HEREDOC}
	}
}

// nameOf returns the text of a token without quotes. HCL 1 panics at a token that it cannot read; parse recovers.
func nameOf(t token.Token) string {
	name, is := t.Value().(string)
	if !is {
		panic(fmt.Sprintf("%s is no text", t.Text))
	}
	return name
}

// texts returns the strings of a list, or the one string that the value is.
func (v value) texts() ([]string, error) {
	switch v.kind {
	case isBlock:
		return nil, errors.New("it is a block, and no list of texts")
	case isList:
		var out []string
		for _, e := range v.list {
			if e.kind >= isList {
				return nil, errors.New("it is no list of texts")
			}
			out = append(out, e.text)
		}
		return out, nil
	default:
		return []string{v.text}, nil
	}
}
