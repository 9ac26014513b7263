package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"nomadlab.internal/lab/finding"
)

// cleanReport is a copy of the report whose texts are one line each and hold nothing that a terminal, a browser or an
// XML reader acts on: an agent's answer may hold anything. Verdicts that are none become NotCarriedOut, as a Summary
// counts them.
func cleanReport(r finding.Report) finding.Report {
	r.Cluster.Name, r.Cluster.Nomad, r.Cluster.Engine = clean(r.Cluster.Name), clean(r.Cluster.Nomad), clean(r.Cluster.Engine)
	r.Cluster.Nodes = each(r.Cluster.Nodes, cleanNode)
	r.Cluster.Certificates = each(r.Cluster.Certificates, cleanCertificate)
	r.Findings = each(r.Findings, cleanFinding)
	if r.Matrix == nil {
		return r
	}
	r.Matrix = &finding.Matrix{
		Node: clean(r.Matrix.Node), Entries: each(r.Matrix.Entries, clean), Rows: each(r.Matrix.Rows, cleanRow),
	}
	return r
}

func cleanNode(n finding.Node) finding.Node {
	cleanAll(&n.Name, &n.Role, &n.Region, &n.Address, &n.HTTP, &n.RPC, &n.State)
	return n
}

func cleanCertificate(c finding.Certificate) finding.Certificate {
	cleanAll(&c.Holder, &c.Subject, &c.Issuer, &c.Key)
	c.Names = each(c.Names, clean)
	return c
}

func cleanFinding(f finding.Finding) finding.Finding {
	cleanAll(&f.ID, &f.Title, &f.Plane, &f.Kind, &f.Severity, &f.Node, &f.Control, &f.Known, &f.Outcome, &f.Reason, &f.Why)
	f.Want, f.Evidence, f.Verdict = each(f.Want, clean), each(f.Evidence, cleanEvidence), known(f.Verdict)
	return f
}

func cleanEvidence(e finding.Evidence) finding.Evidence {
	e.Part = finding.Part(clean(string(e.Part)))
	cleanAll(&e.Did, &e.Outcome, &e.Sent, &e.Received, &e.TLSVersion, &e.CipherSuite, &e.ServerCertificate, &e.Error)
	e.Lines = each(e.Lines, clean)
	return e
}

func cleanRow(r finding.MatrixRow) finding.MatrixRow {
	cleanAll(&r.Certificate, &r.Title)
	r.Cells = each(r.Cells, func(c finding.Cell) finding.Cell {
		cleanAll(&c.Entry, &c.Want, &c.Outcome, &c.Reason)
		c.Evidence, c.Verdict = each(c.Evidence, cleanEvidence), known(c.Verdict)
		return c
	})
	return r
}

// known is the verdict, or NotCarriedOut for what is none.
func known(v finding.Verdict) finding.Verdict {
	if slices.Contains([]finding.Verdict{finding.Held, finding.Broken, finding.Skipped}, v) {
		return v
	}
	return finding.NotCarriedOut
}

func each[T any](in []T, do func(T) T) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = do(v)
	}
	return out
}

func cleanAll(texts ...*string) {
	for _, t := range texts {
		*t = clean(*t)
	}
}

// clean makes white space a space, and spells out what is not to be seen: control characters, escape sequences, marks
// that turn the direction of writing, bytes that are no UTF-8.
func clean(t string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(t, "\ufffd") {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return strings.TrimSpace(b.String())
}
