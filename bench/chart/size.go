package chart

import (
	"fmt"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"nomadlab.internal/bench/measure"
)

// Size draws the time until all clients are ready over their number: a dot for each cluster, and the fitted line. It
// returns ErrEmpty when there is none.
func Size(r measure.Results) ([]byte, error) {
	p := newPlot("Three servers and more and more clients: seconds until all are ready")
	p.X.Label.Text, p.Y.Label.Text = "clients", "seconds"
	p.X.Min = 0
	drawn := false
	for place, c := range r.Contestants {
		sizes := r.SizesOf(c.Name)
		if len(sizes) == 0 {
			continue
		}
		drawn = true
		dots := make(plotter.XYs, len(sizes))
		for i, s := range sizes {
			dots[i] = plotter.XY{X: float64(s.Clients), Y: s.Seconds[measure.Ready]}
		}
		scatter, err := plotter.NewScatter(dots)
		if err != nil {
			return nil, fmt.Errorf("draw the sizes of %s: %w", c.Title, err)
		}
		scatter.GlyphStyle = dot(place)
		p.Add(scatter)
		p.Legend.Add(c.Title, scatter)
		g := r.Growth(c.Name, measure.Ready)
		if len(g.Steps) == 0 {
			continue
		}
		last := dots[len(dots)-1].X
		line, err := plotter.NewLine(plotter.XYs{{X: 0, Y: g.Base}, {X: last, Y: g.Base + last*g.PerClient}})
		if err != nil {
			return nil, fmt.Errorf("draw the line of %s: %w", c.Title, err)
		}
		line.Color, line.Width = Colour(place), vg.Points(1)
		p.Add(line)
	}
	if !drawn {
		return nil, ErrEmpty
	}
	p.Y.Min = 0
	return render(p)
}
