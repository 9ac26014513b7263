package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adrg/xdg"
)

// TestVaultIsLeftOut: without the parts nothing is built. What is left out is in every output, with what gets it, and the run
// goes on without it.
func TestVaultIsLeftOut(t *testing.T) {
	binary, _ := nomad(t)
	state, cache, out := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Cleanup(xdg.Reload) // it runs after t.Setenv has restored the variable
	t.Setenv("XDG_CACHE_HOME", cache)
	xdg.Reload()
	t.Setenv("TMPDIR", openFolder(t))
	var said, errs bytes.Buffer
	code := execute(t.Context(), []string{
		"--rounds", "0", "--size-rounds", "0", "--source-rounds", "1", "--sources", "process-vault", "--engines", "", "--contestants", "",
		"--nomad", binary, "--out", out,
	}, &said, &errs)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, errs.String(), said.String())
	}
	const remedy = "nomadlab --engine process image --part vault,consul-template"
	for name, text := range map[string]string{"the progress": errs.String(), "standard output": said.String()} {
		if !strings.Contains(text, "process engine, vault") || !strings.Contains(text, remedy) {
			t.Errorf("%s does not say what is left out, and `%s`:\n%s", name, remedy, text)
		}
	}
	if all := readResults(t, out); len(all) != 0 {
		t.Errorf("measured %v without any source", all)
	}
	if built, _ := filepath.Glob(filepath.Join(cache, "*", "*", "*")); len(built) != 0 {
		t.Errorf("something was built: %v", built)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 0 {
		t.Errorf("a lab was begun: %v, %v", left, err)
	}
}

// TestWithOwn: each source follows the lab that it is compared with, and no engine takes part without a source.
func TestWithOwn(t *testing.T) {
	for given, want := range map[string]string{
		"":              "",
		"docker-cfssl":  "docker docker-cfssl",
		"process-vault": "process process-vault",
		"docker-nomad process-nomad process-vault": "process process-nomad process-vault docker docker-nomad",
	} {
		var got []string
		for _, c := range withOwn(chosen(strings.Fields(given))) {
			got = append(got, c.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("with %q: %q, want %q", given, got, want)
		}
	}
	for _, c := range contestants() {
		if c.against != "" && !slices.ContainsFunc(contestants(), func(other contestant) bool { return other.name == c.against }) {
			t.Errorf("%s is compared with %q, which is no contestant", c.name, c.against)
		}
	}
}

// TestVaultStart: the time is that between two lines of the lab's progress, and without them there is none.
func TestVaultStart(t *testing.T) {
	told := []step{{0.5, "lab", "network"}, {1, "lab", vaultBegins}, {2, "lab", "another"}, {3.5, "lab", vaultEnds + ", and a token for each agent"}}
	if got, err := vaultStartOf(told); err != nil || got != 2.5 {
		t.Errorf("got %v s, %v, want 2.5", got, err)
	}
	for name, steps := range map[string][]step{"no step": nil, "no begin": told[2:], "no end": told[:3], "wrong order": {told[3], told[1]}} {
		if got, err := vaultStartOf(steps); err == nil {
			t.Errorf("%s: got %v s, want an error", name, got)
		}
	}
}
