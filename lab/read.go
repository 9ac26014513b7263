package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	f, err := os.Open(path)
	if err != nil {
		return Document{}, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, err)
	}
	defer func() { _ = f.Close() }()
	d, err := DecodeDocument(f)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// DecodeDocument reads a lab's file from r. An empty document is the zero Spec. A field that a Document does not have is an
// error.
func DecodeDocument(r io.Reader) (Document, error) {
	var d Document
	err := yaml.NewDecoder(r, yaml.Strict()).Decode(&d)
	if err != nil && !errors.Is(err, io.EOF) {
		text := yaml.FormatError(err, false, true)
		if strings.Contains(text, `unknown field "weaken"`) {
			text += "\nweaken is gone: name a mutation, as in `mutation: server-plain-http` (`nomadlab mutate --list` shows all), or change lines with settings"
		}
		return Document{}, fmt.Errorf("%w:\n%s", ErrInvalid, text)
	}
	return d, nil
}
