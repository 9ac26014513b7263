package lock

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// names holds the roles of a report's nodes and finds their names in a text. With it, a reason is the same in every run.
type names struct {
	// roles has each node's role; one that is neither server nor client is empty.
	roles map[string]string
	// find matches a node's name as a word; nil if there are no names.
	find *regexp.Regexp
}

func newNames(r finding.Report) names {
	n := names{roles: map[string]string{}}
	for _, node := range r.Cluster.Nodes {
		n.roles[node.Name] = ""
		if node.Role == "server" || node.Role == "client" {
			n.roles[node.Name] = node.Role
		}
	}
	words := map[string]bool{}
	for name := range n.roles {
		words[regexp.QuoteMeta(name)] = name != ""
	}
	for _, f := range r.Findings { // a node that the cluster does not list; the plane files has none
		n.roles[f.Node] += ""
		words[regexp.QuoteMeta(f.Node)] = f.Node != "" && f.Plane != planeFiles
	}
	maps.DeleteFunc(words, func(_ string, is bool) bool { return !is })
	if len(words) > 0 {
		n.find = regexp.MustCompile(`(^|[^\w.-])(?:` + strings.Join(slices.Sorted(maps.Keys(words)), "|") + `)($|[^\w.-]|\.(?:\W|$))`) // a point is part of a name, or ends the sentence
	}
	return n
}

// reason returns a short reason that is the same in every run. That of a failure follows from the wanted outcomes; that of
// an inconclusive or skipped check is taken from the finding.
func (n names) reason(f finding.Finding) string {
	switch {
	case f.Result == finding.Pass:
		return ""
	case f.Result == finding.Fail && slices.Contains(f.Want, f.Outcome):
		return "as wanted, but not in the words that were wanted"
	case f.Result == finding.Fail:
		return "wanted was " + clean(strings.Join(f.Want, " or "))
	default:
		return n.stable(f.Reason)
	}
}

// varying matches what the next run may have otherwise: times, addresses, durations, files, IDs, long numbers.
var varying = regexp.MustCompile(strings.Join([]string{
	`\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?`,
	`\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b`,
	`\w+://[^\s"]+`,
	`\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d+|:\d+)?\b`,
	`\[[0-9a-fA-F:]*:[0-9a-fA-F:.]*\](?::\d+)?`,
	`\b[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){2,}`,
	`\b[\w.-]+:\d{2,5}\b`,
	`\b(?:\d+(?:\.\d+)?(?:ns|µs|us|ms|s|m|h))+\b`,
	`\b\d+(?:\.\d+)? (?:ns|µs|ms|s|min|h|seconds?|minutes?|hours?|days?)\b`,
	`\B/(?:[\w.@+~-]+/)+[\w.@+~-]*`,
	`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b`,
	`\b[0-9a-f]{12,}\b`,
	`\b\d{4,}\b`,
}, "|"))

// planeFiles is the plane of the user's own files.
const planeFiles = "files"

// longest is the maximum length of a reason, in characters: a lock is made to be read.
const longest = 120

// stable returns the first statement of a reason, without the details that follow it, such as an error, and without what
// varies.
func (n names) stable(reason string) string {
	reason = strings.Join(strings.Fields(clean(reason)), " ")
	for _, end := range []string{": ", "; ", ", so "} {
		reason, _, _ = strings.Cut(reason, end)
	}
	if n.find != nil {
		for range 2 { // two names may share the space between them
			reason = n.find.ReplaceAllString(reason, "${1}the agent${2}")
		}
	}
	reason = varying.ReplaceAllString(reason, "…")
	if runes := []rune(reason); len(runes) > longest {
		reason = string(runes[:longest]) + "…"
	}
	return strings.TrimRight(reason, ":; ")
}
