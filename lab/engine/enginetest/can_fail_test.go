package enginetest_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/enginetest"
)

// TestSoundEnginePasses is the control of TestChecksCanFail: where nothing is broken, no check reports anything.
func TestSoundEnginePasses(t *testing.T) {
	t.Parallel()
	for name, check := range enginetest.Checks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := subject(t)
			s.Engine = sound(s.Engine)
			if got := reports(t.Context(), check, s); len(got) != 0 {
				t.Errorf("reported:\n\t%s", joined(got))
			}
		})
	}
}

// TestChecksCanFail breaks one thing of a real engine at a time. The check of that promise must report it.
func TestChecksCanFail(t *testing.T) {
	t.Parallel()
	checks := enginetest.Checks()
	broken := map[string]bool{}
	for _, f := range faults() {
		broken[f.check] = true
		t.Run(f.check+"/"+f.name, func(t *testing.T) {
			t.Parallel()
			s := subject(t)
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			b := sound(s.Engine)
			f.inject(b, giveUp)
			s.Engine = b
			got := reports(ctx, checks[f.check], s)
			if len(got) == 0 || !strings.Contains(got[0], f.says) {
				t.Errorf("reported:\n\t%s\nwant first what has %q in it", joined(got), f.says)
			}
		})
	}
	for name := range checks {
		if !broken[name] {
			t.Errorf("no fault shows that %s can fail", name)
		}
	}
}
