package nomadlab_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestHCLIsNomads holds hashicorp/hcl at the very version that the recipe of each Nomad builds it with. Its versions are
// ordered by name, so that another requirement (vault/api has v1.0.1-vault-7) lifts it without a word to a parser that
// refuses files which Nomad takes.
func TestHCLIsNomads(t *testing.T) {
	recipes, err := filepath.Glob("fixtures/images/nomad/*/go.mod.txt")
	if err != nil || len(recipes) == 0 {
		t.Fatalf("%d recipes of Nomad, %v", len(recipes), err)
	}
	ours := hclOf(t, "go.mod")
	for _, recipe := range recipes {
		if nomads := hclOf(t, recipe); nomads != ours {
			t.Errorf("go.mod has hashicorp/hcl %s, %s has %s: set go.mod to Nomad's", ours, recipe, nomads)
		}
	}
}

// hclOf returns the version of hashicorp/hcl that a build with the go.mod file uses: the replacement, if the file has one.
func hclOf(t *testing.T, path string) string {
	t.Helper()
	const hcl = "github.com/hashicorp/hcl"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse(path, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	version := ""
	for _, r := range file.Require {
		if r.Mod.Path == hcl {
			version = r.Mod.Version
		}
	}
	for _, r := range file.Replace {
		if r.Old.Path == hcl && (r.Old.Version == "" || r.Old.Version == version) {
			version = r.New.Version
		}
	}
	if version == "" {
		t.Fatalf("%s does not require %s", path, hcl)
	}
	return version
}
