package lock

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"nomadlab.internal/lab/spec"
)

// parse reads the text as one mapping. The tree is read instead of decoded: only so is each value what is written, and
// each error at its line.
func parse(text []byte) (fields, error) {
	if err := spec.CheckYAML(text); err != nil {
		return nil, fmt.Errorf("%w: %s", err, mend)
	}
	tree, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if at, is := errors.AsType[yaml.Error](err); is {
			return nil, fmt.Errorf("line %d: it is not YAML: %s: %s", at.GetToken().Position.Line, at.GetMessage(), mend)
		}
		return nil, fmt.Errorf("it is not YAML: %w: %s", err, mend)
	}
	switch {
	case len(tree.Docs) == 0, len(tree.Docs) == 1 && tree.Docs[0].Body == nil:
		return nil, fmt.Errorf("it is empty: %s", mend)
	case len(tree.Docs) > 1:
		return nil, fmt.Errorf("it holds %d documents of YAML, not one: %s", len(tree.Docs), mend)
	}
	return (field{key: "the lock", line: 1, value: tree.Docs[0].Body}).fields("field")
}

// field is a key with its value, and the line where it stands.
type field struct {
	key   string
	line  int
	value ast.Node
}

type fields []field

func (f field) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", f.line, fmt.Errorf(format, args...))
}

func (f field) twice(what string, line int) error {
	return f.errorf("the %s %q is there twice, first at line %d: %s", what, f.key, line, mend)
}

// fields are the value's, which is to be a mapping of such things, each key once.
func (f field) fields(of string) (fields, error) {
	var pairs []*ast.MappingValueNode
	switch n := f.value.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return nil, f.errorf("%s is no mapping: %s", f.key, mend)
	}
	var all fields
	seen := map[string]int{}
	for _, pair := range pairs {
		next := field{line: pair.Key.GetToken().Position.Line, value: pair.Value}
		key, isText := text(pair.Key)
		if !isText {
			return nil, next.errorf("%s has a key that is no text: %s", f.key, mend)
		}
		next.key = key
		if line, twice := seen[key]; twice {
			return nil, next.twice(of, line)
		}
		seen[key] = next.line
		all = append(all, next)
	}
	return all, nil
}

// text is the value, which is to be a scalar.
func (f field) text() (string, error) {
	t, is := text(f.value)
	if !is {
		return "", f.errorf("the value of %q is no text: %s", f.key, mend)
	}
	return t, nil
}

// text is a scalar as it is written: no number is read as one, so none is written in another way.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}
