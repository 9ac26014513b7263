package finding

import "fmt"

// Summary counts findings by verdict. Its zero value is the count of none.
type Summary struct {
	Held          int `json:"held"`
	Broken        int `json:"broken"`
	NotCarriedOut int `json:"not_carried_out"`
	Skipped       int `json:"skipped"`
}

// Summarize counts the findings. A finding without a known verdict counts as
// not carried out: what nobody judged must not look as if it had held.
func Summarize(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		s = s.With(f.Verdict)
	}
	return s
}

// With is the summary with one verdict more.
func (s Summary) With(v Verdict) Summary {
	switch v {
	case Held:
		s.Held++
	case Broken:
		s.Broken++
	case Skipped:
		s.Skipped++
	default:
		s.NotCarriedOut++
	}
	return s
}

// Total is the number of findings that were counted.
func (s Summary) Total() int { return s.Held + s.Broken + s.NotCarriedOut + s.Skipped }

// String gives the counts as one line.
func (s Summary) String() string {
	return fmt.Sprintf("%d held, %d broken, %d not carried out, %d skipped",
		s.Held, s.Broken, s.NotCarriedOut, s.Skipped)
}
