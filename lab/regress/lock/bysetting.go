package lock

import (
	"slices"

	"nomadlab.internal/lab/finding"
)

// Cause is a setting with the changes of one way that it most likely made.
type Cause struct {
	// Setting, File and Line are as in a finding.Change; an empty Setting is that of changes of which none is known.
	Setting, File string
	Line          int
	// Changes are in the order of the comparison; there is at least one.
	Changes []finding.Change
}

// BySetting puts the changes of a comparison together by the setting that made them, where it stands and the way that
// they lead, as one line often changes many promises. The causes are in the order of their first changes, so the worst
// comes first.
func BySetting(c finding.Comparison) []Cause {
	var all []Cause
	for _, change := range c.Changes {
		at := slices.IndexFunc(all, func(o Cause) bool {
			return o.Setting == change.Setting && o.File == change.File && o.Line == change.Line && o.Changes[0].Direction == change.Direction
		})
		if at < 0 {
			at = len(all)
			all = append(all, Cause{Setting: change.Setting, File: change.File, Line: change.Line})
		}
		all[at].Changes = append(all[at].Changes, change)
	}
	return all
}
