package measure

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Summary says where a sample lies. The zero Summary is that of no values.
type Summary struct {
	// N is how many values there are.
	N int `json:"n"`
	// Median and the rest are in the unit of the values; the quartiles and the median are interpolated between values.
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Q1     float64 `json:"q1"`
	Q3     float64 `json:"q3"`
}

// Summarize returns the summary of values, which it does not change.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{
		N: len(sorted), Min: sorted[0], Max: sorted[len(sorted)-1],
		Q1: quantile(sorted, 0.25), Median: quantile(sorted, 0.5), Q3: quantile(sorted, 0.75),
	}
}

// quantile puts the smallest value at 0, the largest at 1, and interpolates: the median of an even number of values is
// then the mean of the two in the middle, as everybody expects. gonum's own interpolations place them otherwise.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Ratio compares two contestants.
type Ratio struct {
	// OfMedians is the one's median over the other's. Zero: one of them has none.
	OfMedians float64 `json:"of_medians"`
	// Paired is the summary of the ratios of each round by itself, which does not see what slowed a whole round down.
	Paired Summary `json:"paired"`
}

// Compare returns the ratio of ours to theirs, each by round. Rounds that only one of them has count for the medians
// alone.
func Compare(ours, theirs map[int]float64) Ratio {
	var paired []float64
	for round, x := range ours {
		if y := theirs[round]; y > 0 {
			paired = append(paired, x/y)
		}
	}
	out := Ratio{Paired: Summarize(paired)}
	if below := Summarize(values(theirs)).Median; below > 0 {
		out.OfMedians = Summarize(values(ours)).Median / below
	}
	return out
}

func values(byRound map[int]float64) []float64 {
	var out []float64
	for _, v := range byRound {
		out = append(out, v)
	}
	return out
}

// Point is one measurement of how something grows.
type Point struct{ X, Y float64 }

// linear fits y = intercept + slope·x. There must be two different x.
func linear(points []Point) (intercept, slope float64) {
	x, y := make([]float64, len(points)), make([]float64, len(points))
	for i, p := range points {
		x[i], y[i] = p.X, p.Y
	}
	return stat.LinearRegression(x, y, nil, false)
}
