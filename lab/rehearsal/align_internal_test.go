package rehearsal

import (
	"path"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// TestAlign holds that both lists get the same names in the same order, and that each side still says what it said.
func TestAlign(t *testing.T) {
	for name, test := range map[string]struct{ a, b, want string }{
		"the same":        {"x y", "x y", "x y"},
		"one more":        {"nomad server", "gossip nomad server", "gossip nomad server"},
		"one less":        {"a b c", "a c", "a b c"},
		"others":          {"a b", "c d", "a b c d"},
		"another order":   {"a b", "b a", "a b a"},
		"one side has it": {"a", "a b c", "a b c"},
	} {
		a, b := filesNamed("/old/", test.a), filesNamed("/new/", test.b)
		x, y := alignFiles(a, b)
		if got := names(x); got != test.want || names(y) != got {
			t.Errorf("%s: %q and %q, want %q", name, got, names(y), test.want)
		}
		for _, side := range []struct{ given, aligned agentconf.Files }{{a, x}, {b, y}} {
			var said agentconf.Files
			for _, f := range side.aligned {
				if strings.Contains(string(f.Text()), "datacenter") {
					said = append(said, f)
				}
			}
			if !slices.EqualFunc(said, side.given, func(f, g agentconf.File) bool { return f.Name() == g.Name() }) {
				t.Errorf("%s: the files that say something are %q, want %q", name, names(said), names(side.given))
			}
		}
	}
}

func filesNamed(folder, words string) agentconf.Files {
	var out agentconf.Files
	for name := range strings.FieldsSeq(words) {
		out = append(out, agentconf.NewFile(folder+name+".hcl", []byte("datacenter = \"dc1\"\n")))
	}
	return out
}

func names(files agentconf.Files) string {
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(path.Base(f.Name()), ".hcl"))
	}
	return strings.Join(out, " ")
}
