package lab_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/spec"
)

// TestASourceIsKnownOrAFolder: a name that is mistyped is refused with the names that there are.
func TestASourceIsKnownOrAFolder(t *testing.T) {
	for _, source := range append(spec.Sources(), "", t.TempDir()) {
		if err := lab.CheckFolder(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	for _, source := range []string{"cflss", filepath.Join(t.TempDir(), "certs")} {
		if err := lab.CheckFolder(source); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "cfssl") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
