package lab

import (
	"bytes"
	"context"
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

// readUntil reads r to its end, or until ctx ends: a pipe that nobody writes to has none, and neither has a terminal. What is
// being read then goes on in a goroutine of its own, until this process ends.
func readUntil(ctx context.Context, open func() (io.Reader, error)) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var text []byte
		r, err := open()
		if err == nil {
			text, err = io.ReadAll(io.LimitReader(r, largestYAML+1)) // a device such as /dev/zero has no end
		}
		if c, closes := r.(io.Closer); closes && err == nil {
			err = c.Close()
		}
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("read the lab's file: %w", context.Cause(ctx))
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, r.err)
		}
		return r.text, nil
	}
}

// ReadDocument reads a lab's file, in YAML, until ctx ends. An error wraps ErrInvalid; it names the line of a field that
// is unknown or of the wrong type, and quotes a value that cannot be read.
func ReadDocument(ctx context.Context, path string) (Document, error) {
	text, err := readUntil(ctx, func() (io.Reader, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return f, nil
	})
	if err != nil {
		return Document{}, err
	}
	d, err := decode(text)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// DecodeDocument reads a lab's file from r, which it does not close, until ctx ends. An empty document is the zero Spec. A
// field that a Document does not have is an error, and so is what CheckYAML refuses.
func DecodeDocument(ctx context.Context, r io.Reader) (Document, error) {
	text, err := readUntil(ctx, func() (io.Reader, error) { return struct{ io.Reader }{r}, nil })
	if err != nil {
		return Document{}, err
	}
	return decode(text)
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
