package lock

import (
	"cmp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Posture is the results of all checks with one configuration. Two runs on the same configuration have the same posture: it
// has no time, address, port, name or ID of a node, and nothing of the engine. The zero value has no checks.
//
// A check that is skipped on one engine or machine and run on another does differ, because it was proved only once. Compare
// calls that Unclear, with the reason.
type Posture struct {
	// Nomad is the version of the agents; empty if none is known.
	Nomad string
	// Settings are what the configuration sets, by role and path, each path once; where agents listen is among them, as
	// listens.http. In a posture that was read from a lock, File and Line are empty. Empty: the agents ran no configuration
	// of a user.
	Settings []finding.Setting
	// Others are the settings that no check rests on. A lock has them among its Settings, with a mark for the value.
	Others []finding.Setting
	// Results are those of the checks and of the matrix's cells, by plane and ID, each ID once.
	Results []CheckResult
}

// CheckResult is the result of one check at all nodes together, or of one cell of the matrix.
type CheckResult struct {
	// ID is the check's, or "matrix/CERTIFICATE/ENDPOINT". Plane is the check's, or PlaneMatrix.
	ID, Plane string
	// Result is the worst of all nodes.
	Result finding.Result
	// Outcome is what the probe returned at the nodes with that result, joined by "or" if they differ; empty if it did not
	// run.
	Outcome string
	// At says at how many of the nodes the result is so, for example "1 of 3 servers". Empty: at all.
	At string
	// Reason says shortly why the result is what it is; empty for a check that passed.
	Reason string

	// Title, Severity, Settings and CertificateOf are as in a finding.Finding. They are the catalogue's: no lock has them.
	Title, Severity string
	Settings        []string
	CertificateOf   string
	// NotForVersion is true for a check that was skipped because it is not for the agents' version of Nomad. No lock has it.
	NotForVersion bool
	// Local is true for what shows only in this copy of the user's files; see Committed.
	Local bool
}

// PlaneMatrix is the plane of the matrix's cells: one certificate is tried at endpoints of several planes.
const PlaneMatrix = "matrix"

// Committed returns the posture as a lock has it: without what shows only in this copy of the user's files, as version
// control keeps neither modes nor owners, and with marks instead of the values of Others.
func (p Posture) Committed() Posture {
	p.Results = slices.DeleteFunc(slices.Clone(p.Results), func(r CheckResult) bool { return r.Local })
	p.Settings = slices.Clone(p.Settings)
	for _, s := range p.Others {
		s.Value = mark(s)
		p.Settings = append(p.Settings, s)
	}
	slices.SortFunc(p.Settings, byRoleAndPath)
	p.Others = nil
	return p
}

// Of returns the posture that a report shows.
func Of(r finding.Report) Posture {
	p := Posture{Nomad: clean(r.Cluster.Nomad)}
	if c := r.Configuration; c != nil {
		p.Settings, p.Others = settingsOf(slices.Concat(c.Settings, c.Listens)), settingsOf(c.Others)
	}
	names := newNames(r)
	byID := map[string][]finding.Finding{}
	for _, f := range r.Findings {
		byID[f.ID] = append(byID[f.ID], f)
	}
	for _, all := range byID {
		p.Results = append(p.Results, names.result(all))
	}
	if r.Matrix != nil {
		p.Results = append(p.Results, names.cells(*r.Matrix)...)
	}
	slices.SortFunc(p.Results, byPlaneAndID)
	return p
}

// byPlaneAndID orders results by plane and ID.
func byPlaneAndID(a, b CheckResult) int {
	return cmp.Or(comparePlanes(a.Plane, b.Plane), strings.Compare(a.ID, b.ID))
}

// comparePlanes orders planes as finding.RankOfPlane does, and by name those that it does not know.
func comparePlanes(a, b string) int {
	return cmp.Or(cmp.Compare(finding.RankOfPlane(a), finding.RankOfPlane(b)), strings.Compare(a, b))
}

// clean returns the text with a replacement for each byte that is no character.
func clean(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
