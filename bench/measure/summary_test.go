package measure_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nomadlab.internal/bench/measure"
)

var about = cmpopts.EquateApprox(0, 1e-9)

func TestSummarize(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   measure.Summary
	}{
		"nothing":        {nil, measure.Summary{}},
		"one value":      {[]float64{3}, measure.Summary{N: 1, Median: 3, Min: 3, Max: 3, Q1: 3, Q3: 3}},
		"an odd number":  {[]float64{5, 1, 4, 2, 3}, measure.Summary{N: 5, Median: 3, Min: 1, Max: 5, Q1: 2, Q3: 4}},
		"an even number": {[]float64{4, 1, 3, 2}, measure.Summary{N: 4, Median: 2.5, Min: 1, Max: 4, Q1: 1.75, Q3: 3.25}},
		"one far out":    {[]float64{1, 1, 1, 1, 100}, measure.Summary{N: 5, Median: 1, Min: 1, Max: 100, Q1: 1, Q3: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			before := append([]float64(nil), c.values...)
			if diff := cmp.Diff(c.want, measure.Summarize(c.values), about); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, c.values); diff != "" {
				t.Errorf("the values were changed:\n%s", diff)
			}
		})
	}
}

// TestCompare: a round that was slow for both moves the medians, and not the ratio of that round.
func TestCompare(t *testing.T) {
	got := measure.Compare(
		map[int]float64{1: 2, 2: 20, 3: 4, 4: 9},
		map[int]float64{1: 1, 2: 10, 3: 2, 5: 7},
	)
	want := measure.Ratio{OfMedians: 6.5 / 4.5, Paired: measure.Summary{N: 3, Median: 2, Min: 2, Max: 2, Q1: 2, Q3: 2}}
	if diff := cmp.Diff(want, got, about); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := measure.Compare(map[int]float64{1: 2}, nil); got != (measure.Ratio{}) {
		t.Errorf("against nobody: got %+v, want nothing", got)
	}
}

func TestGrow(t *testing.T) {
	points := func(y func(x float64) float64) []measure.Point {
		var out []measure.Point
		for _, x := range []float64{100, 1, 5, 40, 15} {
			out = append(out, measure.Point{X: x, Y: y(x)})
		}
		return out
	}
	t.Run("a line", func(t *testing.T) {
		g := measure.Grow(points(func(x float64) float64 { return 2 + 0.25*x }))
		if diff := cmp.Diff([]float64{2, 0.25}, []float64{g.Base, g.PerClient}, about); diff != "" {
			t.Errorf("start and slope (-want +got):\n%s", diff)
		}
		for _, s := range g.Steps {
			if math.Abs(s.PerClient-0.25) > 1e-9 {
				t.Errorf("from %d to %d a client costs %g, want 0.25", s.From, s.To, s.PerClient)
			}
		}
		if len(g.Steps) != 4 || g.Steps[0].From != 1 || g.Steps[3].To != 100 {
			t.Errorf("steps %+v, want four from 1 to 100", g.Steps)
		}
	})
	for exponent, name := range map[float64]string{0.5: "a root", 1: "in proportion", 2: "a square"} {
		t.Run(name, func(t *testing.T) {
			g := measure.Grow(points(func(x float64) float64 { return 3 * math.Pow(x, exponent) }))
			if math.Abs(g.Exponent-exponent) > 1e-9 {
				t.Errorf("exponent %g, want %g", g.Exponent, exponent)
			}
		})
	}
	t.Run("medians of repeated sizes", func(t *testing.T) {
		g := measure.Grow([]measure.Point{{1, 1}, {1, 2}, {1, 9}, {3, 4}})
		if diff := cmp.Diff([]measure.GrowthStep{{From: 1, To: 3, PerClient: 1}}, g.Steps, about); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	for name, p := range map[string][]measure.Point{
		"nothing": nil, "one size": {{5, 1}, {5, 2}}, "one size and none": {{0, 1}, {5, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if g := measure.Grow(p); len(g.Steps) != 0 || g.PerClient != 0 || g.Exponent != 0 {
				t.Errorf("got %+v, want nothing: there is no line through one point", g)
			}
		})
	}
}
