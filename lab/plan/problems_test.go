package plan_test

import (
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/spec"
)

// problemsOf returns the problems that the error names, and demands its form: see spectest.Problems.
func problemsOf(t *testing.T, err error) []spec.Problem {
	t.Helper()
	problems, wrong := spectest.Problems(err)
	if wrong != nil {
		t.Fatal(wrong)
	}
	return problems
}
