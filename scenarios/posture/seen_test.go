package posture_test

import (
	"fmt"
	"slices"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
)

// inspected carries out the checks.
func inspected(t *testing.T, l *lab.Lab, o inspect.Options) finding.Report {
	t.Helper()
	r, err := inspect.Lab(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(t.Output(), "%s in %.1f s\n", finding.Summarize(r.Findings), r.Took.Seconds())
	return r
}

func findingsOf(findings []finding.Finding, id string) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f finding.Finding) bool { return f.ID != id })
}
