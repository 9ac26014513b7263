package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"nomadlab.internal/lab/finding"
)

// cleanReport is a copy of the report whose texts are one line each and hold nothing that a terminal, a browser or an
// XML reader acts on: an agent's answer may hold anything, and so may a user's file. Results that are none become
// NotCarriedOut, as a Summary counts them, and ways that are none Unclear.
func cleanReport(r finding.Report) finding.Report {
	r.Cluster.Name, r.Cluster.Nomad, r.Cluster.Engine = clean(r.Cluster.Name), clean(r.Cluster.Nomad), clean(r.Cluster.Engine)
	r.Cluster.Nodes = each(r.Cluster.Nodes, cleanNode)
	r.Cluster.Certificates = each(r.Cluster.Certificates, cleanCertificate)
	r.Notes = each(r.Notes, clean)
	r.Findings = each(r.Findings, cleanFinding)
	if m := r.Matrix; m != nil {
		r.Matrix = &finding.Matrix{Node: clean(m.Node), Nodes: each(m.Nodes, clean), Endpoints: each(m.Endpoints, clean), Rows: each(m.Rows, cleanRow)}
	}
	if c := r.Configuration; c != nil {
		r.Configuration = cleanConfiguration(*c)
	}
	if c := r.Comparison; c != nil {
		r.Comparison = &finding.Comparison{
			With: clean(c.With), Note: clean(c.Note), Changes: each(c.Changes, cleanChange), Settings: each(c.Settings, cleanSetting),
		}
	}
	return r
}

func cleanConfiguration(c finding.Configuration) *finding.Configuration {
	c.Files = each(c.Files, func(f finding.ConfigurationFile) finding.ConfigurationFile {
		cleanAll(&f.Role, &f.Path)
		return f
	})
	cleanSetting := func(s finding.Setting) finding.Setting {
		cleanAll(&s.Role, &s.Path, &s.Value, &s.File)
		return s
	}
	c.Settings, c.Others = each(c.Settings, cleanSetting), each(c.Others, cleanSetting)
	c.Replaced = each(c.Replaced, func(r finding.Replaced) finding.Replaced {
		cleanAll(&r.Role, &r.File, &r.Setting, &r.Was, &r.Became, &r.Because)
		return r
	})
	return &c
}

func cleanChange(c finding.Change) finding.Change {
	cleanAll(&c.ID, &c.Title, &c.Plane, &c.Severity, &c.Text, &c.Setting, &c.File)
	for _, s := range []*finding.State{&c.Before, &c.After} {
		cleanAll(&s.Outcome, &s.Reason)
		s.Result = knownState(s.Result)
	}
	c.Direction = knownWay(c.Direction)
	return c
}

func cleanSetting(s finding.SettingChange) finding.SettingChange {
	cleanAll(&s.Role, &s.Path, &s.Before, &s.After, &s.File)
	return s
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
	f.Want, f.Evidence, f.Result = each(f.Want, clean), each(f.Evidence, cleanEvidence), known(f.Result)
	f.Settings = each(f.Settings, clean)
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
		cleanAll(&c.Endpoint, &c.Want, &c.Outcome, &c.Reason)
		c.Evidence, c.Result, c.At = each(c.Evidence, cleanEvidence), known(c.Result), each(c.At, clean)
		if c.Elsewhere != "" {
			c.Elsewhere = known(c.Elsewhere)
		}
		return c
	})
	return r
}

// known is the result, or NotCarriedOut for what is none.
func known(v finding.Result) finding.Result {
	if slices.Contains([]finding.Result{finding.Pass, finding.Fail, finding.Skipped}, v) {
		return v
	}
	return finding.Inconclusive
}

// knownState is the result of one side of a change, which is empty where the promise was not asked about.
func knownState(v finding.Result) finding.Result {
	if v == "" {
		return v
	}
	return known(v)
}

// knownWay is the way, or Unclear for what is none.
func knownWay(w finding.Direction) finding.Direction {
	if w == finding.Weaker || w == finding.Stronger {
		return w
	}
	return finding.Unclear
}

func each[T, R any](in []T, do func(T) R) []R {
	out := make([]R, len(in))
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
