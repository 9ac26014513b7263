package agentconf

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// newValue is a value to set, as it was written and as Nomad reads it.
type newValue struct {
	value
	written string
}

// parseLiteral reads a value as HCL 1 reads it behind an equals sign.
func parseLiteral(written string) (newValue, error) {
	line := []byte("v = " + strings.TrimSpace(written) + "\n")
	t, err := parse(line)
	switch {
	case err != nil:
		return newValue{}, notLiteral(written, err.Error())
	case len(t.root.items) != 1 || len(t.root.items[0].names) != 1 || hasComments(line):
		return newValue{}, notLiteral(written, "there is something beside it")
	}
	return newValue{t.root.items[0].val, strings.TrimSpace(written)}, nil
}

func notLiteral(written, why string) error {
	return fmt.Errorf(`the value %s is no literal of HCL, such as true, 5, "0s" or ["a", "b"]: %s`, written, why)
}

func hasComments(text []byte) bool {
	file, err := hcl.ParseBytes(text)
	return err != nil || len(file.Comments) > 0
}

// in returns the value as it is written in a text of that kind.
func (v newValue) in(t *tree) (string, error) {
	switch {
	case t.json:
		return v.inJSON()
	case v.heredoc:
		return quoted(v.text), nil
	default:
		return v.written, nil
	}
}

// inJSON returns the value in JSON that HCL 1 and other readers read alike.
func (v value) inJSON() (string, error) {
	switch v.kind {
	case isFlag:
		return v.text, nil
	case isNumber:
		return numberInJSON(v.text)
	case isText:
		return textInJSON(v.text), nil
	case isList:
		return inBrackets("[", v.list, "]", value.inJSON)
	default:
		return inBrackets("{", v.body.items, "}", (*item).inJSON)
	}
}

func (i *item) inJSON() (string, error) {
	inner, err := i.val.inJSON()
	for n, name := range slices.Backward(i.names) {
		inner = textInJSON(name) + ": " + inner
		if n > 0 {
			inner = "{" + inner + "}"
		}
	}
	return inner, err
}

func inBrackets[T any](opening string, elements []T, closing string, write func(T) (string, error)) (string, error) {
	written := make([]string, len(elements))
	errs := make([]error, len(elements))
	for i, e := range elements {
		written[i], errs[i] = write(e)
	}
	return opening + strings.Join(written, ", ") + closing, errors.Join(errs...)
}

// numberInJSON returns hexadecimal and octal numbers in decimal.
func numberInJSON(text string) (string, error) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return strconv.FormatInt(n, 10), nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", fmt.Errorf("%s is no number that Nomad can read: %w", text, err)
	}
	return strconv.FormatFloat(n, 'f', -1, 64), nil
}

func textInJSON(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text in memory always has a form in JSON
	return strings.TrimSuffix(out.String(), "\n")
}

// plainName matches a name that needs no quotes in either version of HCL.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// nameInHCL returns a name in front of its value. true and false are no names for HCL 1.
func nameInHCL(name string) string {
	if plainName.MatchString(name) && name != "true" && name != "false" {
		return name
	}
	return quoted(name)
}

// canonical returns the value in one form, so that two values can be compared.
func canonical(node ast.Node) string {
	switch n := node.(type) {
	case *ast.LiteralType:
		return literalValue(n.Token).plain()
	case *ast.ListType:
		parts := make([]string, len(n.List))
		for i, e := range n.List {
			parts[i] = canonical(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *ast.ObjectType:
		return fmt.Sprintf("%q", leavesOf(n.List, nil))
	default:
		return fmt.Sprintf("%T", node)
	}
}

// plain returns a literal in one form.
func (v value) plain() string {
	switch v.kind {
	case isText:
		return strconv.Quote(v.text)
	case isNumber:
		if n, err := numberInJSON(v.text); err == nil {
			return n
		}
	}
	return v.text
}
