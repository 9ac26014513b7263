package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// JUnit writes the report as JUnit XML. It has a suite for each plane, one for the matrix and one for changes, with a test
// case for each check at each node, each cell, and each change. What fails and what is weaker is a failure; what is
// inconclusive or unclear is an error. The form is what Jenkins' junit-10.xsd allows, which is the strictest of those in
// use: no properties in test cases, no total of skipped ones. JUnit returns the writer's error.
func JUnit(w io.Writer, r finding.Report) error {
	v := newView(r)
	all := suites{Name: v.subject(), Time: inSeconds(v.Took)}
	for _, p := range v.Planes {
		all.add(v.suiteOf(p))
	}
	if v.Matrix != nil {
		all.add(v.suiteOfMatrix())
	}
	if v.Comparison != nil {
		all.add(v.suiteOfChanges())
	}
	encoded, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report as JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(encoded)+"\n"); err != nil {
		return fmt.Errorf("write report as JUnit XML: %w", err)
	}
	return nil
}

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr,omitempty"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
	took       time.Duration
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Name      string   `xml:"name,attr"`
	Classname string   `xml:"classname,attr"`
	Time      string   `xml:"time,attr"`
	Skipped   *problem `xml:"skipped"`
	Error     *problem `xml:"error"`
	Failure   *problem `xml:"failure"`
	Out       string   `xml:"system-out,omitempty"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// add appends a suite and counts its test cases.
func (s *suites) add(one suite) {
	one.Time = inSeconds(one.took)
	s.Tests += one.Tests
	s.Failures += one.Failures
	s.Errors += one.Errors
	s.Suites = append(s.Suites, one)
}

// add appends a test case with a result and counts it.
func (s *suite) add(name string, result finding.Result, p problem, out string, took time.Duration) {
	c := testcase{Name: name, Classname: "nomadlab." + s.Name, Time: inSeconds(took), Out: out}
	s.took += took
	s.Tests++
	switch result {
	case finding.Fail:
		s.Failures++
		c.Failure = &p
	case finding.Inconclusive:
		s.Errors++
		c.Error = &p
	case finding.Skipped:
		s.Skipped++
		c.Skipped = &problem{Message: p.Message}
	case finding.Pass:
	}
	s.Cases = append(s.Cases, c)
}

func (v view) newSuite(name string, properties ...property) suite {
	c := v.Cluster
	s := suite{Name: name}
	if !v.Started.IsZero() {
		s.Timestamp = v.Started.UTC().Format("2006-01-02T15:04:05") // without a zone: some readers refuse one
	}
	s.Properties = append(s.Properties, property{"cluster", c.Name})
	if c.Nomad != "" {
		s.Properties = append(s.Properties, property{"nomad", c.Nomad})
	}
	if c.Engine != "" {
		s.Properties = append(s.Properties, property{"engine", c.Engine})
	}
	s.Properties = append(s.Properties, properties...)
	return s
}

func (v view) suiteOf(p plane) suite {
	s := v.newSuite(p.Name)
	for _, c := range p.Checks {
		for _, f := range c.At {
			message := f.Reason
			if f.Known != "" {
				message += " (known: " + f.Known + ")"
			}
			text := namedLines(
				detail{"check", f.Title}, detail{"wanted", oneOf(f.Want)}, detail{"seen", f.Outcome}, detail{"control", f.Control},
				detail{"known", f.Known}, detail{"why", f.Why}, detail{"rests on", v.restsOn(f)},
			)
			s.add(c.ID+" at "+f.Node, f.Result, problem{message, f.Severity, "\n" + text}, evidenceText(f.Evidence), f.Took)
		}
	}
	return s
}

func (v view) suiteOfMatrix() suite {
	s := v.newSuite("matrix", property{"node", v.Matrix.Node})
	for _, r := range v.Matrix.Rows {
		for _, c := range r.Cells {
			var took time.Duration
			for _, e := range c.Evidence {
				took += e.Took
			}
			text := fmt.Sprintf("\nat: %s\nwanted: %s\nseen: %s\n", v.serversOf(c), c.Want, c.Outcome)
			s.add(r.Certificate+" at "+c.Endpoint, c.Result, problem{Message: c.Reason, Text: text}, evidenceText(c.Evidence), took)
		}
	}
	return s
}

// suiteOfChanges has a test case for each change. If nothing has changed, it has one that passes, because a suite without
// test cases would not be seen.
func (v view) suiteOfChanges() suite {
	s := v.newSuite("changes", property{"with", v.since()})
	for _, setting := range v.Comparison.Settings {
		s.Properties = append(s.Properties, property{"setting", setting.String()})
	}
	if note := v.Comparison.Note; note != "" {
		s.Properties = append(s.Properties, property{"note", note})
	}
	changes := v.changes()
	if len(changes) == 0 {
		s.add(v.nothingChanged(v.since()), finding.Pass, problem{}, "", 0)
	}
	for _, c := range changes {
		p := problem{Message: string(c.Direction) + ": " + changedHow(c), Type: c.Severity, Text: "\n" + namedLines(
			detail{"check", c.Title}, detail{"plane", c.Plane},
			detail{"before", stateWords(c.Before)}, detail{"because", c.Before.Reason},
			detail{"now", stateWords(c.After)}, detail{"because", c.After.Reason},
			detail{"most likely by", mostLikely(c)},
		)}
		out := ""
		if c.Direction == finding.Stronger {
			out = p.Message + p.Text
		}
		s.add(c.ID, resultLike(c.Direction), p, out, 0)
	}
	return s
}

// namedLines writes the texts that are not empty, one on each line.
func namedLines(all ...detail) string {
	var b strings.Builder
	for _, line := range all {
		if line.Text != "" {
			_, _ = fmt.Fprintf(&b, "%s: %s\n", line.Name, line.Text)
		}
	}
	return b.String()
}

// evidenceText writes evidence as plain text.
func evidenceText(all []finding.Evidence) string {
	var b strings.Builder
	for _, e := range all {
		_, _ = fmt.Fprintf(&b, "%s: %s\n", e.Part, heading(e))
		for _, d := range details(e) {
			_, _ = fmt.Fprintf(&b, "    %s: %s\n", d.Name, d.Text)
		}
	}
	return b.String()
}

// inSeconds formats a duration as JUnit wants it.
func inSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
