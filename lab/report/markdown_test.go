package report_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

func TestMarkdown(t *testing.T) {
	golden.Assert(t, written(t, sample(t), report.Markdown), "sample.md")
}

// many returns a report that is far too long for a comment.
func many(t *testing.T) finding.Report {
	r := sample(t)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.ID += strings.Repeat("-again", i%7)
		f.Title += strings.Repeat(" and on", 20)
		if i%3 == 0 {
			f.Result, f.Reason = finding.Fail, f.Node+strings.Repeat(" because", 20)
		}
	}
	return r
}

func TestMarkdownIsNeverLongerThanACommentMayBe(t *testing.T) {
	const limit, note = 65536, "Cut here"
	for name, c := range map[string]struct {
		r   finding.Report
		cut bool
	}{"sample": {sample(t), false}, "many": {many(t), true}, "long": {long(), true}, "empty": {finding.Report{}, false}} {
		got := written(t, c.r, report.Markdown)
		if n := utf8.RuneCountInString(got); n >= limit {
			t.Errorf("%s: %d characters", name, n)
		}
		if strings.Contains(got, note) != c.cut {
			t.Errorf("%s: it says that it was cut: %v", name, !c.cut)
		}
		if open, shut := strings.Count(got, "<details>"), strings.Count(got, "</details>"); open != shut {
			t.Errorf("%s: %d are opened, %d closed", name, open, shut)
		}
	}
	if got := written(t, many(t), report.Markdown); len(got) < limit/2 {
		t.Errorf("only %d bytes are left of what would have filled a comment", len(got))
	}
}

// TestMarkdownRowsHaveTheirColumns also when a text has a border in it.
func TestMarkdownRowsHaveTheirColumns(t *testing.T) {
	border := regexp.MustCompile(`(^|[^\\])\|`)
	for name, r := range map[string]finding.Report{"sample": sample(t), "hostile": hostile()} {
		columns := 0
		for l := range strings.SplitSeq(written(t, r, report.Markdown), "\n") {
			switch n := len(border.FindAllString(l, -1)); {
			case !strings.HasPrefix(l, "|"):
				columns = 0
			case columns == 0:
				columns = n
			case n != columns:
				t.Errorf("%s: %d borders, want %d: %s", name, n, columns, l)
			}
		}
	}
}

func TestMarkdownPassesNothingOn(t *testing.T) {
	code := regexp.MustCompile("`[^`\n]*`")
	got := written(t, hostile(), report.Markdown)
	if !strings.Contains(got, "everyone") {
		t.Fatal("what is to be harmless is not there at all")
	}
	got = code.ReplaceAllString(strings.ReplaceAll(got, "\\`", ""), "") // in code nothing means anything
	for _, bad := range []string{"<script", "<img", "@everyone", "#1 ", "[x](", "https://evil"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is passed on", bad)
		}
	}
}
