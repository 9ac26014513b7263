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

// tree is a text of configuration as Nomad reads it, with where everything stands.
type tree struct {
	text []byte
	json bool
	root *body
	// odd says why the text cannot be changed, although Nomad reads it. Zero: it can.
	odd string
}

// body is what stands in one block: from behind its brace to the other one. The top of a text in HCL is all of it.
type body struct {
	span
	items []*item
}

// item is a line or a block: its names (that of a block is followed by its labels) and what it is.
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

// value is what a line or a block is.
type value struct {
	span
	kind kind
	// text is that of a literal, without quotes. heredoc: it is written as one, and its last line must stay alone.
	text    string
	heredoc bool
	list    []value
	body    *body
}

// bodies are the blocks that the value is: one, or those of a list that holds nothing else, as JSON has them.
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

// isJSON is how HCL 1 decides (lex.go of hcl v1.0.1-nomad-1): the name of the file does not count.
func isJSON(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeftFunc(text, unicode.IsSpace), []byte("{"))
}

// parse reads a text as Nomad does. HCL 1 panics at some texts, and so would Nomad; here that is an error.
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

// hclReader turns the syntax tree of HCL 1 into ours. Its positions are those of a text whose lines all end in \n
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

// at is where something of HCL 1's text is in ours.
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
		// The line end behind a heredoc is part of it for HCL 1, and for nobody else.
		v.span = h.span(n.Token.Pos, len(strings.TrimSuffix(n.Token.Text, "\n")))
		return v
	default:
		panic(fmt.Sprintf("a value of type %T", node))
	}
}

// literalValue is the value of a literal, without its place.
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

// nameOf is the text of a token without quotes. HCL 1 panics at one that it cannot read; parse catches it.
func nameOf(t token.Token) string {
	name, is := t.Value().(string)
	if !is {
		panic(fmt.Sprintf("%s is no text", t.Text))
	}
	return name
}

// texts are those of a list, or the one that the value is.
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
