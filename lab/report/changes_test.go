package report_test

import (
	"encoding/xml"
	"fmt"
	"html"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// unchanged is the sample after a comparison that found nothing.
func unchanged(t *testing.T) finding.Report {
	r := sample(t)
	r.Comparison = &finding.Comparison{With: "posture.lock.yaml"}
	return r
}

func TestEveryFormatSaysThatNothingHasChanged(t *testing.T) {
	text := written(t, unchanged(t), asText(report.TextOptions{}))
	if !strings.HasPrefix(text, "nothing has changed since posture.lock.yaml\n\nlab sample: ") || strings.Contains(text, "CHANGED") {
		t.Errorf("text begins with %q", text[:60])
	}
	if got := written(t, unchanged(t), report.Markdown); !strings.Contains(got, "Nothing has changed since `posture.lock.yaml`") || strings.Contains(got, "weaker") {
		t.Error("Markdown does not say it")
	}
	var got counted
	if err := xml.Unmarshal([]byte(written(t, unchanged(t), report.JUnit)), &got); err != nil {
		t.Fatal(err)
	}
	last := got.Suites[len(got.Suites)-1]
	if last.Name != "changes" || last.Tests != 1 || last.Failures+last.Errors+last.Skipped != 0 || last.Cases[0].Name != "nothing has changed since posture.lock.yaml" {
		t.Errorf("JUnit has the suite %+v", last)
	}
}

// TestEveryFormatListsSettingsThatDiffer: every format lists them even if no check has changed, because a setting on which no
// check rests may matter.
func TestEveryFormatListsSettingsThatDiffer(t *testing.T) {
	r := unchanged(t)
	r.Comparison.Note = "modes fail here"
	r.Comparison.Settings = []finding.SettingChange{{Role: "server", Path: "limits.a", Before: "1", File: "server.hcl", Line: 5}}
	for _, f := range report.Formats() {
		got := html.UnescapeString(written(t, r, f.Write))
		for _, word := range []string{"limits.a", "server.hcl", "modes fail here"} {
			if !strings.Contains(got, word) {
				t.Errorf("%s does not say %q", f.Name, word)
			}
		}
		if strings.Contains(strings.ToLower(got), "nothing has changed") {
			t.Errorf("%s says that nothing has changed", f.Name)
		}
	}
}

// TestNoFormatMentionsWhatIsAbsent: a report without a comparison and a configuration does not mention either.
func TestNoFormatMentionsWhatIsAbsent(t *testing.T) {
	r := sample(t)
	r.Comparison, r.Configuration = nil, nil
	for _, f := range everyFormat() {
		got := written(t, r, f.Write)
		for _, word := range []string{"weaker", "posture.lock.yaml", "nothing has changed", "tls.hcl", "as they stand", "(not set)", `id="changes"`, `id="configuration"`} {
			if strings.Contains(got, word) {
				t.Errorf("%s says %q", f.Name, word)
			}
		}
	}
}

// TestTextOfMuchThatHasChanged: of a long list the worst are shown in full, and the rest in a line each.
func TestTextOfMuchThatHasChanged(t *testing.T) {
	r := finding.Report{Comparison: &finding.Comparison{With: "old"}}
	for i := range 20 {
		r.Comparison.Changes = append(r.Comparison.Changes, finding.Change{
			ID: fmt.Sprintf("check-%d", i), Title: "it matters", Plane: "RPC", Severity: "low", Direction: finding.Stronger,
		})
	}
	r.Comparison.Changes[19].Direction = finding.Weaker
	got, verbose := written(t, r, asText(report.TextOptions{})), written(t, r, asText(report.TextOptions{Verbose: true}))
	if strings.Count(got, "it matters") != 8 || strings.Count(verbose, "it matters") != 20 {
		t.Errorf("%d are shown in full, %d if verbose", strings.Count(got, "it matters"), strings.Count(verbose, "it matters"))
	}
	for i := range 20 {
		if !strings.Contains(got, fmt.Sprintf("check-%d\n", i)) {
			t.Errorf("check-%d is not there", i)
		}
	}
	if at := strings.Index(got, "check-19"); at > strings.Index(got, "check-0\n") {
		t.Error("what is weaker does not come first")
	}
	page := written(t, r, report.HTML)
	if before, after, folds := strings.Cut(page, "<summary>12 more that have changed</summary>"); !folds ||
		strings.Count(before, `<li class="card change`) != 8 || strings.Count(after, `<li class="card change`) != 12 {
		t.Error("the page does not fold the rest away")
	}
}

func TestTextShowsWhatBecameOfEachLine(t *testing.T) {
	short := written(t, sample(t), asText(report.TextOptions{Width: 200}))
	verbose := written(t, sample(t), asText(report.TextOptions{Width: 200, Verbose: true}))
	for _, r := range sample(t).Configuration.Replaced {
		for _, got := range []string{short, verbose} {
			if !strings.Contains(got, r.Setting) || !strings.Contains(got, r.Because) {
				t.Errorf("%s, %s is not there:\n%s", r.Setting, r.Because, got)
			}
		}
	}
	for _, want := range []string{
		"    nomad.d/server.hcl:2  data_dir  \"/opt/nomad/data\" became \"/nomad/data\"\n",
		"    nomad.d/server.hcl:6  bind_addr  \"10.0.0.5\" was taken out\n",
		"    clients  leave_on_terminate  false was added\n",
		"    nomad.d/tls.hcl:7  tls.ca_file  ",
	} {
		if strings.Count(verbose, want) != 1 {
			t.Errorf("verbose: %q is not there once", want)
		}
	}
	few := sample(t)
	few.Configuration.Replaced = few.Configuration.Replaced[:3]
	if got := written(t, few, asText(report.TextOptions{})); !strings.Contains(got, "bind_addr  \"10.0.0.5\" was taken out\n") {
		t.Error("a few lines are not shown in full")
	}
}

func TestConfigurationInWords(t *testing.T) {
	line := finding.Replaced{Role: "server", File: "a.hcl", Line: 1, Setting: "a", Was: "1", Became: "2", Because: "so"}
	again, other, added := line, line, finding.Replaced{Role: "server", Setting: "b", Became: "3", Because: "so"}
	again.Role, other.Line = "client", 2
	for want, replaced := range map[string][]finding.Replaced{
		"configuration  every line was used as it stands\n":                      nil,
		"configuration  every line was used as it stands, 1 setting was added\n": {added},
		"configuration  1 line was not used as it stands\n":                      {line, again},
		"configuration  2 lines were not used as they stand, 1 was added\n":      {line, other, added},
	} {
		r := finding.Report{Configuration: &finding.Configuration{Replaced: replaced}}
		if got := written(t, r, asText(report.TextOptions{})); !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}
