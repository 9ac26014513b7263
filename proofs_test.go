package nomadlab_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryProofIsRun demands that the Makefile runs every test named TestProof… by name: in `make test`, whose packages leave
// them out, or in `make prove`.
func TestEveryProofIsRun(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	run := runs(string(makefile))
	proof := regexp.MustCompile(`(?m)^func (TestProof\w*)\(`)
	found := 0
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range proof.FindAllStringSubmatch(string(text), -1) {
			found++
			if !anyMatches(run[filepath.Dir(path)], name[1]) {
				t.Errorf("%s: no stage of make test, nor make prove, runs %s of that package", path, name[1])
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d proofs were found, %v", found, err)
	}
}

// runs returns the patterns of tests that a Makefile runs by name, by the folders of their packages.
func runs(makefile string) map[string][]*regexp.Regexp {
	makefile = strings.ReplaceAll(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(makefile, ""), "\\\n", " ")
	all := map[string][]*regexp.Regexp{}
	for _, line := range regexp.MustCompile(`-run '([^']+)'([^\n<]*)`).FindAllStringSubmatch(makefile, -1) {
		names := regexp.MustCompile(strings.ReplaceAll(line[1], "$$", "$"))
		for _, folder := range regexp.MustCompile(`\./([\w/]+)`).FindAllStringSubmatch(line[2], -1) {
			all[folder[1]] = append(all[folder[1]], names)
		}
	}
	return all
}

// TestRuns demands that a name counts only for the packages of its line.
func TestRuns(t *testing.T) {
	all := runs("# -run '^TestProofOfC$$' ./lab/a\na:\n\tgo test -run '^TestProofOfA$$' -v ./lab/a \\\n\t./lab/b </dev/null\nb:\n\tgo test -run '^TestProofOf(B|C)$$' ./lab/b/c\n")
	for _, c := range []struct {
		folder, name string
		want         bool
	}{
		{"lab/a", "TestProofOfA", true}, {"lab/b", "TestProofOfA", true}, {"lab/b/c", "TestProofOfB", true}, {"lab/b/c", "TestProofOfC", true},
		{"lab/b/c", "TestProofOfA", false}, {"lab/a", "TestProofOfC", false}, {"lab/a", "TestProofOfB", false}, {"lab", "TestProofOfA", false}, {"lab/a", "TestProofOfAll", false},
	} {
		if got := anyMatches(all[c.folder], c.name); got != c.want {
			t.Errorf("%s of %s: run is %t, want %t", c.name, c.folder, got, c.want)
		}
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
