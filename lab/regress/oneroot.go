package regress

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
)

// root is a protection that a whole configuration may lack, so that many promises have one cause.
type root struct {
	name, remedy string
	// lacks reports whether no agent has it.
	lacks func(Source) bool
	// concerns reports whether a promise that rests on the setting rests on the protection.
	concerns func(setting string) bool
	// entries are the columns of the matrix that show nothing without it.
	entries func(entry string) bool
	// judge is part of the IDs of the checks that judge whether there is none: what is skipped for that names one of them.
	judge string
}

// roots are the protections, the widest first.
func roots() []root {
	return []root{
		{
			name: "tls", remedy: "set tls { http = true, rpc = true } with ca_file, cert_file and key_file",
			lacks: func(s Source) bool {
				return !slices.ContainsFunc(s.roles(), func(role pki.Role) bool {
					return flag(s.files(role), "tls.http") || flag(s.files(role), "tls.rpc")
				})
			},
			concerns: func(setting string) bool { return strings.HasPrefix(setting, "tls.") },
			entries:  func(entry string) bool { return entry != "gossip" }, judge: "refuses-plaintext",
		},
		{
			name: "acl", remedy: "set acl { enabled = true } and bootstrap it",
			lacks:    func(s Source) bool { return !flag(s.files(pki.Server), "acl.enabled") },
			concerns: func(setting string) bool { return setting == "acl.enabled" },
			entries:  func(string) bool { return false },
		},
		{
			name: serverEncrypt, remedy: "set it to a key of `nomad operator gossip keyring generate`",
			lacks:    func(s Source) bool { return s.files(pki.Server).Text(serverEncrypt) == "" },
			concerns: func(setting string) bool { return setting == serverEncrypt },
			entries:  func(entry string) bool { return entry == "gossip" }, judge: "gossip-refuses-no-key",
		},
	}
}

// commonCauses says in a line each what many of a report's failures have for their one cause.
func (s Source) commonCauses(r finding.Report) []string {
	var notes []string
	for _, of := range roots() {
		if !of.lacks(s) {
			continue
		}
		promises, cells, broken := of.count(r)
		if promises+cells < 2 { // a single one has its own words
			continue
		}
		words := counted(promises, "promise")
		if cells > 0 {
			words += " and " + counted(cells, "cell") + " of the matrix"
		}
		notes = append(notes, fmt.Sprintf("%s is off: %s rest on it (%d broken, %d could not be tried): %s before you look at them one by one.",
			of.name, words, broken, promises+cells-broken, of.remedy))
	}
	return notes
}

// count counts the promises that were not kept or not tried and rest on the protection, and the cells of the matrix; how many of
// both are broken. A broken promise rests on what is to be looked at first.
func (of root) count(r finding.Report) (promises, cells, broken int) {
	worst := map[string]finding.Result{}
	for _, f := range r.Findings {
		rests := slices.ContainsFunc(f.Settings, of.concerns)
		if f.Result == finding.Fail {
			rests = len(f.Settings) > 0 && of.concerns(f.Settings[0])
		}
		if rests && (f.Result == finding.Fail || of.untried(f.Result, f.Reason) && worst[f.ID] == "") {
			worst[f.ID] = f.Result
		}
	}
	for _, verdict := range worst {
		promises++
		if verdict == finding.Fail {
			broken++
		}
	}
	for _, verdict := range of.cells(r.Matrix) {
		cells++
		if verdict == finding.Fail {
			broken++
		}
	}
	return promises, cells, broken
}

// untried reports whether that could not be tried, be it for the lack of the protection.
func (of root) untried(v finding.Result, reason string) bool {
	return v == finding.Inconclusive || v == finding.Skipped && of.judge != "" && strings.Contains(reason, ": see ") && strings.Contains(reason, of.judge)
}

// cells are the results of the matrix's cells that rest on the protection, of those that did not hold and were not skipped for
// another reason.
func (of root) cells(m *finding.Matrix) []finding.Result {
	var out []finding.Result
	if m == nil {
		return nil
	}
	for _, row := range m.Rows {
		for _, c := range row.Cells {
			if of.entries(c.Endpoint) && (c.Result == finding.Fail || of.untried(c.Result, c.Reason)) {
				out = append(out, c.Result)
			}
		}
	}
	return out
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
