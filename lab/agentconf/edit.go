package agentconf

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// editor is what a changed line says behind itself.
const editor = "the lab's spec"

// Edit returns the configuration with one line changed, and a comment that says so. The path names the blocks that the
// line is in, the label of one behind its name, and the line: "tls.http", "plugin.raw_exec.config.enabled". Blocks that
// are missing are made. The value is a literal of HCL, such as false, "0s" or ["a", "b"]; empty, it takes out the line, or
// the block of that name.
//
// The text is one that both versions of HCL read alike, as Agent.HCL writes it. The errors are CheckSetting's, and those
// of a text that is none or in which the path does not lead to one line. Whether Nomad knows the line is Nomad's to say.
func Edit(text []byte, path, value string) ([]byte, error) {
	changed, err := edit(text, path, value)
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", path, err)
	}
	return changed, nil
}

func edit(text []byte, path, value string) ([]byte, error) {
	if err := CheckSetting(path, value); err != nil {
		return nil, err
	}
	blocks, name, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	file, err := parse(text)
	if err != nil {
		return nil, err
	}
	body, err := descend(file.Body(), blocks, value != "")
	if err != nil {
		return nil, err
	}
	switch {
	case value == "":
		err = remove(body, name)
	case len(blocks) == 0 && body.GetAttribute(name) == nil:
		body.AppendNewline()
		fallthrough
	default:
		err = set(body, name, value)
	}
	if err != nil {
		return nil, err
	}
	_, err = parse(file.Bytes())
	return file.Bytes(), err
}

// Flag is the value of a boolean line, to which the path leads as in Edit. A line that is not there is false, Nomad's
// default of most. It returns an error for a line that is no boolean, and those of Edit.
func Flag(text []byte, path string) (bool, error) {
	blocks, name, err := parsePath(path)
	if err != nil {
		return false, err
	}
	file, err := parse(text)
	if err != nil {
		return false, err
	}
	body, err := descend(file.Body(), blocks, false)
	if err != nil || body == nil || body.GetAttribute(name) == nil {
		return false, err
	}
	value, err := literalOf(string(body.GetAttribute(name).Expr().BuildTokens(nil).Bytes()))
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	if value.Type() != cty.Bool {
		return false, fmt.Errorf("read %s: it is no boolean", path)
	}
	return value.True(), nil
}

func parse(text []byte) (*hclwrite.File, error) {
	file, faults := hclwrite.ParseConfig(text, "", hcl.InitialPos)
	if faults.HasErrors() {
		return nil, fmt.Errorf("the configuration cannot be read: %w", faults)
	}
	return file, nil
}

func set(body *hclwrite.Body, name, value string) error {
	if body.FirstMatchingBlock(name, nil) != nil {
		return fmt.Errorf("%s is a block here, with lines of its own", name)
	}
	tokens := tokensOf(value)
	// The comment stands behind the value, where it stays with it whatever stands above.
	note := "# by " + editor
	if old := body.GetAttribute(name); old == nil || !bytes.Contains(old.BuildTokens(nil).Bytes(), []byte(note)) {
		tokens = append(tokens, &hclwrite.Token{Type: hclsyntax.TokenComment, Bytes: []byte(note), SpacesBefore: 1})
	}
	body.SetAttributeRaw(name, tokens)
	return nil
}

// tokensOf are the value's, which CheckSetting has read.
func tokensOf(value string) hclwrite.Tokens {
	file, _ := hclwrite.ParseConfig([]byte("value = "+value+"\n"), "", hcl.InitialPos)
	return file.Body().GetAttribute("value").Expr().BuildTokens(nil)
}

func remove(body *hclwrite.Body, name string) error {
	switch {
	case body == nil:
		return fmt.Errorf("there is no line %s to take out", name)
	case body.GetAttribute(name) != nil:
		body.RemoveAttribute(name)
	case body.FirstMatchingBlock(name, nil) != nil:
		body.RemoveBlock(body.FirstMatchingBlock(name, nil))
	default:
		return fmt.Errorf("there is no line %s to take out", name)
	}
	section{body}.comment(name + " was taken out by " + editor)
	return nil
}
