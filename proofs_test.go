package nomadlab_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryProofIsRun: `make test` leaves the tests that are named so out of the packages, and runs them by name in a stage of
// their own, or `make prove` does. One that no name fits would never be run.
func TestEveryProofIsRun(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var run []*regexp.Regexp
	for _, names := range regexp.MustCompile(`-run '([^']+)'`).FindAllStringSubmatch(string(makefile), -1) {
		run = append(run, regexp.MustCompile(strings.ReplaceAll(names[1], "$$", "$")))
	}
	proof := regexp.MustCompile(`(?m)^func (TestProof\w*)\(`)
	found := 0
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range proof.FindAllStringSubmatch(string(text), -1) {
			found++
			if !anyMatches(run, name[1]) {
				t.Errorf("%s: no stage of make test, nor make prove, runs %s", path, name[1])
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d proofs were found, %v", found, err)
	}
}

func anyMatches(run []*regexp.Regexp, name string) bool {
	for _, r := range run {
		if r.MatchString(name) {
			return true
		}
	}
	return false
}
