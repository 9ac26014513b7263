package lock

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/finding"
)

// lockVersion is the form of a lock that this package writes and reads.
const lockVersion = 1

// lockHead is what a lock says of itself to those who meet it in a diff.
const lockHead = `# The posture of these agents' configuration: which promises a cluster kept that ran on it, as "nomadlab check" saw them.
# Commit this file beside the configuration: its diff then shows what a change opens or closes. It is not made to be edited.
# After a change that is meant, write it anew:
#     nomadlab check --server-config PATH --client-config PATH --lock THIS-FILE --update
`

// Lock is the posture as a file to be committed, in YAML: a line for each setting and each promise, in a fixed order, so
// that a diff shows what became another; and a checksum of the content, so that ReadLock notices a hand that edited it.
// Titles, severities and the promises' settings are not in it, and no file names or lines: a lock changes when the
// configuration or the cluster does. Only what is Committed is in it.
func (p Posture) Lock() []byte {
	content := p.Committed().content()
	return []byte(lockHead + content + "checksum: " + checksum(content) + "\n")
}

// checksum is that of a lock's content as Lock would write it: how a lock is indented or its lines end makes no difference.
func checksum(content string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))) }

// content is the lock without what is said about it.
func (p Posture) content() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: %d", lockVersion)
	if p.Nomad != "" {
		line("nomad: %s", scalar(p.Nomad))
	}
	settings := slices.SortedStableFunc(slices.Values(p.Settings), byRoleAndPath)
	for i, s := range settings {
		if i == 0 {
			line("settings:")
		}
		if i == 0 || settings[i-1].Role != s.Role {
			line("  %s:", scalar(s.Role))
		}
		line("    %s: %s", scalar(s.Path), value(s.Value))
	}
	entries := slices.SortedStableFunc(slices.Values(p.Results), byPlaneAndID)
	for i, e := range entries {
		if i == 0 {
			line("checks:")
		}
		if i == 0 || entries[i-1].Plane != e.Plane {
			line("  %s:", scalar(e.Plane))
		}
		line("    %s: {%s}", scalar(e.ID), e.fields())
	}
	return b.String()
}

// fields are the entry's, those that are empty left out.
func (e CheckResult) fields() string {
	parts := []string{"result: " + scalar(string(e.Result))}
	for _, f := range []struct{ name, text string }{{"outcome", e.Outcome}, {"at", e.At}, {"reason", e.Reason}} {
		if f.text != "" {
			parts = append(parts, f.name+": "+scalar(f.text))
		}
	}
	return strings.Join(parts, ", ")
}

var (
	// plain finds texts that YAML reads as they stand, also between braces. Whatever could be read in two ways is quoted.
	plain = regexp.MustCompile(`^(?:\d+ )?[A-Za-z](?:[A-Za-z0-9 ._/()'…-]*[A-Za-z0-9.)…])?$`)
	// version finds those of Nomad: with two points, they are no numbers.
	version = regexp.MustCompile(`^\d+\.\d+\.\d+(?:[-+][A-Za-z0-9.+-]*[A-Za-z0-9])?$`)
	// word finds what YAML takes for something else than a text.
	word = regexp.MustCompile(`(?i)^(?:true|false|yes|no|on|off|y|n|null)$`)
	// literal finds values that mean in YAML what they mean in HCL.
	literal = regexp.MustCompile(`^(?:true|false|0|[1-9]\d{0,14})$`)
	// single finds texts that need no escapes within single quotes, of which HCL's own strings are the most.
	single = regexp.MustCompile(`^[ -&(-~]*$`)
)

// scalar is a text as YAML reads it.
func scalar(text string) string {
	switch {
	case plain.MatchString(text) && !word.MatchString(text), version.MatchString(text):
		return text
	case single.MatchString(text) && strings.Contains(text, `"`):
		return "'" + text + "'"
	default:
		return strconv.Quote(text)
	}
}

// value is a setting's.
func value(text string) string {
	if literal.MatchString(text) {
		return text
	}
	return scalar(text)
}

// isVerdict says whether a lock may hold the result.
func isResult(v finding.Result) bool { return v.Rank() >= 0 }
