package measure

import (
	"math"
	"slices"
)

// Growth says how something grows with the number of clients. The zero Growth is that of fewer than two sizes.
type Growth struct {
	// Base is where the fitted line starts: seconds of a cluster without clients.
	Base float64 `json:"base"`
	// PerClient is the slope of the line: seconds that one more client costs.
	PerClient float64 `json:"per_client"`
	// Exponent is the slope of the line through the logarithms: 1 is proportional, below 1 grows more slowly. The fixed
	// start of a cluster makes it small, so it shows only growth that is worse than linear beyond doubt.
	Exponent float64 `json:"exponent"`
	// Steps are what a client costs between one size and the next, by their medians. Where they do not rise, the growth
	// is no worse than linear, whatever the start costs.
	Steps []GrowthStep `json:"steps,omitempty"`
}

// GrowthStep is the growth between two sizes that were measured.
type GrowthStep struct {
	From      int     `json:"from"`
	To        int     `json:"to"`
	PerClient float64 `json:"per_client"`
}

// Grow fits the growth of y, seconds, over x, clients. Points at x < 1 or y <= 0 have no logarithm, and do not count.
func Grow(points []Point) Growth {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.X < 1 || p.Y <= 0 })
	medians := mediansByX(points)
	if len(medians) < 2 {
		return Growth{}
	}
	var out Growth
	out.Base, out.PerClient = linear(points)
	logs := make([]Point, len(points))
	for i, p := range points {
		logs[i] = Point{math.Log(p.X), math.Log(p.Y)}
	}
	_, out.Exponent = linear(logs)
	for i, to := range medians[1:] {
		from := medians[i]
		out.Steps = append(out.Steps, GrowthStep{From: int(from.X), To: int(to.X), PerClient: (to.Y - from.Y) / (to.X - from.X)})
	}
	return out
}

// mediansByX has one point for each x, in rising order.
func mediansByX(points []Point) []Point {
	byX := map[float64][]float64{}
	for _, p := range points {
		byX[p.X] = append(byX[p.X], p.Y)
	}
	var out []Point
	for x, ys := range byX {
		out = append(out, Point{x, Summarize(ys).Median})
	}
	slices.SortFunc(out, func(a, b Point) int { return int(math.Copysign(1, a.X-b.X)) })
	return out
}
