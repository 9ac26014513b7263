package report_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// grammar is what Jenkins' junit-10.xsd allows of what we write: an element's parents, the attributes that it must have,
// and those that it may have.
var grammar = map[string]struct{ in, must, may []string }{
	"testsuites": {[]string{""}, nil, []string{"name", "time", "tests", "failures", "errors"}},
	"testsuite": {
		[]string{"testsuites"},
		[]string{"name", "tests", "failures", "errors"}, []string{"time", "skipped", "timestamp", "hostname", "id", "package"},
	},
	"properties": {[]string{"testsuite"}, nil, nil},
	"property":   {[]string{"properties"}, []string{"name", "value"}, nil},
	"testcase":   {[]string{"testsuite"}, []string{"name"}, []string{"time", "classname"}},
	"skipped":    {[]string{"testcase"}, nil, []string{"type", "message"}},
	"error":      {[]string{"testcase"}, nil, []string{"type", "message"}},
	"failure":    {[]string{"testcase"}, nil, []string{"type", "message"}},
	"system-out": {[]string{"testcase"}, nil, nil},
}

var numbers = map[string]*regexp.Regexp{
	"time":  regexp.MustCompile(`^[0-9]+\.[0-9]{3}$`),
	"tests": regexp.MustCompile(`^[0-9]+$`), "failures": regexp.MustCompile(`^[0-9]+$`),
	"errors": regexp.MustCompile(`^[0-9]+$`), "skipped": regexp.MustCompile(`^[0-9]+$`),
}

// faults returns what a reader of JUnit XML would reject.
func faults(document string) (out []string) {
	d := xml.NewDecoder(strings.NewReader(document))
	path := []string{""}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return append(out, err.Error())
		}
		switch e := token.(type) {
		case xml.StartElement:
			out = append(out, elementFaults(e, path[len(path)-1])...)
			path = append(path, e.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

func elementFaults(e xml.StartElement, parent string) (out []string) {
	rule, known := grammar[e.Name.Local]
	if !known || !slices.Contains(rule.in, parent) {
		return []string{fmt.Sprintf("%s in %q", e.Name.Local, parent)}
	}
	have := map[string]string{}
	for _, a := range e.Attr {
		have[a.Name.Local] = a.Value
		if !slices.Contains(slices.Concat(rule.must, rule.may), a.Name.Local) {
			out = append(out, fmt.Sprintf("%s has an attribute %s", e.Name.Local, a.Name.Local))
		}
		if form := numbers[a.Name.Local]; form != nil && !form.MatchString(a.Value) {
			out = append(out, fmt.Sprintf("%s: %s is %q", e.Name.Local, a.Name.Local, a.Value))
		}
	}
	for _, name := range rule.must {
		if _, has := have[name]; !has {
			out = append(out, fmt.Sprintf("%s has no attribute %s", e.Name.Local, name))
		}
	}
	return out
}

func TestJUnitIsWhatReadersAccept(t *testing.T) {
	for name, r := range map[string]finding.Report{"sample": sample(t), "empty": {}, "hostile": hostile(), "long": long()} {
		if found := faults(written(t, r, report.JUnit)); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
	}
	for _, document := range []string{
		`<testsuites><testcase name="a"/></testsuites>`, `<testsuites skipped="1"/>`, `<testsuites time="1s"/>`,
		`<testsuites><testsuite name="a" tests="1" failures="0"/></testsuites>`, `<testsuites>`,
		`<testsuites><testsuite name="a" tests="1" failures="0" errors="0"><testcase name="a"><properties/></testcase></testsuite></testsuites>`,
	} {
		if len(faults(document)) == 0 {
			t.Errorf("no fault is seen in %s", document)
		}
	}
}

// counted is what a CI system reads.
type counted struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
			Out string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnitCounts(t *testing.T) {
	r := sample(t)
	var got counted
	if err := xml.Unmarshal([]byte(written(t, r, report.JUnit)), &got); err != nil {
		t.Fatal(err)
	}
	var cells []finding.Finding
	for _, row := range r.Matrix.Rows {
		for _, c := range row.Cells {
			cells = append(cells, finding.Finding{Result: c.Result})
		}
	}
	changes := []finding.Finding{ // as failures, errors, and what passes
		{Result: finding.Fail}, {Result: finding.Fail}, {Result: finding.Inconclusive}, {Result: finding.Inconclusive}, {Result: finding.Pass},
	}
	want := finding.Summarize(slices.Concat(r.Findings, cells, changes))
	if got.Tests != want.Total() || got.Failures != want.Fail || got.Errors != want.Inconclusive {
		t.Errorf("%d tests, %d failures, %d errors, want %s", got.Tests, got.Failures, got.Errors, want)
	}
	weaker := got.Suites[len(got.Suites)-1].Cases[0]
	if weaker.Name != "rpc-refuses-plaintext" || weaker.Failure == nil ||
		weaker.Failure.Message != "weaker: was refused in the handshake, is now accepted" ||
		!strings.Contains(weaker.Failure.Text, "\nmost likely by: tls.rpc, nomad.d/tls.hcl:3\n") {
		t.Errorf("the worst change is %+v", weaker)
	}
	var names []string
	for _, s := range got.Suites {
		names = append(names, s.Name)
		var failures, errs, skipped int
		for _, c := range s.Cases {
			switch {
			case c.Failure != nil:
				failures++
			case c.Error != nil:
				errs++
			case c.Skipped != nil:
				skipped++
				if c.Skipped.Message == "" {
					t.Errorf("%s is skipped without a reason", c.Name)
				}
			}
			if c.Skipped == nil && s.Name != "changes" && !strings.Contains(c.Out, "control before: ") {
				t.Errorf("%s has no evidence: %q", c.Name, c.Out)
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != errs || s.Skipped != skipped {
			t.Errorf("%s counts %d, %d, %d, %d; there are %d, %d, %d, %d", s.Name,
				s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases), failures, errs, skipped)
		}
		if took, err := strconv.ParseFloat(s.Time, 64); err != nil || took <= 0 && s.Name != "changes" || took > 10 {
			t.Errorf("%s took %q s: %v", s.Name, s.Time, err)
		}
	}
	if want := []string{"HTTP", "RPC", "Raft", "gossip", "network", "matrix", "changes"}; !slices.Equal(names, want) {
		t.Errorf("suites are %q, want %q", names, want)
	}
}
