package regress

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
)

// protection is one that a whole configuration may lack, so that many checks fail for one cause.
type protection struct {
	name, remedy string
	// lacks reports whether no agent has the protection.
	lacks func(Source) bool
	// concerns reports whether a check that rests on the setting rests on the protection.
	concerns func(setting string) bool
	// endpoints reports whether an endpoint of the matrix shows nothing without it.
	endpoints func(endpoint string) bool
	// check is part of the IDs of the checks of the protection itself. A check that is skipped without it names one of them.
	check string
}

// protections returns all protections, the widest first.
func protections() []protection {
	return []protection{
		{
			name: "tls", remedy: "set tls { http = true, rpc = true } with ca_file, cert_file and key_file",
			lacks: func(s Source) bool {
				return !slices.ContainsFunc(s.roles(), func(role pki.Role) bool {
					return flag(s.files(role), "tls.http") || flag(s.files(role), "tls.rpc")
				})
			},
			concerns:  func(setting string) bool { return strings.HasPrefix(setting, "tls.") },
			endpoints: func(endpoint string) bool { return endpoint != "gossip" }, check: "refuses-plaintext",
		},
		{
			name: "acl", remedy: "set acl { enabled = true } and bootstrap it",
			lacks:     func(s Source) bool { return !flag(s.files(pki.Server), "acl.enabled") },
			concerns:  func(setting string) bool { return setting == "acl.enabled" },
			endpoints: func(string) bool { return false },
		},
		{
			name: serverEncrypt, remedy: "set it to a key of `nomad operator gossip keyring generate`",
			lacks:     func(s Source) bool { return s.files(pki.Server).Text(serverEncrypt) == "" },
			concerns:  func(setting string) bool { return setting == serverEncrypt },
			endpoints: func(endpoint string) bool { return endpoint == "gossip" }, check: "gossip-refuses-no-key",
		},
	}
}

// commonCauses returns a line for each protection that the configuration lacks, if several failures of the report have that
// cause.
func (s Source) commonCauses(r finding.Report) []string {
	var notes []string
	for _, of := range protections() {
		if !of.lacks(s) {
			continue
		}
		checks, cells, fail := of.count(r)
		if checks+cells < 2 { // a single one says it itself
			continue
		}
		words := counted(checks, "check")
		if cells > 0 {
			words += " and " + counted(cells, "cell") + " of the matrix"
		}
		notes = append(notes, fmt.Sprintf("%s is off: %s rest on it (%d fail, %d could not be tried): %s before you look at them one by one.",
			of.name, words, fail, checks+cells-fail, of.remedy))
	}
	return notes
}

// count returns how many checks and cells of the matrix rest on the protection and did not pass, and how many of both fail. A
// failed check rests on the first of its settings.
func (of protection) count(r finding.Report) (checks, cells, fail int) {
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
	ofCells := of.cells(r.Matrix)
	for _, result := range slices.AppendSeq(ofCells, maps.Values(worst)) {
		if result == finding.Fail {
			fail++
		}
	}
	return len(worst), len(ofCells), fail
}

// untried reports whether a check is inconclusive, or skipped because the protection is missing.
func (of protection) untried(r finding.Result, reason string) bool {
	without := of.check != "" && strings.Contains(reason, ": see ") && strings.Contains(reason, of.check)
	return r == finding.Inconclusive || r == finding.Skipped && without
}

// cells returns the results of the matrix's cells that rest on the protection and did not pass, those without the cells that are
// skipped for another reason.
func (of protection) cells(m *finding.Matrix) []finding.Result {
	var out []finding.Result
	if m == nil {
		return nil
	}
	for _, row := range m.Rows {
		for _, c := range row.Cells {
			if of.endpoints(c.Endpoint) && (c.Result == finding.Fail || of.untried(c.Result, c.Reason)) {
				out = append(out, c.Result)
			}
		}
	}
	return out
}

// counted returns a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
