package report

import (
	"fmt"

	"nomadlab.internal/bench/measure"
)

func number(x float64) string { return fmt.Sprintf("%.2f", x) }

func spread(s measure.Summary) string {
	if s.N == 0 {
		return nothing
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
}

func ratio(r measure.Ratio) string {
	switch {
	case r.OfMedians == 0:
		return nothing
	case r.Paired.N == 0:
		return number(r.OfMedians)
	default:
		return fmt.Sprintf("%.2f (%.2f–%.2f)", r.OfMedians, r.Paired.Q1, r.Paired.Q3)
	}
}

func mib(bytes float64) string { return fmt.Sprintf("%.0f MiB", bytes/(1<<20)) }

func gib(bytes uint64) string {
	if bytes == 0 {
		return nothing
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func orNothing(text string) string {
	if text == "" {
		return nothing
	}
	return text
}
