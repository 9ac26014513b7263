package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/bench/measure"
)

// sizeSection has a row for each engine and size; where a size was brought up several times, with the medians.
func sizeSection(r measure.Results) Section {
	s := Section{
		Title: "Three servers, more and more clients", Image: SizeChart,
		Header: []string{"engine", "clients", "rounds", "clients ready", "Up returned", "removed", "memory a node", "private", "memory of all"},
	}
	var counted []string
	for _, c := range r.Contestants {
		sizes := r.SizesOf(c.Name)
		for len(sizes) > 0 {
			same := slices.IndexFunc(sizes, func(x measure.Size) bool { return x.Clients != sizes[0].Clients })
			if same < 0 {
				same = len(sizes)
			}
			s.Rows = append(s.Rows, sizeRow(c.Title, sizes[:same]))
			if how := c.Title + ": " + sizes[0].Memory.Counted + "."; !slices.Contains(counted, how) {
				counted = append(counted, how)
			}
			sizes = sizes[same:]
		}
	}
	s.Note = "Seconds, medians. Memory is counted when the cluster is ready, over servers and clients alike. " + strings.Join(counted, " ")
	return s
}

func sizeRow(title string, same []measure.Size) []string {
	median := func(value func(measure.Size) float64) float64 {
		var all []float64
		for _, x := range same {
			all = append(all, value(x))
		}
		return measure.Summarize(all).Median
	}
	row := []string{title, strconv.Itoa(same[0].Clients), strconv.Itoa(len(same))}
	for _, m := range []measure.Milestone{measure.Ready, measure.Returned, measure.Removed} {
		row = append(row, number(median(func(x measure.Size) float64 { return x.Seconds[m] })))
	}
	perNode := func(bytes uint64, nodes int) float64 { return float64(bytes) / float64(max(nodes, 1)) }
	return append(row,
		mib(median(func(x measure.Size) float64 { return perNode(x.Memory.Total, x.Memory.Nodes) })),
		mib(median(func(x measure.Size) float64 { return perNode(x.Memory.Private, x.Memory.Nodes) })),
		mib(median(func(x measure.Size) float64 { return float64(x.Memory.Total) })),
	)
}

func growthSection(r measure.Results) Section {
	s := Section{
		Title:  "How the time grows with the clients",
		Header: []string{"engine", "seconds to", "start of the line", "seconds a client", "log-log exponent", "a client costs, from size to size"},
		Note: "The line is fitted through all measurements. An exponent of 1 is proportional growth; the fixed start of a cluster " +
			"makes it smaller. Where the cost of a client does not rise from size to size, growth is no worse than linear.",
	}
	for _, c := range r.Contestants {
		for _, m := range []measure.Milestone{measure.Ready, measure.Returned} {
			g := r.Growth(c.Name, m)
			if len(g.Steps) == 0 {
				continue
			}
			var steps []string
			for _, x := range g.Steps {
				steps = append(steps, fmt.Sprintf("%d–%d: %.3f", x.From, x.To, x.PerClient))
			}
			s.Rows = append(s.Rows, []string{
				c.Title, m.Title(), number(g.Base), fmt.Sprintf("%.3f", g.PerClient), number(g.Exponent), strings.Join(steps, ", "),
			})
		}
	}
	return s
}
