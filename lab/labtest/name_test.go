package labtest_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// named is a test of any name.
type named struct {
	testing.TB
	name string
}

func (n named) Name() string { return n.name }

// TestNamesOfLabs: the name of a lab contains the name of its test, is valid, and is unique.
func TestNamesOfLabs(t *testing.T) {
	for test, prefix := range map[string]string{
		"TestSix": "t-six-", "TestSix/with_a_client": "t-six-with-a-client-", "Test": "t-", "TestÄÖ": "t-", "TestX/#00": "t-x-00-",
		"Test" + strings.Repeat("Long", 20): "t-longlong", "TestA/" + strings.Repeat("-", 40): "t-a-",
		"TestPlain" + strings.Repeat("x", 14) + "-y": "t-plain",
	} {
		first, second := labtest.Name(named{t, test}), labtest.Name(named{t, test})
		if err := (spec.Spec{Name: first}).Validate(); err != nil {
			t.Errorf("%s: %v", test, err)
		}
		if !strings.HasPrefix(first, prefix) || first == second {
			t.Errorf("%s: %q and %q, want two that begin with %q", test, first, second, prefix)
		}
	}
}
