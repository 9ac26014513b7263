package report_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

func TestAnnotations(t *testing.T) {
	r := sample(t)
	compared := written(t, r, report.Annotations)
	r.Comparison = nil
	golden.Assert(t, compared+"\nwithout a comparison:\n"+written(t, r, report.Annotations), "annotations.txt")
}

// command is a workflow command as GitHub's runner reads it (actions/runner, src/Runner.Common/ActionCommand.cs).
type command struct {
	level, message string
	properties     map[string]string
}

// commands reads a step's output. It fails the test if a line is no command.
func commands(t *testing.T, output string) (out []command) {
	t.Helper()
	unescape := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%").Replace
	form := regexp.MustCompile(`^::(error|warning|notice) (.*)$`)
	for l := range strings.Lines(output) {
		head := form.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
		if head == nil {
			t.Fatalf("it is no command: %q", l)
		}
		properties, message, ends := strings.Cut(head[2], "::")
		if !ends {
			t.Fatalf("the properties have no end: %q", l)
		}
		c := command{level: head[1], message: unescape(message), properties: map[string]string{}}
		for p := range strings.SplitSeq(properties, ",") {
			name, value, is := strings.Cut(p, "=")
			if !is || !slices.Contains([]string{"file", "line", "title"}, name) || c.properties[name] != "" {
				t.Fatalf("%q is no property: %q", p, l)
			}
			c.properties[name] = unescape(value)
		}
		out = append(out, c)
	}
	return out
}

func annotationsOf(t *testing.T, r finding.Report) []command {
	t.Helper()
	return commands(t, written(t, r, report.Annotations))
}

func TestAnnotationsEscapeAsTheToolkitDoes(t *testing.T) {
	r := finding.Report{Comparison: &finding.Comparison{Changes: []finding.Change{{
		ID: "a,b:c%3A", Title: "100% sure, or: not::", Direction: finding.Weaker, Text: "was a, is now b", Setting: "x%0Ay", File: "./a,b:100%/c.hcl", Line: 7,
	}}}}
	const want = "::error file=a%2Cb%3A100%25/c.hcl,line=7,title=Posture weaker%3A a%2Cb%3Ac%253A" +
		"::was a, is now b: 100%25 sure, or: not:: (most likely by x%250Ay)\n"
	if diff := cmp.Diff(want, written(t, r, report.Annotations)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.Comparison.Changes[0].Title = "one\r\ntwo"
	if got := written(t, r, report.Annotations); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r") {
		t.Errorf("a text of two lines makes %q", got)
	}
}

// TestAnnotationsOfHostileTexts: no text of a report becomes a command, or a property of one.
func TestAnnotationsOfHostileTexts(t *testing.T) {
	const attack = "x\n::stop-commands::y\r\n::error file=z::owned,line=9,title=owned::%0A::set-output name=a::b"
	r := hostile()
	r.Comparison = hostileComparison(attack)
	without := hostile()
	without.Comparison = nil
	for i := range without.Findings {
		f := &without.Findings[i]
		f.ID, f.Title, f.Node, f.Reason, f.Known = fmt.Sprint(i, attack), attack, attack, attack, ""
	}
	for name, c := range map[string]struct {
		r      finding.Report
		levels []string
	}{
		"nasty changes": {hostile(), []string{"error", "warning", "warning", "notice"}},
		"an attack":     {r, []string{"error", "warning", "warning", "notice"}},
		"findings":      {without, []string{"error", "error", "warning"}},
		"long":          {long(), []string{"error", "warning", "warning", "notice"}},
	} {
		var levels []string
		for _, got := range annotationsOf(t, c.r) {
			levels = append(levels, got.level)
			if line := got.properties["line"]; line != "" && line != "1" {
				t.Errorf("%s: line %q", name, line)
			}
			if !strings.HasPrefix(got.properties["title"], "Posture ") {
				t.Errorf("%s: title %q", name, got.properties["title"])
			}
		}
		if !slices.Equal(levels, c.levels) {
			t.Errorf("%s: %q, want %q", name, levels, c.levels)
		}
	}
}

