package finding

import "fmt"

// Summary counts findings by result. Its zero value is the count of none.
type Summary struct {
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Inconclusive int `json:"inconclusive"`
	Skipped      int `json:"skipped"`
}

// Summarize counts the findings. A finding without a known result counts as
// not carried out: what nobody judged must not look as if it had held.
func Summarize(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		s = s.With(f.Result)
	}
	return s
}

// With is the summary with one result more.
func (s Summary) With(v Result) Summary {
	switch v {
	case Pass:
		s.Pass++
	case Fail:
		s.Fail++
	case Skipped:
		s.Skipped++
	default:
		s.Inconclusive++
	}
	return s
}

// Total is the number of findings that were counted.
func (s Summary) Total() int { return s.Pass + s.Fail + s.Inconclusive + s.Skipped }

// String gives the counts as one line.
func (s Summary) String() string {
	return fmt.Sprintf("%d held, %d broken, %d not carried out, %d skipped",
		s.Pass, s.Fail, s.Inconclusive, s.Skipped)
}
