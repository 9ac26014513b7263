package posture_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
)

// TestSettingsAreWhatBreaks: where one setting was changed and a check broke, the check names that setting among those that
// its promise rests on.
func TestSettingsAreWhatBreaks(t *testing.T) {
	names := map[string][]string{}
	for _, s := range specs(t) {
		names[s.ID] = s.Settings
	}
	tried, saw := 0, readSeen(t)
	for _, w := range weakenings() {
		changed := lab.Spec{}.With(w.spec...).Settings
		if w.after != nil || len(changed) != 1 {
			continue
		}
		tried++
		broken := slices.Clone(w.breaks)
		if at := slices.IndexFunc(saw, func(s seen) bool { return s.Weakening == w.id }); at >= 0 {
			broken = append(broken, saw[at].Breaks...)
		}
		for _, id := range broken {
			if !slices.Contains(names[id], changed[0].Path) {
				t.Errorf("%s breaks %s, which rests on %q alone", w.line, id, names[id])
			}
		}
	}
	if tried < 40 {
		t.Errorf("%d weakenings change one setting: too few to prove anything", tried)
	}
}

// TestSettingsArePaths: each is a line that a configuration can have.
func TestSettingsArePaths(t *testing.T) {
	for _, s := range specs(t) {
		for at, path := range s.Settings {
			if err := agentconf.CheckSetting(path, ""); err != nil {
				t.Errorf("%s: %v", s.ID, err)
			}
			if slices.Index(s.Settings, path) != at {
				t.Errorf("%s names %s twice", s.ID, path)
			}
		}
	}
}
