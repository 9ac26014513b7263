package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// written returns what a format makes of a report.
func written(t *testing.T, r finding.Report, write func(io.Writer, finding.Report) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everyFormat returns the formats that are kept in files, and annotations, which are only printed.
func everyFormat() []report.Format {
	return append(report.Formats(), report.Format{Name: "annotations", Write: report.Annotations})
}

func TestFormatsHaveNamesAndFiles(t *testing.T) {
	var got []string
	for _, f := range report.Formats() {
		got = append(got, f.Name+" "+f.File)
	}
	want := []string{"text report.txt", "json report.json", "junit junit.xml", "markdown report.md", "html index.html"}
	if !slices.Equal(got, want) {
		t.Errorf("formats are %q, want %q", got, want)
	}
}

// TestEveryFormatReturnsTheWritersError: a full disk must not look like a report that was written.
func TestEveryFormatReturnsTheWritersError(t *testing.T) {
	full := errors.New("disk full")
	for _, f := range everyFormat() {
		for _, room := range []int{0, 500} {
			if err := f.Write(&disk{room: room, err: full}, sample(t)); !errors.Is(err, full) {
				t.Errorf("%s, on a disk with room for %d bytes: error %v, want %v", f.Name, room, err, full)
			}
		}
		if err := f.Write(io.Discard, sample(t)); err != nil {
			t.Errorf("%s, on a disk with room: %v", f.Name, err)
		}
	}
}

type disk struct {
	room int
	err  error
}

func (d *disk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, d.err
	}
	return len(p), nil
}

// TestNoFormatChangesTheReport: its caller uses the report for other formats too.
func TestNoFormatChangesTheReport(t *testing.T) {
	r := hostile()
	before := encoded(t, r)
	for _, f := range everyFormat() {
		written(t, r, f.Write)
		if encoded(t, r) != before {
			t.Fatalf("%s has changed the report", f.Name)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNoFormatPassesOnControlCharacters: no format passes on what a terminal, a browser or a reader of XML acts on.
func TestNoFormatPassesOnControlCharacters(t *testing.T) {
	for _, f := range everyFormat() {
		for name, r := range map[string]finding.Report{"hostile": hostile(), "long": long()} {
			got := written(t, r, f.Write)
			if !utf8.ValidString(got) {
				t.Errorf("%s of a %s report is not UTF-8", f.Name, name)
			}
			for _, c := range got {
				if unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Bidi_Control, c) && f.Name != "json" {
					t.Errorf("%s of a %s report has the character %U", f.Name, name, c)
					break
				}
			}
		}
	}
}

func TestResult(t *testing.T) {
	at := func(id, node string, v finding.Result) finding.Finding {
		return finding.Finding{ID: id, Node: node, Plane: "RPC", Result: v}
	}
	cell := func(v finding.Result) *finding.Matrix {
		return &finding.Matrix{Endpoints: []string{"HTTPS"}, Rows: []finding.MatrixRow{{Certificate: "cli", Cells: []finding.Cell{{Result: v}}}}}
	}
	lab := finding.Cluster{Name: "x", Engine: "process"}
	took := 3900 * time.Millisecond
	knownOne := at("a", "one", finding.Fail)
	knownOne.Known = "made so"
	for _, c := range []struct {
		name     string
		r        finding.Report
		result   finding.Result
		headline string
	}{
		{"nothing", finding.Report{}, finding.Inconclusive, "the cluster: nothing was proved, in 0.0 ms"},
		{
			"all pass", finding.Report{Cluster: lab, Took: took, Findings: []finding.Finding{at("a", "one", finding.Pass), at("b", "one", finding.Pass)}},
			finding.Pass, "lab x: all 2 checks pass, in 3.9 s",
		},
		{
			"fails at one node of two", finding.Report{
				Cluster: lab, Took: took,
				Findings: []finding.Finding{at("a", "one", finding.Pass), at("a", "two", finding.Fail), at("b", "one", finding.Pass)},
			},
			finding.Fail, "lab x: 1 check fails, 1 pass, in 3.9 s",
		},
		{
			"one known", finding.Report{
				Cluster: lab, Took: took, Findings: []finding.Finding{knownOne, at("b", "one", finding.Fail)},
			},
			finding.Fail, "lab x: 2 checks (1 of them known) fail, 0 pass, in 3.9 s",
		},
		{
			"passes here, does not apply there", finding.Report{
				Cluster: lab, Took: took, Findings: []finding.Finding{at("a", "one", finding.Skipped), at("a", "two", finding.Pass)},
			},
			finding.Pass, "lab x: 1 check passes, in 3.9 s",
		},
		{
			"passes here, not reached there", finding.Report{
				Cluster: finding.Cluster{Name: "https://10.0.0.1:4646"}, Took: time.Minute,
				Findings: []finding.Finding{at("a", "one", finding.Inconclusive), at("a", "two", finding.Pass), at("b", "two", finding.Pass)},
			},
			finding.Inconclusive, "cluster https://10.0.0.1:4646: 1 check is inconclusive at some agents, 1 pass, in 1 min 0 s",
		},
		{
			"a result that is none", finding.Report{Cluster: lab, Took: took, Findings: []finding.Finding{at("a", "one", "passed")}},
			finding.Inconclusive, "lab x: nothing was proved, 1 check is inconclusive, in 3.9 s",
		},
		{
			"all skipped", finding.Report{Cluster: lab, Took: took, Findings: []finding.Finding{at("a", "one", finding.Skipped)}},
			finding.Inconclusive, "lab x: nothing was proved, 1 skipped, in 3.9 s",
		},
		{
			"a cell that fails", finding.Report{
				Cluster: lab, Took: took, Findings: []finding.Finding{at("a", "one", finding.Pass)}, Matrix: cell(finding.Fail),
			},
			finding.Fail, "lab x: 1 cell of the matrix fails, 1 pass, in 3.9 s",
		},
		{
			"a matrix alone", finding.Report{Cluster: lab, Took: took, Matrix: cell(finding.Pass)},
			finding.Pass, "lab x: 1 cell of the matrix passes, in 3.9 s",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			headline, _, _ := strings.Cut(written(t, c.r, report.Formats()[0].Write), "\n")
			if headline != c.headline {
				t.Errorf("headline is %q, want %q", headline, c.headline)
			}
			var doc struct{ Result finding.Result }
			if err := json.Unmarshal([]byte(written(t, c.r, report.JSON)), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Result != c.result {
				t.Errorf("result is %q, want %q", doc.Result, c.result)
			}
		})
	}
}
