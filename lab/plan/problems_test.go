package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/spec"
)

// problemsOf demands the error's type and what it wraps, and that its text has a line for every problem.
func problemsOf(t *testing.T, err error) []spec.Problem {
	t.Helper()
	invalid, ok := errors.AsType[*spec.InvalidError](err)
	if !ok {
		t.Fatalf("error %v, want an *InvalidError", err)
	}
	if !errors.Is(err, spec.ErrInvalid) {
		t.Errorf("%v does not wrap ErrInvalid", err)
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, p.Field+" is "+p.Found+": "+p.Mend)
	}
	if diff := cmp.Diff(strings.Join(lines, "\n"), err.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	return invalid.Problems
}
