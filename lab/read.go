package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/lab/userfile"
)

// Document is a lab's file.
type Document struct {
	Spec `yaml:",inline"`
	// Mutation is the ID of a mutation that the lab is to carry; package mutation knows them. Zero: none.
	Mutation string `yaml:"mutation,omitempty"`
}

// whole is what was read of a lab's file.
func whole(ctx context.Context, text []byte, err error) (Document, error) {
	switch {
	case ctx.Err() != nil && err != nil:
		return Document{}, fmt.Errorf("read the lab's file: %w", err)
	case err != nil:
		return Document{}, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, err)
	default:
		return decode(text)
	}
}

// ReadDocument reads a lab's file, in YAML, until ctx ends. An error wraps ErrInvalid; it names the line of a field that
// is unknown or of the wrong type, and quotes a value that cannot be read.
func ReadDocument(ctx context.Context, path string) (Document, error) {
	text, err := userfile.Wait(ctx, path)
	d, err := whole(ctx, text, err)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// DecodeDocument reads a lab's file from r, which it does not close, until ctx ends. An empty document is the zero Spec. A
// field that a Document does not have is an error, and so is what CheckYAML refuses.
func DecodeDocument(ctx context.Context, r io.Reader) (Document, error) {
	text, err := userfile.WaitOn(ctx, "the lab's file", r)
	return whole(ctx, text, err)
}

func decode(text []byte) (Document, error) {
	var d Document
	if err := CheckYAML(text); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&d)
	if err != nil && !errors.Is(err, io.EOF) {
		text := yaml.FormatError(err, false, true)
		if strings.Contains(text, `unknown field "weaken"`) {
			text += "\nweaken is gone: name a mutation, as in `mutation: server-plain-http` (`nomadlab mutate --list` shows all), or change lines with settings"
		}
		return Document{}, fmt.Errorf("%w:\n%s", ErrInvalid, text)
	}
	return d, nil
}
