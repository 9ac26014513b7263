package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/report"
)

// results has everything once: four contestants of which two are compared, a failure, sizes, a trace.
func results() measure.Results {
	r := measure.Results{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: measure.Machine{
			CPU: "a processor", Cores: 2, Memory: 8 << 30, Kernel: "linux 6.1", Docker: "20.10.24", Go: "1.26.0", Nomad: "1.11.3", Load: 0.52,
		},
		Contestants: []measure.Contestant{
			{Name: "floor", Title: "by hand"}, {Name: "engine", Title: "our engine", Against: "floor"}, {Name: "absent", Title: "absent", Against: "floor"},
		},
		Traces: []measure.Trace{{Contestant: "engine", Steps: []measure.Step{
			{At: 0.0664, Source: "lab", Text: "network 172.30.1.0/24"}, {At: 1.5, Source: "observer", Text: "leader: 127.0.0.1:1 names | 2"},
		}}},
	}
	for round := 1; round <= 3; round++ {
		for i, name := range []string{"floor", "engine"} {
			at := float64(round) + float64(i)/2
			b := measure.Boot{Contestant: name, Round: round, Place: i + 1, Seconds: map[measure.Milestone]float64{
				measure.Answered: at, measure.Leader: at + 1, measure.Voters: at + 1.01, measure.Ready: at + 2, measure.Removed: at / 10,
			}}
			if name == "engine" {
				b.Seconds[measure.Returned] = at + 2.1
			}
			r.Boots = append(r.Boots, b)
		}
	}
	r.Boots = append(r.Boots, measure.Boot{Contestant: "engine", Round: 4, Error: "it was not up within 5m0s"})
	for i, clients := range []int{1, 10, 10} {
		r.Sizes = append(r.Sizes, measure.Size{
			Boot: measure.Boot{Contestant: "engine", Round: 1, Seconds: map[measure.Milestone]float64{
				measure.Ready: 2 + float64(clients)/10 + float64(i)/100, measure.Returned: 2.5 + float64(clients)/10, measure.Removed: 1,
			}},
			Clients: clients,
			Memory:  measure.Memory{Nodes: 3 + clients, Total: uint64(3+clients) * 30 << 20, Private: uint64(3+clients) * 10 << 20, Counted: "as told"},
		})
	}
	return r
}

func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	if err := report.Terminal(&out, results()); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, out.String(), "terminal.txt")
}

func TestMarkdown(t *testing.T) {
	golden.Assert(t, report.Markdown(results(), 3, func(name string) string { return "performance-" + name }), "tables.md")
}

// TestOfNothing: a run that was interrupted at once has only its machine to tell of.
func TestOfNothing(t *testing.T) {
	r := measure.Results{Contestants: results().Contestants, Interrupted: true}
	got := report.Markdown(r, 2, func(name string) string { return name })
	if strings.Count(got, "## ") != 1 || !strings.Contains(got, "interrupted") {
		t.Errorf("want one table that says that the run was interrupted, got:\n%s", got)
	}
}

func TestRewrite(t *testing.T) {
	page := "# Title\n\nbefore\n\n" + report.Begin + "\nold numbers\n" + report.End + "\n\nafter\n"
	want := "# Title\n\nbefore\n\n" + report.Begin + "\n\nnew numbers\n\n" + report.End + "\n\nafter\n"
	got, err := report.Rewrite(page, "\nnew numbers\n")
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	again, err := report.Rewrite(got, "new numbers")
	if err != nil || again != got {
		t.Errorf("a second time: error %v, page:\n%s", err, again)
	}
}

func TestRewriteNeedsTheMarkers(t *testing.T) {
	for name, page := range map[string]string{
		"none":          "# Title\n",
		"no begin":      "a\n" + report.End + "\n",
		"no end":        report.Begin + "\na\n",
		"wrong order":   report.End + "\n" + report.Begin + "\n",
		"twice":         strings.Repeat(report.Begin+"\n"+report.End+"\n", 2),
		"a second end":  report.Begin + "\n" + report.End + "\n" + report.End + "\n",
		"not on a line": report.Begin + " " + report.End,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := report.Rewrite(page, "new")
			if !errors.Is(err, report.ErrMarkers) || got != "" {
				t.Fatalf("got %q, %v: want no page, and ErrMarkers", got, err)
			}
			for _, marker := range []string{report.Begin, report.End} {
				if !strings.Contains(err.Error(), marker) {
					t.Errorf("the error does not say what to put there: %v", err)
				}
			}
		})
	}
}
