package lab_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"nomadlab.internal/lab"
)

// TestDocumentsThatGrow: a lab's file that would take all memory or the whole stack is refused, with its line, and takes little
// of either. The control of each is one of the same kind that is read.
func TestDocumentsThatGrow(t *testing.T) {
	aliases := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for _, n := range "bcdefghij" {
		aliases += string(n) + ": &" + string(n) + " [" + strings.Repeat("*"+string(n-1)+", ", 9) + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":          {aliases, "line 1: &: anchors and aliases are not read"},
		"brackets":         {"name: " + strings.Repeat("[", 500_000), "line 1: nested more than 50 times"},
		"braces":           {"name:\n  " + strings.Repeat("{a: ", 200_000), "line 2: nested more than 50 times"},
		"lists in a line":  {strings.Repeat("- ", 400_000) + "a", "line 1: nested more than 50 times"},
		"keys in a line":   {strings.Repeat("? ", 400_000) + "a", "line 1: nested more than 50 times"},
		"white space":      {"a:\n" + strings.Repeat(" ", 2000) + "b: 1", "line 2: nested more than 50 times"},
		"a large document": {"# " + strings.Repeat("x", 2<<20), "more than 1 MB of YAML"},
		"a small one":      {"name: demo # & * [ [ -- {\nregions: [{servers: 3}]\n# ------ -------\n", ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := lab.DecodeDocument(t.Context(), strings.NewReader(c.text))
		runtime.ReadMemStats(&after)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, lab.ErrInvalid)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
			t.Errorf("%s took %d MB", name, took>>20)
		}
	}
}
