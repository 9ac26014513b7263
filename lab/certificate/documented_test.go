package certificate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProblemsAreDocumented: docs/certificates.md has a row for each problem, with what Nomad does, and no other rows.
func TestProblemsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/certificates.md")
	if err != nil {
		t.Fatal(err)
	}
	effects := map[string]string{"Refused": "refused", "NotStarted": "no agent starts with it", "Unnoticed": "Nomad says nothing"}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (refused|no agent starts with it|Nomad says nothing) \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]+": "+row[2]] = false
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range regexp.MustCompile(`\{"([a-z0-9-]+)", (Refused|NotStarted|Unnoticed)`).FindAllStringSubmatch(string(source), -1) {
			row := p[1] + ": " + effects[p[2]]
			if _, is := documented[row]; !is {
				t.Errorf("%s: no row of docs/certificates.md is %q", file, row)
			}
			documented[row] = true
			found++
		}
	}
	for row, is := range documented {
		if !is {
			t.Errorf("docs/certificates.md has %q, which is no problem", row)
		}
	}
	if found < 30 {
		t.Errorf("%d problems were found in the source", found)
	}
}
