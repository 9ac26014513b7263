package mutation_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/posture"
)

// checksPage is made from seen.json and the catalogue.
const checksPage = "../../docs/checks.md"

// TestChecksPage: the page is what was seen, in the catalogue's words.
func TestChecksPage(t *testing.T) {
	seen, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	page := page(t, specs(t), seen)
	if updating() {
		if err := os.WriteFile(filepath.Clean(checksPage), page, 0o644); err != nil { //nolint:gosec // for everybody to read
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(checksPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(page)); diff != "" {
		t.Errorf("docs/checks.md (-written +made), `go test ./lab/mutation -run TestChecksPage -update` writes it:\n%s", diff)
	}
}

// page is docs/checks.md.
func page(t *testing.T, checks []posture.Spec, seen []mutation.Seen) []byte {
	t.Helper()
	changes := map[string]string{}
	for _, m := range mutation.All() {
		changes[m.ID] = m.Change
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, `# The checks, and which mutations each of them caught

`+"`nomadlab check`"+` runs these checks; [posture.md](posture.md) describes how. This page is made from what TestProof saw. For each
mutation below, agents of a hardened lab carry one change, and exactly the listed checks fail there. At the other agents of
the same cluster, in the same minute, all checks pass.

If all agents of a role carry the change, or the whole cluster, the list has what fails at any agent, and something fails at
each agent of the role.

There are %d checks and %d mutations. %d checks fail because of mutations of their own; the others fail because of the same
mutations as one of these, and show the same thing in another way. A check counts as seen to fail only because of a mutation
that leaves more than half of its plane's checks passing at the agents that carry it. For the plane "cluster" one other passing
check is enough, as servers without a leader have no peers and no clients either. For %d checks, marked below, there is no such
mutation: that they do not fail everywhere is seen at the other agents alone. If agents do not form a cluster, only the checks
of the plane "cluster" run.
`, len(checks), len(seen), len(alike(checks, seen)), len(inseparable()))
	for _, plane := range planes(checks) {
		fmt.Fprintf(&text, "\n## %s\n\n| ID | what it checks | kind, severity | why | mutations that it caught |\n| --- | --- | --- | --- | --- |\n", plane)
		for _, c := range checks {
			if string(c.Plane) != plane {
				continue
			}
			var lines []string
			by := caught(c, seen)
			if why := inseparable()[c.ID]; why != "" {
				by, lines = made(c.ID, seen), append(lines, "only together with its whole plane: "+why)
			}
			for _, s := range by {
				lines = append(lines, code(changes[s.Mutation])+" of "+string(s.Scope))
			}
			fmt.Fprintf(&text, "| %s | %s | %s, %s | %s | %s |\n", c.ID, cell(c.Title), c.Kind, c.Severity, cell(c.Why), strings.Join(lines, "<br>"))
		}
	}
	fmt.Fprint(&text, "\n## The mutations, and all checks that fail because of each\n\n"+
		"One agent carries a mutation, or all servers or clients, or the cluster.\n\n| mutation | carried by | change | checks that fail |\n| --- | --- | --- | --- |\n")
	for _, s := range seen {
		fails := strings.Join(s.Fails, "<br>")
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", s.Mutation, s.Scope, code(changes[s.Mutation]), fails)
	}
	return text.Bytes()
}

func planes(checks []posture.Spec) []string {
	var all []string
	for _, c := range checks {
		if !slices.Contains(all, string(c.Plane)) {
			all = append(all, string(c.Plane))
		}
	}
	return all
}

// cell makes a text fit for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// code sets a change off.
func code(line string) string { return "`" + cell(line) + "`" }
