package rehearsal

import "nomadlab.internal/lab/finding"

// Report returns the posture after the change in the order that was asked for, with the results of the rehearsal as findings.
func (r Rehearsal) Report() finding.Report {
	return r.Attempts[0].After
}
