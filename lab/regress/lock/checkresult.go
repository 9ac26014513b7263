package lock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// result returns the result of one check from its findings at all nodes, of which there is at least one.
func (n names) result(all []finding.Finding) CheckResult {
	all = slices.Clone(all)
	for i := range all {
		if all[i].Result.Rank() < 0 { // it was never judged, and must not look like a pass
			all[i].Result = finding.Inconclusive
		}
	}
	slices.SortFunc(all, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(a.Result.Rank(), b.Result.Rank()), strings.Compare(a.Node, b.Node), strings.Compare(a.Outcome, b.Outcome))
	})
	first := all[0]
	var worst []finding.Finding
	var outcomes, reasons []string
	for _, f := range all {
		if f.Result == first.Result {
			worst, outcomes, reasons = append(worst, f), append(outcomes, clean(f.Outcome)), append(reasons, n.reason(f))
		}
	}
	r := CheckResult{
		ID: clean(first.ID), Plane: clean(first.Plane), Result: first.Result,
		Outcome: joined(outcomes, " or "), At: n.at(worst, counted(all, first.Result)), Reason: joined(reasons, "; "),
		Title: first.Title, Severity: first.Severity, Settings: first.Settings,
		Local: first.Local, CertificateOf: first.CertificateOf,
		NotForVersion: !slices.ContainsFunc(worst, func(f finding.Finding) bool { return !f.NotForVersion }),
	}
	if first.Plane == planeNetwork {
		r.At = "" // which agents a packet capture catches is luck
	}
	return r
}

// counted returns the findings among which those with the worst result are counted. For a failure, skipped ones are not:
// a follower whose leader answers for it proves nothing.
func counted(all []finding.Finding, worst finding.Result) []finding.Finding {
	if worst != finding.Fail {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(f finding.Finding) bool { return f.Result == finding.Skipped })
}

// planeNetwork is the plane of what a packet capture catches.
const planeNetwork = "network"

// cells returns the results of the matrix's cells.
func (n names) cells(m finding.Matrix) []CheckResult {
	var all []CheckResult
	for _, row := range m.Rows {
		for _, c := range row.Cells {
			r := n.result([]finding.Finding{{
				ID: PlaneMatrix + "/" + row.Certificate + "/" + c.Endpoint, Plane: PlaneMatrix, Title: row.Title + " at " + c.Endpoint,
				Node: m.Node, Want: []string{c.Want}, Outcome: c.Outcome, Result: c.Result, Reason: c.Reason,
				Settings: settingsOfEndpoint(c.Endpoint),
			}})
			if len(c.At) > 0 && c.Elsewhere != finding.Skipped {
				r.At = fmt.Sprintf("%d of %d servers", len(c.At), len(m.Nodes))
			}
			all = append(all, r)
		}
	}
	return all
}

// settingsOfEndpoint returns the settings that decide who is accepted at an endpoint of the matrix, the likeliest first: TLS
// wants a certificate of the authority, then Nomad reads the names in it (helper/tlsutil/config.go, nomad/rpc.go); gossip
// wants only the key.
func settingsOfEndpoint(endpoint string) []string {
	switch endpoint {
	case "HTTPS":
		return []string{"tls.verify_https_client", "tls.http", "tls.ca_file"}
	case "gossip":
		return []string{"server.encrypt"}
	default:
		return []string{"tls.verify_server_hostname", "tls.rpc", "tls.ca_file"}
	}
}

// at returns at how many nodes of each role the findings some were made, among the findings all: "1 of 3 servers". It does
// not name them, because which one it is may depend on who leads. Empty: at all.
func (n names) at(some, all []finding.Finding) string {
	if len(some) == len(all) {
		return ""
	}
	perRole := func(list []finding.Finding) map[string]int {
		count := map[string]int{}
		for _, f := range list {
			count[n.roles[f.Node]]++
		}
		return count
	}
	few, many := perRole(some), perRole(all)
	var parts []string
	for _, role := range []string{"server", "client", ""} {
		if few[role] > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %ss", few[role], many[role], cmp.Or(role, "agent")))
		}
	}
	return strings.Join(parts, " and ")
}

// joined sorts the texts, and joins each once; empty ones are left out.
func joined(texts []string, by string) string {
	slices.Sort(texts)
	texts = slices.DeleteFunc(slices.Compact(texts), func(t string) bool { return t == "" })
	return strings.Join(texts, by)
}
