package lock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// entry puts together what was found of one promise at the nodes; there is at least one finding.
func (n names) entry(all []finding.Finding) CheckResult {
	all = slices.Clone(all)
	for i := range all {
		all[i].Result = known(all[i].Result)
	}
	slices.SortFunc(all, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(a.Result.Rank(), b.Result.Rank()), strings.Compare(a.Node, b.Node), strings.Compare(a.Outcome, b.Outcome))
	})
	first := all[0]
	worst := all[:slices.IndexFunc(append(slices.Clone(all), finding.Finding{}), func(f finding.Finding) bool { return f.Result != first.Result })]
	var outcomes, reasons []string
	for _, f := range worst {
		outcomes, reasons = append(outcomes, clean(f.Outcome)), append(reasons, n.reason(f))
	}
	e := CheckResult{
		ID: clean(first.ID), Plane: clean(first.Plane), Result: first.Result,
		Outcome: joined(outcomes, " or "), At: n.at(worst, asked(all, first.Result)), Reason: joined(reasons, "; "),
		Title: first.Title, Severity: first.Severity, Settings: first.Settings,
		Local: first.Local, CertificateOf: first.CertificateOf,
	}
	if first.Plane == planeNetwork {
		e.At = "" // what is overheard of one agent and not of another is luck
	}
	return e
}

// asked are the findings among which those with the worst result are counted. Of a promise that is broken, followers whose
// leader answers for them are left out: it is broken at all that could tell.
func asked(all []finding.Finding, worst finding.Result) []finding.Finding {
	if worst != finding.Fail {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(f finding.Finding) bool { return f.Result == finding.Skipped })
}

// planeWire is what a listener on the network overhears.
const planeNetwork = "network"

// cells are the matrix's cells as entries.
func (n names) cells(m finding.Matrix) []CheckResult {
	var all []CheckResult
	for _, row := range m.Rows {
		for _, c := range row.Cells {
			e := n.entry([]finding.Finding{{
				ID: PlaneMatrix + "/" + row.Certificate + "/" + c.Endpoint, Plane: PlaneMatrix, Title: row.Title + " at " + c.Endpoint,
				Node: m.Node, Want: []string{c.Want}, Outcome: c.Outcome, Result: c.Result, Reason: c.Reason,
				Settings: settingsAtEntry(c.Endpoint),
			}})
			if len(c.At) > 0 && c.Elsewhere != finding.Skipped {
				e.At = fmt.Sprintf("%d of %d servers", len(c.At), len(m.Nodes))
			}
			all = append(all, e)
		}
	}
	return all
}

// settingsAtEntry are the settings that decide whom an entry of the matrix lets in, the likeliest first: TLS asks for a
// certificate of the authority, then Nomad looks at the names in it (helper/tlsutil/config.go, nomad/rpc.go); gossip asks
// for the key alone.
func settingsAtEntry(entry string) []string {
	switch entry {
	case "HTTPS":
		return []string{"tls.verify_https_client", "tls.http", "tls.ca_file"}
	case "gossip":
		return []string{"server.encrypt"}
	default:
		return []string{"tls.verify_server_hostname", "tls.rpc", "tls.ca_file"}
	}
}

// at says at how many nodes of each role some findings were made, of all that were asked: "1 of 3 servers". Which of the
// nodes it was may change with who leads. Empty: at all.
func (n names) at(some, all []finding.Finding) string {
	if len(some) == len(all) {
		return ""
	}
	var parts []string
	for _, role := range []string{"server", "client", ""} {
		of := func(list []finding.Finding) (count int) {
			for _, f := range list {
				if n.roles[f.Node] == role {
					count++
				}
			}
			return count
		}
		if few, many := of(some), of(all); few > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %ss", few, many, cmp.Or(role, "agent")))
		}
	}
	return strings.Join(parts, " and ")
}

// joined joins what differs, in an order of its own.
func joined(texts []string, by string) string {
	slices.Sort(texts)
	texts = slices.DeleteFunc(slices.Compact(texts), func(t string) bool { return t == "" })
	return strings.Join(texts, by)
}
