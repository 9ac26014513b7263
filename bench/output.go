package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// section is one table with a heading.
type section struct {
	title string
	// note is one paragraph that explains the table. Empty: none.
	note   string
	header table.Row
	rows   []table.Row
}

// none is the text of a cell that has no value.
const none = "–"

// sections returns the tables that have any rows.
func sections(r results) []section {
	all := []section{machineSection(r), roundSection(r), sourceSection(r), leftOutSection(r), sizeSection(r)}
	for _, c := range contestants() {
		if b, ok := typical(of(r.rounds, c.name)); ok {
			all = append(all, stepSection(b))
		}
	}
	all = append(all, failureSection(r))
	return slices.DeleteFunc(all, func(s section) bool { return len(s.rows) == 0 })
}

func machineSection(r results) section {
	m := r.machine
	s := section{title: "The machine", header: table.Row{"what", "which"}, rows: []table.Row{
		{"date", r.date.Format("2006-01-02 15:04 MST")},
		{"processor", fmt.Sprintf("%s, %d cores", orNone(m.cpu), m.cores)},
		{"memory", fmt.Sprintf("%.1f GiB", float64(m.memory)/(1<<30))},
		{"kernel", orNone(m.kernel)},
		{"Docker", orNone(m.docker)},
		{"Go", orNone(m.golang)},
		{"Nomad", orNone(m.nomad)},
		{"load average at the start", fmt.Sprintf("%.2f", m.load)},
	}}
	if r.interrupted {
		s.rows = append(s.rows, table.Row{"interrupted", "yes: this is what was measured until then"})
	}
	return s
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// roundSection has a column for each contestant, and one for its ratio to the one that it is compared with.
func roundSection(r results) section {
	s := section{
		title: "Three servers, two clients", header: table.Row{"seconds to"},
		note: "Medians, with the smallest and the largest in brackets. A ratio is that of the two medians; in brackets are the " +
			"quartiles of the ratios of each round by itself.",
	}
	for _, m := range milestones() {
		s.rows = append(s.rows, table.Row{string(m)})
	}
	for _, c := range contestants() {
		ours, theirs := of(r.rounds, c.name), of(r.rounds, c.against)
		if len(ours) == 0 {
			continue
		}
		s.header = append(s.header, c.title)
		if len(theirs) > 0 {
			s.header = append(s.header, "ratio")
		}
		for i, m := range milestones() {
			s.rows[i] = append(s.rows[i], spread(summarize(secondsTo(m, ours))))
			if len(theirs) > 0 {
				s.rows[i] = append(s.rows[i], ratioText(ratio(secondsTo(m, ours), secondsTo(m, theirs))))
			}
		}
	}
	if len(s.header) == 1 {
		return section{}
	}
	return s
}

func spread(s summary) string {
	if s.n == 0 {
		return none
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.min, s.max)
}

func ratioText(ofMedians float64, paired summary) string {
	switch {
	case ofMedians == 0:
		return none
	case paired.n == 0:
		return fmt.Sprintf("%.2f", ofMedians)
	default:
		return fmt.Sprintf("%.2f (%.2f–%.2f)", ofMedians, paired.q1, paired.q3)
	}
}

// sizeSection has a row for each engine and size, with medians over the rounds.
func sizeSection(r results) section {
	s := section{
		title: "Three servers, more and more clients",
		header: table.Row{"engine", "clients", "rounds", "clients ready", "Up returned", "removed", "one more client",
			"memory a node", "private", "memory of all"},
	}
	notes := []string{"Seconds, medians. One more client is the time to clients ready that each further client costs, from the " +
		"size before: if it does not rise, growth is no worse than linear. Memory is counted when the cluster is ready, over " +
		"servers and clients alike."}
	for _, c := range contestants() {
		boots := of(r.sizes, c.name)
		bySize := map[int][]boot{}
		for _, b := range boots {
			bySize[b.clients] = append(bySize[b.clients], b)
		}
		if len(boots) > 0 {
			notes = append(notes, c.title+": "+boots[0].memory.counted+".")
		}
		var before []boot
		for _, clients := range slices.Sorted(maps.Keys(bySize)) {
			s.rows = append(s.rows, sizeRow(bySize[clients], before))
			before = bySize[clients]
		}
	}
	s.note = strings.Join(notes, " ")
	return s
}

// sizeRow returns the row of clusters of one size. before are those of the next smaller size, or nil.
func sizeRow(same, before []boot) table.Row {
	row := table.Row{same[0].by.title, same[0].clients, len(same)}
	for _, m := range []milestone{ready, returned, removed} {
		row = append(row, fmt.Sprintf("%.2f", summarize(secondsTo(m, same)).median))
	}
	more := none
	if len(before) > 0 {
		cost := summarize(secondsTo(ready, same)).median - summarize(secondsTo(ready, before)).median
		more = fmt.Sprintf("%.3f", cost/float64(same[0].clients-before[0].clients))
	}
	mebibytes := func(of func(m memory) float64) string {
		byRound := map[int]float64{}
		for _, b := range same {
			byRound[b.round] = of(b.memory)
		}
		return fmt.Sprintf("%.0f MiB", summarize(byRound).median/(1<<20))
	}
	return append(row, more,
		mebibytes(func(m memory) float64 { return float64(m.total) / float64(max(m.nodes, 1)) }),
		mebibytes(func(m memory) float64 { return float64(m.private) / float64(max(m.nodes, 1)) }),
		mebibytes(func(m memory) float64 { return float64(m.total) }))
}

func stepSection(b boot) section {
	s := section{
		title: "One boot, step by step: " + b.by.title, header: table.Row{"seconds", "source", "what"},
		note: "The steps of the lab are lab.Up's own progress; those of the observer are seen from outside.",
	}
	for _, x := range b.steps {
		s.rows = append(s.rows, table.Row{fmt.Sprintf("%.3f", x.at), x.source, x.text})
	}
	return s
}

// failures returns the boots that failed.
func failures(r results) []boot {
	all := slices.Concat(r.rounds, r.sources, r.sizes)
	return slices.DeleteFunc(all, func(b boot) bool { return b.err == nil })
}

func failureSection(r results) section {
	s := section{title: "What failed, and does not count", header: table.Row{"contestant", "round", "clients", "why"}}
	for _, b := range failures(r) {
		s.rows = append(s.rows, table.Row{b.by.title, b.round, b.clients, b.err.Error()})
	}
	return s
}

// markdown returns the tables as Markdown, with headings of level 3. aligned pads the cells, for a terminal.
func markdown(r results, aligned bool) string {
	var out strings.Builder
	for _, s := range sections(r) {
		fmt.Fprintf(&out, "### %s\n\n", s.title)
		if s.note != "" {
			const width = 120
			for line := range strings.SplitSeq(text.WrapSoft(s.note, width), "\n") {
				out.WriteString(strings.TrimRight(line, " ") + "\n")
			}
			out.WriteString("\n")
		}
		t := table.NewWriter()
		t.Style().Markdown.PadContent = aligned
		t.AppendHeader(s.header)
		t.AppendRows(s.rows)
		out.WriteString(t.RenderMarkdown() + "\n\n")
	}
	return out.String()
}

// benchmarkFormat returns every measurement in Go's benchmark format (golang.org/design/14313-benchmark-format), which
// benchstat reads. What differs between runs on one machine, such as the date, is in comments, because benchstat
// compares only measurements whose configuration lines are equal.
func benchmarkFormat(r results) string {
	var out strings.Builder
	for _, row := range machineSection(r).rows {
		fmt.Fprintf(&out, "# %s: %s\n", row[0], row[1])
	}
	fmt.Fprintf(&out, "goos: %s\ngoarch: %s\npkg: nomadlab.internal/bench\ncpu: %s\n", runtime.GOOS, runtime.GOARCH, orNone(r.machine.cpu))
	write := func(name string, boots []boot) {
		for _, b := range boots {
			name := fmt.Sprintf("Benchmark%s/by=%s/clients=%d", name, b.by.name, b.clients)
			if b.err != nil {
				fmt.Fprintf(&out, "# %s, round %d, failed: %s\n", name, b.round, oneLine(b.err))
				continue
			}
			fmt.Fprintf(&out, "%s 1", name)
			for _, m := range measures() {
				if s, seen := b.seconds[m]; seen {
					fmt.Fprintf(&out, " %.4f %s-sec", s, strings.ReplaceAll(string(m), " ", "-"))
				}
			}
			if b.memory.nodes > 0 {
				fmt.Fprintf(&out, " %d memory-B %d private-B", b.memory.total, b.memory.private)
			}
			out.WriteString("\n")
		}
	}
	for _, l := range r.leftOut {
		fmt.Fprintf(&out, "# %s was left out, %s: %s\n", l.by.title, l.why, l.remedy)
	}
	write("Round", r.rounds)
	write("Source", r.sources)
	write("Size", r.sizes)
	return out.String()
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// save writes the results, and the page of the documentation if --docs is given.
func (b *bench) save() error {
	folder := b.settings.out
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for the results: %w", err)
	}
	if err := write(filepath.Join(folder, "results.txt"), benchmarkFormat(b.results)); err != nil {
		return err
	}
	if err := write(filepath.Join(folder, "results.md"), "# Benchmark\n\n"+markdown(b.results, false)); err != nil {
		return err
	}
	b.say("results.txt and results.md are in %s", folder)
	return b.document()
}

// document puts the tables into the page of the documentation, unless the run was interrupted.
func (b *bench) document() error {
	if b.settings.docs == "" || b.results.interrupted {
		return nil
	}
	path := filepath.Join(b.settings.docs, "performance.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the page that is to get the numbers: %w", err)
	}
	rewritten, err := rewrite(string(page), withTilde(markdown(b.results, false)))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return write(path, rewritten)
}

// withTilde replaces the user's home folder in paths by ~, because the page is published.
func withTilde(text string) string {
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		return strings.ReplaceAll(text, home+string(filepath.Separator), "~"+string(filepath.Separator))
	}
	return text
}

func write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// The generated part of a page is between these two lines.
const (
	beginMarker = "<!-- bench:begin: what is between these two lines is written by `make bench DOCS=1` -->"
	endMarker   = "<!-- bench:end -->"
)

// errMarkers is returned for a page that does not mark its generated part.
var errMarkers = errors.New("the page has not both marker lines once, and in their order")

// rewrite returns the page with what is between the two markers replaced. The error is errMarkers.
func rewrite(page, generated string) (string, error) {
	before, rest, begins := strings.Cut(page, beginMarker+"\n")
	_, after, ends := strings.Cut(rest, endMarker+"\n")
	if !begins || !ends || strings.Count(page, beginMarker) != 1 || strings.Count(page, endMarker) != 1 {
		return "", fmt.Errorf("%w: put these lines where the numbers are to be:\n%s\n%s", errMarkers, beginMarker, endMarker)
	}
	return before + beginMarker + "\n\n" + strings.TrimSpace(generated) + "\n\n" + endMarker + "\n" + after, nil
}
