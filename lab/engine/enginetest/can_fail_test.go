package enginetest_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/enginetest"
)

// TestNoFault is the control of TestChecksCanFail: without a fault, no check reports anything.
func TestNoFault(t *testing.T) {
	t.Parallel()
	for name, check := range enginetest.Checks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := subject(t)
			s.Engine = newFaultyEngine(s.Engine)
			if got := reports(t.Context(), check, s); len(got) != 0 {
				t.Errorf("reported:\n\t%s", joined(got))
			}
		})
	}
}

// TestChecksCanFail adds one fault at a time to a real engine. The check of that property must report it.
func TestChecksCanFail(t *testing.T) {
	t.Parallel()
	checks := enginetest.Checks()
	covered := map[string]bool{}
	for _, f := range faults() {
		covered[f.check] = true
		t.Run(f.check+"/"+f.name, func(t *testing.T) {
			t.Parallel()
			s := subject(t)
			ctx, cancelCheck := context.WithCancel(t.Context())
			defer cancelCheck()
			b := newFaultyEngine(s.Engine)
			f.inject(b, cancelCheck)
			s.Engine = b
			got := reports(ctx, checks[f.check], s)
			if len(got) == 0 || !strings.Contains(got[0], f.says) {
				t.Errorf("reported:\n\t%s\nwant first what has %q in it", joined(got), f.says)
			}
		})
	}
	for name := range checks {
		if !covered[name] {
			t.Errorf("no fault shows that %s can fail", name)
		}
	}
}
