package main

import (
	"os/exec"
	"strings"
	"testing"
)

// odd returns values that need careful quoting.
func odd() []string {
	return []string{
		"", "plain", "two words", " edges ", `it's`, `say "hi"`, `back\slash`, `ends in \`, `'`, `\'`, "$HOME `id` $(id)",
		"semi;colon & pipe | star * ~ !x", "new\nline", "tab\t", "ünïcode", "-n", "#no comment",
	}
}

func TestBashTakesValuesAsTheyAre(t *testing.T) {
	for _, value := range odd() {
		line := bash.set("ODD", value)
		out, err := exec.CommandContext(t.Context(), "bash", "-c", `eval "$1"; printf %s "$ODD"; export -p | grep -q ' ODD=' && printf ' exported'`, "bash", line).Output()
		if err != nil || string(out) != value+" exported" {
			t.Errorf("bash makes %q of %s (%v)", out, line, err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", `ODD=1; eval "$1"; printf %s "${ODD-unset}"`, "bash", bash.unset("ODD")).Output()
	if err != nil || string(out) != "unset" {
		t.Errorf("bash makes %q of %s (%v)", out, bash.unset("ODD"), err)
	}
}

// fishWord reads a single-quoted word as fish does: a backslash escapes a quote or a backslash, and stands for itself before
// other characters (fish 3.6, doc_src/language.rst, "Quotes").
func fishWord(t *testing.T, word string) string {
	t.Helper()
	inside, ok := strings.CutPrefix(word, "'")
	if !ok {
		t.Fatalf("%s does not begin with a quote", word)
	}
	var b strings.Builder
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\' && i+1 < len(inside) && (inside[i+1] == '\'' || inside[i+1] == '\\'):
			i++
			b.WriteByte(inside[i])
		case c == '\'':
			if i != len(inside)-1 {
				t.Fatalf("%s ends early", word)
			}
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	t.Fatalf("%s does not end", word)
	return ""
}

func TestFishTakesValuesAsTheyAre(t *testing.T) {
	for _, value := range odd() {
		word, ok := strings.CutPrefix(fish.set("ODD", value), "set -gx ODD ")
		if got := fishWord(t, word); !ok || got != value {
			t.Errorf("fish makes %q of %s", got, word)
		}
	}
}

func TestShellFromTheEnvironment(t *testing.T) {
	for at, want := range map[string]string{
		"/usr/bin/fish": "set -e NOMAD_ADDR ", "/bin/bash": "unset NOMAD_ADDR ", "/bin/zsh": "unset NOMAD_ADDR ", "": "unset NOMAD_ADDR ",
	} {
		t.Setenv("SHELL", at)
		a, _ := faked(t)
		contains(t, call(t, a, "", "env", "--unset").out, want)
	}
	t.Setenv("SHELL", "/usr/bin/fish")
	a, _ := faked(t)
	contains(t, call(t, a, "", "env", "--unset", "--shell", "bash").out, "unset NOMAD_ADDR ")
}
