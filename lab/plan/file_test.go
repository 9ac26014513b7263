package plan_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/plan"
)

// TestModesOfAPlan are in JSON as chmod takes them, and read as they were written; also those of older records, which are numbers.
func TestModesOfAPlan(t *testing.T) {
	for text, want := range map[string]plan.File{
		`{"path":"/a","secret":"private key","mode":"0600"}`: {Path: "/a", Mode: 0o600, Secret: plan.PrivateKey},
		`{"path":"/b","mode":"0700","folder":true}`:          {Path: "/b", Mode: fs.ModeDir | 0o700},
		`{"path":"/c","content":"x = 1","mode":"0644"}`:      {Path: "/c", Mode: 0o644, Content: "x = 1"},
	} {
		written, err := json.Marshal(want)
		if err != nil || string(written) != text {
			t.Errorf("it is written as %s (%v), want %s", written, err, text)
		}
		var read plan.File
		if err := json.Unmarshal([]byte(text), &read); err != nil || !cmp.Equal(read, want, cmp.AllowUnexported(plan.File{})) {
			t.Errorf("%s is read as %+v (%v)", text, read, err)
		}
	}
	var old plan.File
	if err := json.Unmarshal([]byte(`{"path":"/b","mode":2147484096}`), &old); err != nil || old.Mode != fs.ModeDir|0o700 {
		t.Errorf("an older record is read as %+v (%v)", old, err)
	}
	if err := json.Unmarshal([]byte(`{"path":"/b","mode":"x"}`), &old); err == nil {
		t.Error("a mode that is none is read")
	}
}
