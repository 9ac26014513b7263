package chart

import (
	"fmt"
	"maps"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"nomadlab.internal/bench/measure"
)

// Boot draws every boot that counts: a dot for each milestone of each, and a line at each median. It returns ErrEmpty
// when there is none.
func Boot(r measure.Results) ([]byte, error) {
	p := newPlot("Three servers, two clients: seconds until …")
	p.Y.Label.Text = "seconds"
	var names []string
	for _, m := range measure.Compared() {
		names = append(names, m.Title())
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	drawn := 0
	for place, c := range r.Contestants {
		n, err := addBoots(p, r, c, place)
		if err != nil {
			return nil, err
		}
		drawn += n
	}
	if drawn == 0 {
		return nil, ErrEmpty
	}
	p.Y.Min = 0
	return render(p)
}

// addBoots adds one contestant's dots, side by side with those of the others, and returns how many there are.
func addBoots(p *plot.Plot, r measure.Results, c measure.Contestant, place int) (int, error) {
	lane := 0.8 / float64(len(r.Contestants))
	var dots plotter.XYs
	for i, m := range measure.Compared() {
		middle := float64(i) - 0.4 + lane*(float64(place)+0.5)
		seconds := r.Seconds(c.Name, m)
		rounds := slices.Sorted(maps.Keys(seconds))
		for n, round := range rounds {
			// The rounds are spread over the lane, from left to right, so that no dot hides another.
			shift := lane * 0.6 * ((float64(n)+0.5)/float64(len(rounds)) - 0.5)
			dots = append(dots, plotter.XY{X: middle + shift, Y: seconds[round]})
		}
		if len(rounds) == 0 {
			continue
		}
		median := r.Summary(c.Name, m).Median
		line, err := plotter.NewLine(plotter.XYs{{X: middle - lane*0.4, Y: median}, {X: middle + lane*0.4, Y: median}})
		if err != nil {
			return 0, fmt.Errorf("draw the median of %s: %w", c.Title, err)
		}
		line.Color, line.Width = Colour(place), vg.Points(1.5)
		p.Add(line)
	}
	if len(dots) == 0 {
		return 0, nil
	}
	scatter, err := plotter.NewScatter(dots)
	if err != nil {
		return 0, fmt.Errorf("draw the boots of %s: %w", c.Title, err)
	}
	scatter.GlyphStyle = dot(place)
	p.Add(scatter)
	p.Legend.Add(c.Title, scatter)
	return len(dots), nil
}
