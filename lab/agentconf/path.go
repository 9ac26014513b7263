package agentconf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// CheckSetting returns what is wrong with a path and a value for Edit, whatever the text: a path that is no series of
// names with dots between, a value that is no literal of HCL. An empty value is right: it takes the line out.
func CheckSetting(path, value string) error {
	if _, _, err := parsePath(path); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	_, err := literalOf(value)
	return err
}

// literalOf reads a value that needs nothing else to be known.
func literalOf(text string) (cty.Value, error) {
	expression, faults := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	var value cty.Value
	if !faults.HasErrors() {
		value, faults = expression.Value(nil)
	}
	if faults.HasErrors() {
		return cty.NilVal, fmt.Errorf(`the value %s is no literal of HCL, such as true, 5, "0s" or ["a", "b"]: %w`, text, faults)
	}
	return value, nil
}

// step is one block on the way to a line.
type step struct {
	kind   string
	labels []string
}

// parsePath returns the blocks on the path, and the name that it leads to: a line's, or a block's.
func parsePath(path string) (blocks []step, last string, err error) {
	names := strings.Split(path, ".")
	for _, name := range names {
		if !hclsyntax.ValidIdentifier(name) {
			return nil, "", fmt.Errorf("%q is no path such as tls.http: %q is no name", path, name)
		}
	}
	for len(names) > 1 {
		s := step{kind: names[0]}
		names = names[1:]
		if labelled(s.kind) {
			s.labels, names = names[:1], names[1:]
		}
		blocks = append(blocks, s)
	}
	if len(names) == 0 || labelled(names[0]) {
		return nil, "", fmt.Errorf("%q ends too soon: the block has a name of its own, and lines in it", path)
	}
	return blocks, names[0], nil
}

// labelled says whether blocks of that kind have a label. These are all of Nomad 1.11.3 without Enterprise
// (command/agent/config.go:187, :199, :382 and :412).
func labelled(kind string) bool {
	return slices.Contains([]string{"plugin", "keyring", "host_volume", "host_network"}, kind)
}

// descend returns the body of the last of the blocks. With create, blocks that are missing are made; without, the body is
// nil where one is.
func descend(body *hclwrite.Body, blocks []step, create bool) (*hclwrite.Body, error) {
	for _, s := range blocks {
		if body.GetAttribute(s.kind) != nil {
			return nil, fmt.Errorf("%s is not a block here but a map in one line, which can only be changed as a whole", s.kind)
		}
		block := body.FirstMatchingBlock(s.kind, s.labels)
		switch same := func(b *hclwrite.Block) bool { return b.Type() == s.kind && slices.Equal(b.Labels(), s.labels) }; {
		case block == nil && !create:
			return nil, nil
		case block == nil:
			body.AppendNewline()
			block = body.AppendNewBlock(s.kind, s.labels)
		case slices.ContainsFunc(body.Blocks(), func(b *hclwrite.Block) bool { return b != block && same(b) }):
			return nil, fmt.Errorf("there are several blocks %s, and it is not clear which one is meant", s.kind)
		}
		body = block.Body()
	}
	return body, nil
}
