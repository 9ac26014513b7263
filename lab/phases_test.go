package lab_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
)

// TestPhasesAreThoseOfTheDocument, in the same order.
func TestPhasesAreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## How a lab comes up\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, point := range regexp.MustCompile("(?m)^[0-9]+\\. ((?:`[a-z]+`(?:, )?)+): ").FindAllStringSubmatch(section, -1) {
		for name := range strings.SplitSeq(point[1], ", ") {
			told = append(told, strings.Trim(name, "`"))
		}
	}
	if diff := cmp.Diff(lab.Phases(), told); diff != "" {
		t.Errorf("(-code +document):\n%s", diff)
	}
}
