package vault_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"nomadlab.internal/lab/authority/vault"
)

const page = "../../../docs/vault.md"

var update = flag.Bool("update", false, "write the tables of docs/vault.md from the guide's lines, and from what real Vault servers deny")

// TestVaultPageLines compares the page with GuideLines.
func TestVaultPageLines(t *testing.T) {
	table := "| the guide's line | works today | instead | why |\n| --- | --- | --- | --- |\n"
	for _, l := range vault.GuideLines() {
		instead := "the same line"
		if l.Today != "" {
			instead = code(l.Today)
		}
		table += fmt.Sprintf("| %s | %s | %s | %s |\n", code(l.Line), map[bool]string{true: "yes", false: "**no**"}[l.Works], instead, l.Why)
	}
	wantSection(t, "lines", table)
}

// TestVaultPageDenials compares the page with what two real Vault servers deny.
func TestVaultPageDenials(t *testing.T) {
	asPublished := map[string]string{}
	for _, d := range denials(t, published(t)) {
		asPublished[d.Name] = said(d)
	}
	table := "| a node may not | as published | safe | or else |\n| --- | --- | --- | --- |\n"
	for _, d := range denials(t, safe(t)) {
		at := asPublished[d.Name]
		if at == "" {
			at = "(there is one role)"
		}
		table += fmt.Sprintf("| %s | %s | %s | %s |\n", d.Name, at, said(d), d.Why)
	}
	wantSection(t, "denials", table)
}

func said(d vault.Denial) string {
	if d.Passed() {
		return "denied"
	}
	return "**accepted**"
}

// code returns a text as code, unless it is a remark in brackets.
func code(text string) string {
	if strings.HasPrefix(text, "(") {
		return text
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// wantSection compares a part of the page, and with -update writes it.
func wantSection(t *testing.T, name, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(string(text), begin)
	got, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no part %q", page, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s differs in the part %q; `go test ./lab/authority/vault -run TestVaultPage -update` writes it. It should be:\n%s", page, name, want)
		return
	}
	if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
