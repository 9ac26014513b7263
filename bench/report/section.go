// Package report tells what a benchmark run has measured: as tables for a terminal, as Markdown, and in the page of the
// documentation.
package report

import (
	"fmt"
	"strconv"

	"nomadlab.internal/bench/measure"
)

// Section is one table with what must be known to read it.
type Section struct {
	Title string
	// Note is one paragraph. Empty: none.
	Note   string
	Header []string
	Rows   [][]string
	// Image is the name of a chart of the same numbers. Empty: none.
	Image string
}

// nothing stands in a cell that has no value.
const nothing = "–"

// Names of the charts.
const (
	BootChart = "boot.svg"
	SizeChart = "size.svg"
)

// Sections are all that there is to tell. What was not measured is left out.
func Sections(r measure.Results) []Section {
	all := []Section{machineSection(r), bootSection(r), spreadSection(r), sizeSection(r), growthSection(r)}
	for _, t := range r.Traces {
		all = append(all, traceSection(r, t))
	}
	all = append(all, failureSection(r))
	var out []Section
	for _, s := range all {
		if len(s.Rows) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func machineSection(r measure.Results) Section {
	m := r.Machine
	rows := [][]string{
		{"date", r.Date.Format("2006-01-02 15:04 MST")},
		{"processor", fmt.Sprintf("%s, %d cores", orNothing(m.CPU), m.Cores)},
		{"memory", gib(m.Memory)},
		{"kernel", orNothing(m.Kernel)},
		{"Docker", orNothing(m.Docker)},
		{"Go", orNothing(m.Go)},
		{"Nomad", orNothing(m.Nomad)},
		{"load average at the start", number(m.Load)},
	}
	if r.Interrupted {
		rows = append(rows, []string{"interrupted", "yes: this is what was measured until then"})
	}
	return Section{Title: "The machine", Header: []string{"what", "which"}, Rows: rows}
}

// bootSection has a column for each contestant, and one for its ratio to the one that it is compared with.
func bootSection(r measure.Results) Section {
	if len(r.Boots) == 0 {
		return Section{}
	}
	s := Section{
		Title: "Three servers, two clients", Image: BootChart, Header: []string{"seconds to"},
		Note: "Medians, with the smallest and the largest in brackets. A ratio is that of the two medians; in brackets are the " +
			"quartiles of the ratios of each round by itself.",
	}
	for _, c := range r.Contestants {
		s.Header = append(s.Header, c.Title)
		if c.Against != "" {
			s.Header = append(s.Header, "ratio")
		}
	}
	for _, m := range measure.Milestones() {
		row := []string{m.Title()}
		for _, c := range r.Contestants {
			row = append(row, spread(r.Summary(c.Name, m)))
			if c.Against != "" {
				row = append(row, ratio(measure.Compare(r.Seconds(c.Name, m), r.Seconds(c.Against, m))))
			}
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func spreadSection(r measure.Results) Section {
	s := Section{Title: "How far the rounds lie apart", Header: []string{"contestant", "seconds to", "rounds", "min", "quartile", "median", "quartile", "max"}}
	for _, c := range r.Contestants {
		for _, m := range measure.Milestones() {
			x := r.Summary(c.Name, m)
			if x.N == 0 {
				continue
			}
			s.Rows = append(s.Rows, []string{
				c.Title, m.Title(), strconv.Itoa(x.N), number(x.Min), number(x.Q1), number(x.Median), number(x.Q3), number(x.Max),
			})
		}
	}
	return s
}

func traceSection(r measure.Results, t measure.Trace) Section {
	s := Section{
		Title: "One boot, step by step: " + titleOf(r, t.Contestant), Header: []string{"seconds", "who says so", "what"},
		Note: "The lab tells what it does; the observer tells what can be seen from outside.",
	}
	for _, x := range t.Steps {
		s.Rows = append(s.Rows, []string{fmt.Sprintf("%.3f", x.At), x.Source, x.Text})
	}
	return s
}

func failureSection(r measure.Results) Section {
	s := Section{Title: "What failed, and does not count", Header: []string{"contestant", "round", "clients", "why"}}
	for _, b := range r.Boots {
		if b.Error != "" {
			s.Rows = append(s.Rows, []string{titleOf(r, b.Contestant), strconv.Itoa(b.Round), strconv.Itoa(measure.BootClients), b.Error})
		}
	}
	for _, x := range r.Sizes {
		if x.Error != "" {
			s.Rows = append(s.Rows, []string{titleOf(r, x.Contestant), strconv.Itoa(x.Round), strconv.Itoa(x.Clients), x.Error})
		}
	}
	return s
}

func titleOf(r measure.Results, contestant string) string {
	for _, c := range r.Contestants {
		if c.Name == contestant {
			return c.Title
		}
	}
	return contestant
}
