package regress_test

import (
	"path/filepath"
	"slices"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress"
)

// TestFilesAlone: checks of files are chosen by name, plane or pattern, and take no cluster: there is no engine here.
func TestFilesAlone(t *testing.T) {
	config := written(t, map[string]string{"s.hcl": soundServer + `server { encrypt = "+p7iF56z0EWoSIvhpYHWXZrSAAtnjR9l6XHRzHqQKlg=" }`})
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(config, "s.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"server-gossip-key-is-secret": 1, "files": 19, "handed-in-*": 6} {
		r, err := regress.Check(t.Context(), regress.Options{Inspect: inspect.Options{Only: []string{name}}}, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) != want {
			t.Errorf("%s are %d checks, want %d", name, len(r.Findings), want)
		}
		fails := slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Result == finding.Fail })
		if fails != (name != "handed-in-*") {
			t.Errorf("%s: something fails: %t", name, fails)
		}
	}
}
