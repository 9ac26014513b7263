package report

import (
	"nomadlab.internal/lab/finding"
)

// suiteOfChanges has a test case for each change. That nothing has changed is one that passes: a suite without cases
// would not be seen.
func (v view) suiteOfChanges() suite {
	s := v.newSuite("changes")
	s.Properties = append(s.Properties, property{"with", v.since()})
	for _, setting := range v.report.Comparison.Settings {
		s.Properties = append(s.Properties, property{"setting", setting.String()})
	}
	if note := v.report.Comparison.Note; note != "" {
		s.Properties = append(s.Properties, property{"note", note})
	}
	const class = "nomadlab.changes"
	changes := v.changes()
	if len(changes) == 0 {
		s.add(testcase{Name: v.nothingChanged(), Classname: class}, 0)
	}
	for _, c := range changes {
		t := testcase{Name: c.ID, Classname: class}
		r := &result{Message: string(c.Direction) + ": " + changedHow(c), Type: c.Severity, Text: "\n" + junitChange(c)}
		switch c.Direction {
		case finding.Weaker:
			t.Failure = r
		case finding.Stronger:
			t.Out = r.Message + r.Text
		default:
			t.Error = r
		}
		s.add(t, 0)
	}
	return s
}

func junitChange(c finding.Change) string {
	return namedLines(
		detail{"promise", c.Title}, detail{"plane", c.Plane},
		detail{"before", stateWords(c.Before)}, detail{"because", c.Before.Reason},
		detail{"now", stateWords(c.After)}, detail{"because", c.After.Reason},
		detail{"most likely by", mostLikely(c)},
	)
}
