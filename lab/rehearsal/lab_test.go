package rehearsal_test

import (
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/rehearsal"
)

// shortStep is a step timeout for a change that breaks: what it waits for never comes. In these changes no other step waits for a clock
// of Nomad's.
const shortStep = 4 * time.Second

func run(t *testing.T, o rehearsal.Options, from, to rehearsal.Side) rehearsal.Rehearsal {
	t.Helper()
	r, err := rehearsal.Run(t.Context(), o, from, to)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	return r
}

// TestAnotherAuthority rehearses a change of the authority. Each node changed once, those that have changed and those that have not
// refuse each other. In rounds nothing is lost.
func TestAnotherAuthority(t *testing.T) {
	folder := copied(t, "hardened")
	from := side(t, "old", folder, issued(t, authority(t, "the old authority")))
	to := side(t, "new", folder, issued(t, authority(t, "the new authority")))
	o := options(t)
	o.StepTimeout = shortStep
	r := run(t, o, from, to)
	if got := r.Result(); got != rehearsal.Breaks {
		t.Errorf("each node changed once: %q, want %q", got, rehearsal.Breaks)
	}
	better := r.Better()
	if better == nil || better.Order != rehearsal.InRounds || better.Result != rehearsal.LostNothing {
		t.Errorf("the better order is %v, want %s, which loses nothing", better, rehearsal.InRounds)
	}
	if better == nil {
		return
	}
	for _, step := range better.Steps {
		if step.Node != "" && string(step.Effect) != string(rehearsal.Reload) {
			t.Errorf("%s takes effect by %q, want a reload", step.Node, step.Effect)
		}
	}
}