// TestAnnotationsAreAsManyAsGitHubKeeps: GitHub keeps ten annotations of each level of a step, and drops the rest silently.
func TestAnnotationsAreAsManyAsGitHubKeeps(t *testing.T) {
	for n, want := range map[int]int{1: 1, 10: 10, 11: 10, 50: 10} {
		r := finding.Report{Comparison: &finding.Comparison{}}
		for _, direction := range []finding.Direction{finding.Stronger, finding.Unclear, finding.Weaker} {
			for i := range n {
				r.Comparison.Changes = append(r.Comparison.Changes, finding.Change{ID: fmt.Sprintf("check-%d", i), Direction: direction, Severity: "low"})
			}
			r.Comparison.Changes[len(r.Comparison.Changes)-1].Severity = "critical"
		}
		byLevel := map[string][]command{}
		for _, c := range annotationsOf(t, r) {
			byLevel[c.level] = append(byLevel[c.level], c)
		}
		for _, level := range []string{"error", "warning", "notice"} {
			got := byLevel[level]
			if len(got) != want {
				t.Fatalf("%d changes: %d of level %s, want %d", n, len(got), level, want)
			}
			if !strings.HasSuffix(got[0].properties["title"], fmt.Sprintf(": check-%d", n-1)) {
				t.Errorf("%d changes: %q is the first of level %s, not the worst", n, got[0].properties["title"], level)
			}
			rest := fmt.Sprintf("Posture: %d more", n-9)
			if last := got[len(got)-1].properties["title"]; (last == rest) != (n > 10) {
				t.Errorf("%d changes: the last of level %s is %q", n, level, last)
			}
		}
	}
}

func TestAnnotationsWithoutCause(t *testing.T) {
	passes := finding.Report{Findings: []finding.Finding{{ID: "a", Result: finding.Pass}, {ID: "b", Result: finding.Skipped}}}
	fails := finding.Report{Findings: []finding.Finding{{ID: "a", Result: finding.Fail}}, Comparison: &finding.Comparison{}}
	for name, r := range map[string]finding.Report{"all pass": passes, "fails as before": fails} {
		if got := written(t, r, report.Annotations); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := annotationsOf(t, finding.Report{}); len(got) != 1 || got[0].level != "warning" || !strings.Contains(got[0].message, "nothing was proved") {
		t.Errorf("of a report in which nothing was proved: %+v", got)
	}
}

// TestAnnotationsAtTheLikeliestSetting: an annotation is at the setting's line in the files of the agent's own role. If none
// sets it, it is at the first of these files, and never at a line of another role or of another setting.
func TestAnnotationsAtTheLikeliestSetting(t *testing.T) {
	configuration := &finding.Configuration{
		Files: []finding.ConfigurationFile{{Role: "server", Path: "s.hcl"}, {Role: "client", Path: "c.hcl"}},
		Settings: []finding.Setting{
			{Role: "server", Path: "tls.http", Value: "false", File: "s.hcl", Line: 4}, {Role: "client", Path: "tls.rpc", Value: "true", File: "c.hcl", Line: 9},
			{Role: "client", Path: "plugin.raw_exec.config.enabled", Value: "true", File: "c.hcl", Line: 12},
		},
	}
	nodes := []finding.Node{{Name: "s1", Role: "server"}, {Name: "c1", Role: "client"}}
	for name, c := range map[string]struct {
		node, setting, file, line string
	}{
		"set by its own":               {"s1", "tls.http", "s.hcl", "4"},
		"not set by its own":           {"c1", "tls.http", "c.hcl", ""},
		"set by the other role alone":  {"s1", "tls.rpc", "s.hcl", ""},
		"a client's, asked of servers": {"s1", "plugin.raw_exec.config.enabled", "c.hcl", "12"},
		"a server's, asked of clients": {"c1", "server.encrypt", "s.hcl", ""},
	} {
		got := annotationsOf(t, finding.Report{
			Cluster: finding.Cluster{Nodes: nodes}, Configuration: configuration,
			Findings: []finding.Finding{{ID: "a", Node: c.node, Result: finding.Fail, Settings: []string{c.setting, "tls.http", "tls.rpc"}}},
		})
		if len(got) != 1 || got[0].properties["file"] != c.file || got[0].properties["line"] != c.line {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
