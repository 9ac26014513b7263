package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// schemaOf compiles the published schema. Strict, it refuses fields that it does not describe, so that none goes
// undocumented; users' own validators stay open for fields that are added later.
func schemaOf(t *testing.T, strict bool) *jsonschema.Schema {
	t.Helper()
	const file = "../../docs/report-schema.json"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if strict {
		if err := c.AddResource(file, closed(readSchema(t, file))); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readSchema(t *testing.T, file string) any {
	t.Helper()
	doc, err := jsonschema.SchemeURLLoader{"file": jsonschema.FileLoader{}}.Load("file://" + absolute(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// closed adds additionalProperties: false wherever there are properties.
func closed(schema any) any {
	switch s := schema.(type) {
	case map[string]any:
		if _, object := s["properties"].(map[string]any); object && s["type"] == "object" {
			s["additionalProperties"] = false
		}
		for _, v := range s {
			closed(v)
		}
	case []any:
		for _, v := range s {
			closed(v)
		}
	}
	return schema
}

func asDocument(t *testing.T, encoded string) map[string]any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	doc, is := v.(map[string]any)
	if !is {
		t.Fatalf("it is no object: %T", v)
	}
	return doc
}

func TestJSONMatchesItsSchema(t *testing.T) {
	for name, r := range map[string]finding.Report{
		"sample": sample(t), "empty": {}, "hostile": hostile(), "matrix without rows": {Matrix: &finding.Matrix{}},
		"without wants":            {Findings: []finding.Finding{{ID: "a"}}},
		"nothing configured":       {Configuration: &finding.Configuration{}, Comparison: &finding.Comparison{}},
		"a change of no direction": {Comparison: &finding.Comparison{Changes: []finding.Change{{ID: "a", After: finding.State{Result: "passed"}}}}},
	} {
		for _, strict := range []bool{true, false} {
			if err := schemaOf(t, strict).Validate(asDocument(t, written(t, r, report.JSON))); err != nil {
				t.Errorf("%s, strict %v: %v", name, strict, err)
			}
		}
	}
}

// TestSchemaRefuses shows that the schema says something.
func TestSchemaRefuses(t *testing.T) {
	r := sample(t)
	r.Findings, r.Matrix.Rows = r.Findings[:1], r.Matrix.Rows[:1]
	small, open := written(t, r, report.JSON), schemaOf(t, false)
	if err := open.Validate(asDocument(t, small)); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	for name, damage := range map[string]func(map[string]any){
		"another schema":         func(d map[string]any) { d["schema"] = "nomadlab-report/1" },
		"no summary":             func(d map[string]any) { delete(d, "summary") },
		"a result that is no":    func(d map[string]any) { d["result"] = "passed" },
		"findings that are not":  func(d map[string]any) { d["findings"] = nil },
		"a finding without ID":   func(d map[string]any) { delete(first(d, "findings"), "id") },
		"a time in words":        func(d map[string]any) { d["started"] = "yesterday" },
		"a node without name":    func(d map[string]any) { delete(first(d["cluster"].(map[string]any), "nodes"), "name") },
		"a row without cells":    func(d map[string]any) { delete(first(d["matrix"].(map[string]any), "rows"), "cells") },
		"a direction of none":    func(d map[string]any) { change(d)["direction"] = "worse" },
		"a change without state": func(d map[string]any) { delete(change(d), "before") },
		"a state of no result":   func(d map[string]any) { change(d)["after"].(map[string]any)["result"] = "" },
		"a line in words":        func(d map[string]any) { change(d)["line"] = "twelve" },
		"a comparison with none": func(d map[string]any) { delete(d["comparison"].(map[string]any), "with") },
		"changes that are not":   func(d map[string]any) { d["comparison"].(map[string]any)["changes"] = nil },
		"a setting without path": func(d map[string]any) { delete(first(d["configuration"].(map[string]any), "settings"), "path") },
		"replaced for no reason": func(d map[string]any) { delete(first(d["configuration"].(map[string]any), "replaced"), "because") },
		"evidence without part":  func(d map[string]any) { delete(first(first(d, "findings"), "evidence"), "part") },
	} {
		doc := asDocument(t, small)
		damage(doc)
		if open.Validate(doc) == nil {
			t.Errorf("%s: the schema lets it pass", name)
		}
	}
	doc := asDocument(t, small)
	first(doc, "findings")["secret"] = "x"
	if schemaOf(t, true).Validate(doc) == nil || open.Validate(doc) != nil {
		t.Error("an undocumented field is to be refused by the strict schema, and by it alone")
	}
}

func first(d map[string]any, list string) map[string]any { return d[list].([]any)[0].(map[string]any) }

func change(d map[string]any) map[string]any {
	return first(d["comparison"].(map[string]any), "changes")
}

func TestJSONHasTheWholeReportAndItsCounts(t *testing.T) {
	var got struct {
		Schema  string
		Summary struct{ Checks, Findings, Matrix finding.Summary }
		finding.Report
	}
	d := json.NewDecoder(bytes.NewBufferString(written(t, sample(t), report.JSON)))
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(t), got.Report); diff != "" {
		t.Errorf("the report has changed (-want +got):\n%s", diff)
	}
	if got.Schema != "nomadlab-report/2" || got.Summary.Findings.Total() != len(got.Findings) {
		t.Errorf("schema %q, summary %+v of %d findings", got.Schema, got.Summary, len(got.Findings))
	}
	want := finding.Summary{Pass: 94, Fail: 3, Inconclusive: 1, Skipped: 4}
	if got.Summary.Checks != want {
		t.Errorf("checks: %+v, want %+v", got.Summary.Checks, want)
	}
	want = finding.Summary{Pass: 185, Fail: 2, Inconclusive: 1, Skipped: 1}
	if got.Summary.Matrix != want {
		t.Errorf("matrix: %+v, want %+v", got.Summary.Matrix, want)
	}
}
