package regress_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/finding"
)

// TestProofOfSoundConfigurations: of a sound configuration, in whatever form people write theirs, nothing fails, nothing is left
// open, much holds, and what is skipped is skipped for a reason that was looked at. `make prove` does it.
func TestProofOfSoundConfigurations(t *testing.T) {
	t.Parallel()
	forms, err := fs.ReadDir(fixtures.Config, "config/sound")
	if err != nil {
		t.Fatal(err)
	}
	c := newChecked(t)
	for _, form := range forms {
		if !form.IsDir() {
			continue
		}
		t.Run(form.Name(), func(t *testing.T) {
			t.Parallel()
			fewest := 210
			if form.Name() == "alone" {
				fewest = 130
			}
			nothingFails(t, c.report(t, "sound/"+form.Name()), append(skippedWhereSound(), skippedAlso()[form.Name()]...), fewest)
		})
	}
}

// nothingFails: so many promises hold at least, and of those that do not each is skipped for one of the reasons.
func nothingFails(t *testing.T, r finding.Report, reasons []string, fewest int) {
	t.Helper()
	held := 0
	for _, f := range r.Findings {
		switch {
		case f.Verdict == finding.Held:
			held++
		case f.Verdict != finding.Skipped:
			t.Errorf("%s at %s is %s because %s", f.ID, f.Node, f.Verdict, f.Reason)
		case !slices.ContainsFunc(reasons, func(why string) bool { return strings.Contains(f.Reason, why) }):
			t.Errorf("%s at %s is skipped: %s", f.ID, f.Node, f.Reason)
		}
	}
	if held < fewest {
		t.Errorf("%d promises hold, want %d at least", held, fewest)
	}
	if r.Matrix == nil {
		t.Fatal("there is no matrix")
	}
	for _, row := range r.Matrix.Rows {
		for _, cell := range row.Cells {
			if cell.Verdict != finding.Held && cell.Verdict != finding.Skipped {
				t.Errorf("%s at %s is %s because %s", row.Certificate, cell.Entry, cell.Verdict, cell.Reason)
			}
		}
	}
}

// skippedWhereSound are the reasons for which a check of a sound configuration is skipped, each as a part of it.
func skippedWhereSound() []string {
	return []string{
		"your certificates were not handed in, and the lab's own stood in for them",
		"none of your files that were read is one: hand the keys in",
		"none of your files that were read holds a secret",
		"no certificate was handed in or can be read here",
		"no file of authorities was handed in",
	}
}

// skippedAlso are the reasons of one form alone.
func skippedAlso() map[string][]string {
	const noWorkload = "no workload of the checks' own runs: that takes a client with raw_exec or mock_driver"
	return map[string][]string{
		"allowlists": {noWorkload},
		"tls13":      {"it speaks nothing older than TLS 1.3, whose suites are all sound: see "},
		"alone": {
			"there is one server, which ", "there is no agent of the role that the check is for", noWorkload,
		},
	}
}
