package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// JUnit writes the report as JUnit XML: a suite for each plane, one for the matrix, and one for what has changed; a test
// case for each check at each node, for each cell, and for each change. A broken promise and a change that makes weaker are
// failures; what was not carried out, and a change of which it cannot be told, are errors. The form is what
// Jenkins' junit-10.xsd allows, which is the strictest of those in use: no properties in test cases, no count of skipped
// ones over all. Its error is the writer's.
func JUnit(w io.Writer, r finding.Report) error {
	v := newView(r)
	all := suites{Name: v.subject(), Time: inSeconds(v.report.Took)}
	for _, p := range v.planes {
		all.add(v.suiteOf(p))
	}
	if v.report.Matrix != nil {
		all.add(v.suiteOfMatrix())
	}
	if v.report.Comparison != nil {
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
	Name      string  `xml:"name,attr"`
	Classname string  `xml:"classname,attr"`
	Time      string  `xml:"time,attr"`
	Skipped   *result `xml:"skipped"`
	Error     *result `xml:"error"`
	Failure   *result `xml:"failure"`
	Out       string  `xml:"system-out,omitempty"`
}

type result struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// add counts a suite in.
func (s *suites) add(one suite) {
	one.Time = inSeconds(one.took)
	s.Tests += one.Tests
	s.Failures += one.Failures
	s.Errors += one.Errors
	s.Suites = append(s.Suites, one)
}

// add counts a test case in.
func (s *suite) add(c testcase, took time.Duration) {
	c.Time = inSeconds(took)
	s.took += took
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (v view) newSuite(name string) suite {
	c := v.report.Cluster
	s := suite{Name: name, Properties: []property{{"cluster", c.Name}}}
	if !v.report.Started.IsZero() {
		s.Timestamp = v.report.Started.UTC().Format("2006-01-02T15:04:05") // without a zone: some readers refuse one
	}
	if c.Nomad != "" {
		s.Properties = append(s.Properties, property{"nomad", c.Nomad})
	}
	if c.Engine != "" {
		s.Properties = append(s.Properties, property{"engine", c.Engine})
	}
	return s
}

func (v view) suiteOf(p plane) suite {
	s := v.newSuite(p.name)
	for _, c := range p.checks {
		for _, f := range c.at {
			t := testcase{Name: c.ID + " at " + f.Node, Classname: "nomadlab." + p.name, Out: evidenceText(f.Evidence)}
			t.judge(f.Result, f.Severity, f.Reason, f.Known, v.junitText(f))
			s.add(t, f.Took)
		}
	}
	return s
}

func (v view) suiteOfMatrix() suite {
	m := v.report.Matrix
	s := v.newSuite("matrix")
	s.Properties = append(s.Properties, property{"node", m.Node})
	for _, r := range m.Rows {
		for _, c := range r.Cells {
			t := testcase{Name: r.Certificate + " at " + c.Endpoint, Classname: "nomadlab.matrix", Out: evidenceText(c.Evidence)}
			t.judge(c.Result, "", c.Reason, "", fmt.Sprintf("at: %s\nwanted: %s\nseen: %s\n", serversOf(m, c), c.Want, c.Outcome))
			var took time.Duration
			for _, e := range c.Evidence {
				took += e.Took
			}
			s.add(t, took)
		}
	}
	return s
}

// judge turns a result into what a CI system counts.
func (t *testcase) judge(v finding.Result, severity, reason, known, text string) {
	if known != "" {
		reason += " (known: " + known + ")"
	}
	r := &result{Message: reason, Type: severity, Text: "\n" + text}
	switch v {
	case finding.Pass:
	case finding.Skipped:
		t.Skipped = &result{Message: reason}
	case finding.Fail:
		t.Failure = r
	default:
		t.Error = r
	}
}

func (v view) junitText(f finding.Finding) string {
	return namedLines(
		detail{"promise", f.Title}, detail{"wanted", oneOf(f.Want)}, detail{"seen", f.Outcome}, detail{"control", f.Control},
		detail{"known", f.Known}, detail{"why", f.Why}, detail{"rests on", v.restsOn(f)},
	)
}

// namedLines are texts, a line each, without those that are empty.
func namedLines(all ...detail) string {
	var b strings.Builder
	for _, line := range all {
		if line.text != "" {
			_, _ = fmt.Fprintf(&b, "%s: %s\n", line.name, line.text)
		}
	}
	return b.String()
}

// inSeconds is a time as JUnit wants it.
func inSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
