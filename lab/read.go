package lab

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
)

// ReadSpec reads a Spec from a YAML file. An error wraps ErrInvalid; it names the line of a field that
// is unknown or of the wrong type, and quotes a value that cannot be read.
func ReadSpec(path string) (Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return Spec{}, fmt.Errorf("%w: read the lab's file: %w", ErrInvalid, err)
	}
	defer func() { _ = f.Close() }()
	s, err := DecodeSpec(f)
	if err != nil {
		return Spec{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// DecodeSpec reads a Spec in YAML. An empty document is the zero Spec. A field that a Spec does not have is an error.
func DecodeSpec(r io.Reader) (Spec, error) {
	var s Spec
	err := yaml.NewDecoder(r, yaml.Strict()).Decode(&s)
	if err != nil && !errors.Is(err, io.EOF) {
		return Spec{}, fmt.Errorf("%w:\n%s", ErrInvalid, yaml.FormatError(err, false, true))
	}
	return s, nil
}
