package report

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
)

// detail is one line about a piece of evidence: what it is about, and what was seen.
type detail struct{ name, text string }

// heading is what was done, and what came of it.
func heading(e finding.Evidence) string {
	t := e.Did
	if e.Outcome != "" {
		t += ": " + e.Outcome
	}
	if e.Took > 0 {
		t += " (" + seconds(e.Took) + ")"
	}
	return t
}

// details are what else is known about a piece of evidence, without what is empty.
func details(e finding.Evidence) []detail {
	all := []detail{
		{"sent", e.Sent}, {"received", e.Received}, {"TLS", strings.TrimSpace(e.TLSVersion + " " + e.CipherSuite)},
		{"presented", e.ServerCertificate}, {"error", e.Error},
	}
	var out []detail
	for _, d := range all {
		if d.text != "" {
			out = append(out, d)
		}
	}
	for _, l := range e.Lines {
		out = append(out, detail{"log", l})
	}
	return out
}

// evidenceText is evidence as plain text, a line each.
func evidenceText(all []finding.Evidence) string {
	var b strings.Builder
	for _, e := range all {
		_, _ = fmt.Fprintf(&b, "%s: %s\n", e.Part, heading(e))
		for _, d := range details(e) {
			_, _ = fmt.Fprintf(&b, "    %s: %s\n", d.name, d.text)
		}
	}
	return b.String()
}
