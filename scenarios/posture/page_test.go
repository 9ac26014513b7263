package posture_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

const (
	// checksPage is made from seenFile and the catalogue.
	checksPage = "../../docs/checks.md"
	// seenFile is what TestEveryCheckCanFail saw when it was last run with -update.
	seenFile = "testdata/seen.json"
)

// seen is what was seen at one weakening.
type seen struct {
	// Weakening is its id.
	Weakening string `json:"weakening"`
	// Breaks are the IDs of the checks that broke, in the catalogue's order.
	Breaks []string `json:"breaks"`
	// Green are the planes of which enough of the checks held.
	Green []string `json:"green"`
}

// TestChecksPage: the page is what was seen, in the catalogue's words.
func TestChecksPage(t *testing.T) {
	all := readSeen(t)
	demand(t, all)
	page := page(t, all)
	if updating() {
		write(t, checksPage, page)
		return
	}
	written, err := os.ReadFile(checksPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(page)); diff != "" {
		t.Errorf("docs/checks.md (-written +made), `go test ./scenarios/posture -run TestChecksPage -update` writes it:\n%s", diff)
	}
}

func readSeen(t *testing.T) []seen {
	t.Helper()
	text, err := os.ReadFile(seenFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []seen
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Clean(path), content, 0o644); err != nil { //nolint:gosec // for everybody to read
		t.Fatal(err)
	}
}

// specs are the catalogue's.
func specs(t *testing.T) []posture.Spec {
	t.Helper()
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]posture.Spec, len(checks))
	for i, c := range checks {
		all[i] = c.Spec()
	}
	return all
}

// page is docs/checks.md.
func page(t *testing.T, all []seen) []byte {
	t.Helper()
	checks, lines := specs(t), map[string]string{}
	for _, w := range weakenings() {
		lines[w.id] = w.line
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, `# The checks, and what each of them caught

`+"`nomadlab check`"+` carries these out; [posture.md](posture.md) says how. This page is made from what TestEveryCheckCanFail saw:
for each weakening below, it brings up a hardened lab that lacks one line, and sees which checks break. On the hardened
lab all of them hold.

%d checks, %d weakenings. %d checks break at lines of their own; others break at the same lines as one of these, and show
the same thing in another way. A check counts as seen to fail only at a weakening that leaves more than half of its
plane's checks alone; for one of the cluster, a single other check that holds must do, as servers without a leader have no
peers and no clients either. Where agents do not become a cluster, its plane alone is tried.
`, len(checks), len(all), len(rows(checks, all)))
	for _, plane := range planes(checks) {
		fmt.Fprintf(&text, "\n## %s\n\n| check | the promise | kind, severity | why | caught |\n| --- | --- | --- | --- | --- |\n", plane)
		for _, s := range checks {
			if string(s.Plane) == plane {
				fmt.Fprintf(&text, "| %s | %s | %s, %s | %s | %s |\n", s.ID, cell(s.Title), s.Kind, s.Severity, cell(s.Why), caughtLines(s, all, lines))
			}
		}
	}
	fmt.Fprint(&text, "\n## The weakenings, and all that each of them breaks\n\n| weakening | the line | breaks |\n| --- | --- | --- |\n")
	for _, s := range all {
		fmt.Fprintf(&text, "| %s | %s | %s |\n", s.Weakening, code(lines[s.Weakening]), strings.Join(s.Breaks, "<br>"))
	}
	return text.Bytes()
}

// rows are the checks that break at the same weakenings, by these.
func rows(checks []posture.Spec, all []seen) map[string][]string {
	alike := map[string][]string{}
	for _, s := range checks {
		row := strings.Join(breaking(s.ID, all), " ")
		alike[row] = append(alike[row], s.ID)
	}
	return alike
}

// breaking are the weakenings at which the check broke.
func breaking(id string, all []seen) []string {
	var ids []string
	for _, s := range all {
		if slices.Contains(s.Breaks, id) {
			ids = append(ids, s.Weakening)
		}
	}
	return ids
}

// caught are those of them that left enough of the plane's checks alone, the most telling first: those that break
// the least.
func caught(c posture.Spec, all []seen) []seen {
	var telling []seen
	for _, s := range all {
		if slices.Contains(s.Breaks, c.ID) && slices.Contains(s.Green, string(c.Plane)) {
			telling = append(telling, s)
		}
	}
	slices.SortStableFunc(telling, func(a, b seen) int { return len(a.Breaks) - len(b.Breaks) })
	return telling
}

// caughtLines are their lines.
func caughtLines(c posture.Spec, all []seen, lines map[string]string) string {
	var words []string
	for _, s := range caught(c, all) {
		words = append(words, code(lines[s.Weakening]))
	}
	return strings.Join(words, "<br>")
}

func planes(checks []posture.Spec) []string {
	var all []string
	for _, c := range checks {
		if !slices.Contains(all, string(c.Plane)) {
			all = append(all, string(c.Plane))
		}
	}
	return all
}

// cell makes a text fit for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// code sets a line of configuration off, unless it has its own backticks.
func code(line string) string {
	if strings.Contains(line, "`") {
		return cell(line)
	}
	return "`" + cell(line) + "`"
}
