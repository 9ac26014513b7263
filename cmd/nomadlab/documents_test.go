package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// shown finds a command of nomadlab in README and docs, with all its lines.
var shown = regexp.MustCompile(`(?m)^ +\$ nomadlab ((?:[^\n]*\\\n)*[^\n]*)$`)

// TestCommandsOfTheDocuments parses every command that README and docs show: flags, arguments, and the mutations and checks
// that it names. The last rows are the control.
func TestCommandsOfTheDocuments(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, document := range append(documents, "../../README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range shown.FindAllStringSubmatch(string(text), -1) {
			if strings.ContainsAny(found[1], "|;&<>") { // whose other parts would run
				continue
			}
			looked++
			if err := understood(t, found[1]); err != nil {
				t.Errorf("%s: nomadlab %s: %v", filepath.Base(document), found[1], err)
			}
		}
	}
	if looked < 30 {
		t.Errorf("%d commands were found", looked)
	}
	for _, wrong := range []string{
		"sattus lab", "up --sevrers 3", "mutate --server-config s --only 'server-plain-http,…'", "check --only nosuch", "status a b",
	} {
		if understood(t, wrong) == nil {
			t.Errorf("nomadlab %s is taken for a command", wrong)
		}
	}
}

// understood returns the error with which nomadlab would refuse the command line; it runs nothing.
func understood(t *testing.T, text string) error {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "sh", "-c", `nomadlab() { printf '%s\0' "$@"; }; nomadlab `+text).Output()
	if err != nil {
		return err
	}
	args := strings.Split(strings.TrimSuffix(string(said), "\x00"), "\x00")
	cmd, rest, err := newApp().root(args).Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if cmd.Flags().Lookup("only") == nil {
		return nil
	}
	only, err := cmd.Flags().GetStringSlice("only")
	if err != nil {
		return err
	}
	if cmd.Name() == "mutate" {
		_, err = mutation.Match(regress.Mutations(), only...)
	} else {
		_, err = (&checkFlags{only: only}).chosen()
	}
	return err
}
