package regress_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// TestSettings: the settings that promises rest on are the same however a configuration is written. A secret is in none.
func TestSettings(t *testing.T) {
	read := func(name string) []finding.Setting {
		of := func(role string) string {
			for _, form := range []string{role, role + ".hcl", role + ".json"} {
				if at := "../../fixtures/config/" + name + "/" + form; exists(at) {
					return at
				}
			}
			t.Fatalf("%s has no configuration of a %s", name, role)
			return ""
		}
		s, err := regress.Read(regress.Paths{Server: []string{of("server")}, Client: []string{of("client")}})
		if err != nil {
			t.Fatal(err)
		}
		all := regress.Settings(s)
		for i := range all {
			if all[i].Line == 0 || all[i].File == "" {
				t.Errorf("%s stands nowhere: %+v", all[i].Path, all[i])
			}
			if all[i].Path == "server.encrypt" && all[i].Value != "<redacted>" {
				t.Errorf("the gossip key is told: %+v", all[i])
			}
			all[i].File, all[i].Line = "", 0
		}
		return all
	}
	want := read("hardened")
	if len(want) < 20 {
		t.Fatalf("%d settings", len(want))
	}
	for _, form := range []string{"json", "split", "one-file"} {
		if diff := cmp.Diff(want, read(form)); diff != "" {
			t.Errorf("%s (-hardened +%s):\n%s", form, form, diff)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
