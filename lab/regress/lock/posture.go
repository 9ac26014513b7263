package lock

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Posture is how every promise ended with one configuration. It holds nothing that two runs on the same configuration
// differ in: no time, address, port, name or ID of a node, and nothing of the engine. Its zero value is that of no
// promise at all.
//
// What was skipped on one engine, or one machine, and tried on another is a difference all the same, as it was proved
// once and once not: Compare calls it Unclear, with the reason.
type Posture struct {
	// Nomad is the version of the agents; empty where none is known.
	Nomad string
	// Settings are what the configuration sets, by role and path, each path once. File and Line are empty in a posture
	// that was read from a lock. Empty: the agents ran no user's configuration. Where agents listen is among them, as
	// listens.http.
	Settings []finding.Setting
	// Others are those that it sets and no promise rests on. In a lock they are among the Settings, by a mark of their values.
	Others []finding.Setting
	// Entries are the promises and the matrix's cells, by plane and ID, each ID once.
	Results []CheckResult
}

// Entry is how one promise ended at all nodes together, or one cell of the matrix.
type CheckResult struct {
	// ID is the check's, or "matrix/CERTIFICATE/ENTRY". Plane is the check's, or PlaneMatrix.
	ID, Plane string
	// Result is the worst of all nodes: broken, not carried out, held, skipped.
	Result finding.Result
	// Outcome is what the probe saw at the nodes with that result, joined by "or" where they differ; empty when it did
	// not run.
	Outcome string
	// At says at how many of the nodes the result was so, for example "1 of 3 servers"; empty: at all.
	At string
	// Reason says shortly why the result is what it is; empty for a promise that held.
	Reason string

	// Title, Severity, Settings and CertificateOf are as in a finding.Finding. They are the catalogue's, so they are not in a lock, and
	// empty in a posture that was read from one.
	Title, Severity string
	Settings        []string
	CertificateOf   string
	// Local is true for what only shows in this copy of the user's files; see Committed.
	Local bool
}

// PlaneMatrix is the plane of the matrix's cells: one certificate is tried at entries of several planes.
const PlaneMatrix = "matrix"

// Committed is the posture without what only shows in this copy of the user's files: version control keeps neither modes nor
// owners, and so a lock would differ from checkout to checkout.
func (p Posture) Committed() Posture {
	p.Results = slices.DeleteFunc(slices.Clone(p.Results), func(e CheckResult) bool { return e.Local })
	p.Settings = slices.Clone(p.Settings)
	for _, s := range p.Others {
		s.Value = mark(s)
		p.Settings = append(p.Settings, s)
	}
	slices.SortFunc(p.Settings, byRoleAndPath)
	p.Others = nil
	return p
}

// marked begins the mark of a value.
const marked = "sha256-16:"

// mark is two bytes of a checksum of the setting: enough to see that its value is another one, and too little to guess it by.
func mark(s finding.Setting) string {
	sum := sha256.Sum256([]byte(settingKey(s) + "\x00" + s.Value))
	return fmt.Sprintf("%s%x", marked, sum[:2])
}

// Of is the posture that a report tells of.
func Of(r finding.Report) Posture {
	p := Posture{Nomad: clean(r.Cluster.Nomad)}
	if r.Configuration != nil {
		p.Settings, p.Others = settingsOf(slices.Concat(r.Configuration.Settings, r.Configuration.Listens)), settingsOf(r.Configuration.Others)
	}
	names := newNames(r)
	byID := map[string][]finding.Finding{}
	for _, f := range r.Findings {
		byID[f.ID] = append(byID[f.ID], f)
	}
	for _, all := range byID {
		p.Results = append(p.Results, names.entry(all))
	}
	if r.Matrix != nil {
		p.Results = append(p.Results, names.cells(*r.Matrix)...)
	}
	slices.SortFunc(p.Results, byPlaneAndID)
	return p
}

// state is the entry as a change shows it.
func (e CheckResult) state() finding.State {
	s := finding.State{Result: e.Result, Outcome: e.Outcome, Reason: e.Reason}
	switch {
	case e.At != "" && e.Reason != "":
		s.Reason = "at " + e.At + ": " + e.Reason
	case e.At != "":
		s.Reason = "at " + e.At
	}
	return s
}

// byPlaneAndID orders results by plane and ID.
func byPlaneAndID(a, b CheckResult) int {
	return cmp.Or(comparePlanes(a.Plane, b.Plane), strings.Compare(a.ID, b.ID))
}

// comparePlanes orders planes as finding.RankOfPlane does, and by name those that it does not know.
func comparePlanes(a, b string) int {
	return cmp.Or(cmp.Compare(finding.RankOfPlane(a), finding.RankOfPlane(b)), strings.Compare(a, b))
}

// known is the result, or NotCarriedOut for what is none: what nobody judged must not look as if it had held.
func known(v finding.Result) finding.Result {
	if v.Rank() < 0 {
		return finding.Inconclusive
	}
	return v
}

// clean is a text that can be written and read again: one whose bytes are characters.
func clean(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
