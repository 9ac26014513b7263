package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/plan"
)

// planDifference returns how a plan differs from another one: the lab itself, the names of its nodes in their order, and
// then each node, compared with the base's node of that name, or else with its first node of that role. That node is
// compared as if it had the other's name and address, which head the difference, so that they do not fill it.
func planDifference(t *testing.T, base, p plan.Plan) string {
	t.Helper()
	var out strings.Builder
	add := func(title, before, after string) {
		fmt.Fprintf(&out, "%s\n%s\n", title, lineDifference(lines(before), lines(after)))
	}
	add("--- the default lab\n+++ lab "+p.Name, labText(t, base), labText(t, p))
	for _, n := range p.Nodes {
		i := slices.IndexFunc(base.Nodes, func(b plan.Node) bool { return b.Name == n.Name && b.Role == n.Role })
		if i < 0 {
			i = slices.IndexFunc(base.Nodes, func(b plan.Node) bool { return b.Role == n.Role })
		}
		if i < 0 {
			t.Fatalf("the base has no node of the role of %s, %s", n.Name, n.Role)
		}
		b := base.Nodes[i]
		title := fmt.Sprintf("--- %s of the default lab\n+++ %s at %s", b.Name, n.Name, n.Address)
		add(title, renamed(b, n).Replace(nodeText(t, b)), nodeText(t, n))
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// renamed makes what a node says of itself that of another one: not its place in a list of servers, which is what all say.
func renamed(n, other plan.Node) *strings.Replacer {
	var pairs []string
	for _, around := range [][2]string{{`"`, `"`}, {`"`, `.`}, {"==> ", ":"}, {"/", "/"}} {
		pairs = append(pairs, around[0]+n.Name+around[1], around[0]+other.Name+around[1])
	}
	if n.Address.IsValid() && other.Address.IsValid() {
		pairs = append(pairs, `"`+n.Address.String()+`"`, `"`+other.Address.String()+`"`)
	}
	return strings.NewReplacer(pairs...)
}

// labText is what a plan says of the lab: all but its nodes, of which it has the names alone.
func labText(t *testing.T, p plan.Plan) string {
	t.Helper()
	var names strings.Builder
	for _, n := range p.Nodes {
		names.WriteString("node " + n.Name + "\n")
	}
	p.Nodes = nil
	return indented(t, p) + "\n" + names.String()
}

// nodeText is what a plan says of a node, its files' contents included.
func nodeText(t *testing.T, n plan.Node) string {
	t.Helper()
	rest, contents := withoutContents(n)
	return indented(t, rest) + "\n" + contents
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// lineEdit is one line of a difference: '-' for one that only the base has, '+' for one that it lacks, ' ' for both.
type lineEdit struct {
	kind byte
	line string
	// heading is the last line of the base before it that is not indented, which says where in a file it is.
	heading string
}

// around is how many equal lines surround each change.
const around = 1

// lineDifference returns the hunks of a unified diff, or "" where the two are equal. A hunk is headed by where it is, as
// git's are, but not by numbers of lines: a line more in the base would change those of every golden file.
func lineDifference(base, got []string) string {
	edits := lineEdits(base, got)
	shown := make([]bool, len(edits))
	for i, e := range edits {
		if e.kind != ' ' {
			for j := max(0, i-around); j <= min(len(edits)-1, i+around); j++ {
				shown[j] = true
			}
		}
	}
	var out strings.Builder
	for i, e := range edits {
		if !shown[i] {
			continue
		}
		if i == 0 || !shown[i-1] {
			out.WriteString(strings.TrimRight("@@ "+e.heading, " ") + "\n")
		}
		if e.kind != ' ' || e.line != "" { // no line ends with a space of the difference's own
			out.WriteString(string(e.kind) + e.line)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// lineEdits returns the shortest series of edits that makes got of base, by their longest common subsequence.
func lineEdits(base, got []string) []lineEdit {
	longest := make([][]int, len(base)+1) // of base[i:] and got[j:]
	for i := range longest {
		longest[i] = make([]int, len(got)+1)
	}
	for i, before := range slices.Backward(base) {
		for j, after := range slices.Backward(got) {
			if before == after {
				longest[i][j] = 1 + longest[i+1][j+1]
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out []lineEdit
	heading := ""
	for i, j := 0, 0; i < len(base) || j < len(got); {
		switch {
		case i < len(base) && j < len(got) && base[i] == got[j]:
			out = append(out, lineEdit{' ', base[i], heading})
			i, j = i+1, j+1
		case i < len(base) && (j == len(got) || longest[i+1][j] >= longest[i][j+1]):
			out = append(out, lineEdit{'-', base[i], heading})
			i++
		default:
			out = append(out, lineEdit{'+', got[j], heading})
			j++
			continue
		}
		if line := base[i-1]; line != "" && !strings.ContainsAny(line[:1], " }#") {
			heading = line
		}
	}
	return out
}

func TestLineDifference(t *testing.T) {
	base := []string{"tls {", "  a", "  b", "  c", "  d", "}", "", "client {", "  e", "  f", "  g", "}"}
	for name, test := range map[string]struct {
		change func([]string) []string
		want   string
	}{
		"equal":    {slices.Clone[[]string], ""},
		"changed":  {func(l []string) []string { l[10] = "  h"; return l }, "@@ client {\n   f\n-  g\n+  h\n }\n"},
		"added":    {func(l []string) []string { return slices.Insert(l, 3, "  x") }, "@@ tls {\n   b\n+  x\n   c\n"},
		"removed":  {func(l []string) []string { return slices.Delete(l, 0, 1) }, "@@\n-tls {\n   a\n"},
		"at end":   {func(l []string) []string { return append(l, "# x") }, "@@ client {\n }\n+# x\n"},
		"two far":  {func(l []string) []string { l[1], l[10] = "  A", "  G"; return l }, "@@\n tls {\n-  a\n+  A\n   b\n@@ client {\n   f\n-  g\n+  G\n }\n"},
		"two near": {func(l []string) []string { l[2], l[4] = "  B", "  D"; return l }, "@@ tls {\n   a\n-  b\n+  B\n   c\n-  d\n+  D\n }\n"},
		"of space": {func(l []string) []string { l[5], l[6] = "} ", " "; return l }, "@@ tls {\n   d\n-}\n-\n+} \n+ \n client {\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lineDifference(base, test.change(slices.Clone(base))); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}
