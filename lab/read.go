package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

// Document is a lab's file.
type Document struct {
	Spec `yaml:",inline"`
	// Mutation is the ID of a mutation that the lab is to carry; package mutation knows them. Zero: none.
	Mutation string `yaml:"mutation,omitempty"`
}

// ReadDocument reads a lab's file, in YAML. An error wraps ErrInvalid; it names the line of a field that
// is unknown or of the wrong type, and quotes a value that cannot be read.
func ReadDocument(path string) (Document, error) {
	text, err := ReadUserFile(path)
	if err != nil {
		return Document{}, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, err)
	}
	d, err := DecodeDocument(bytes.NewReader(text))
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// DecodeDocument reads a lab's file from r. An empty document is the zero Spec. A field that a Document does not have is an
// error, and so is what CheckYAML refuses.
func DecodeDocument(r io.Reader) (Document, error) {
	var d Document
	text, err := io.ReadAll(io.LimitReader(r, largestYAML+1))
	if err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := CheckYAML(text); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&d)
	if err != nil && !errors.Is(err, io.EOF) {
		text := yaml.FormatError(err, false, true)
		if strings.Contains(text, `unknown field "weaken"`) {
			text += "\nweaken is gone: name a mutation, as in `mutation: server-plain-http` (`nomadlab mutate --list` shows all), or change lines with settings"
		}
		return Document{}, fmt.Errorf("%w:\n%s", ErrInvalid, text)
	}
	return d, nil
}
