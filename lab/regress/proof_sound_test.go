package regress_test

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/labtest"
)

// TestProofOfSoundConfigurations: of a sound configuration, in whatever form people write theirs, nothing fails, nothing is left
// open, much holds, and what is skipped is skipped for a reason that was looked at. `make prove` does it.
func TestProofOfSoundConfigurations(t *testing.T) {
	t.Parallel()
	c := newChecked(t)
	for _, form := range soundForms(t) {
		t.Run(path.Base(form.folder), func(t *testing.T) {
			t.Parallel()
			also := ofForms()[form.folder]
			got := labtest.AllPass(t, c.report(t, path.Join("sound", form.folder)), append(skippedWhereSound(), also.reasons...)...)
			if fewest := cmp.Or(also.fewest, 210); got.Passed < fewest || got.Known > 0 {
				t.Errorf("%d checks pass and %d fail, want %d at least and none", got.Passed, got.Known, fewest)
			}
		})
	}
}

// soundForm is a row of fixtures/config/sound/README.md.
type soundForm struct {
	// folder is that of the files, below fixtures/config/sound.
	folder string
	// origin says what the form is, and where it is from.
	origin string
}

// own reports whether the form is our own.
func (f soundForm) own() bool { return strings.HasPrefix(f.origin, "our own ") }

// somewhere finds what can be looked up: a place in a repository, a page of Nomad's documentation, or a tutorial.
var somewhere = regexp.MustCompile(`github\.com/[\w.-]+/[\w.-]+, [\w.]|developer\.hashicorp\.com/nomad/(docs|tutorials)/\w`)

// soundForms returns all sound configurations. It fails unless there are 40, of which at most ten are ours, each with where it is from.
func soundForms(t *testing.T) []soundForm {
	t.Helper()
	text, err := fs.ReadFile(fixtures.Config, "config/sound/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var forms []soundForm
	own := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| *(.*?) *\\|$").FindAllStringSubmatch(string(text), -1) {
		form := soundForm{folder: row[1], origin: row[2]}
		switch forms = append(forms, form); {
		case form.own():
			own++
		case !somewhere.MatchString(form.origin):
			t.Errorf("%s does not say where its form is from: %q", form.folder, form.origin)
		}
	}
	if len(forms) < 40 || own > 10 {
		t.Errorf("there are %d sound configurations, %d of them our own forms: want 40 at least, and at most 10 of our own", len(forms), own)
	}
	return forms
}

// TestWhereSoundFormsAreFrom: a form that people use has a public source. That each folder has its row is tested with the
// fixtures.
func TestWhereSoundFormsAreFrom(t *testing.T) { soundForms(t) }

// skippedWhereSound are the reasons for which a check of a sound configuration is skipped, each as a part of it.
func skippedWhereSound() []string {
	return []string{
		"you gave no certificates, so the lab's own were used",
		"none of your files that were read is one: give the keys with --tls-dir",
		"none of your files that were read holds a secret",
		"you gave no certificate, and none can be read here",
		"you gave no file of authorities",
	}
}

// ofOneForm is what is otherwise of one form alone: reasons for which something is skipped, and how much holds at least, where not as
// much as elsewhere.
type ofOneForm struct {
	reasons []string
	fewest  int
}

func ofForms() map[string]ofOneForm {
	return map[string]ofOneForm{
		"allowlists": {reasons: []string{noWorkload}},
		"tls13":      {reasons: []string{"it speaks nothing older than TLS 1.3, whose suites are all sound: see "}},
		"alone":      {fewest: 130, reasons: append(withoutClients(), "there is one server, which ")},
	}
}

// noWorkload is the reason of checks that look at a job of their own.
const noWorkload = "no workload of the checks' own runs: that takes a client with raw_exec or mock_driver"

// withoutClients are the reasons where there are servers alone.
func withoutClients() []string {
	return []string{"there is no agent of the role that the check is for", noWorkload}
}
