package advisory_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/semver"

	"nomadlab.internal/lab/advisory"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

var update = flag.Bool("update", false, "write docs/advisories.md")

// TestVersionsOfTheBulletins compares with what the bulletins and the change log say of some versions.
func TestVersionsOfTheBulletins(t *testing.T) {
	for version, want := range map[string]string{
		"1.11.3":     "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-15 HCSEC-2026-14",
		"1.11.3+ent": "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-15 HCSEC-2026-14",
		"1.11.5":     "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19",
		"1.11.8":     "",
		"1.10.5":     "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-15 HCSEC-2026-14",
		"1.10.14":    "",
		"1.10.1":     "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-15 HCSEC-2026-14 HCSEC-2025-12",
		"1.9.7":      "HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-14 HCSEC-2025-12",
		"2.0.0":      "HCSEC-2026-22 HCSEC-2026-21 HCSEC-2026-19 HCSEC-2026-15 HCSEC-2026-14",
		"2.0.4":      "",
		"":           "", "newest": "",
	} {
		var got []string
		for _, a := range advisory.For(version) {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", version, diff)
		}
	}
}

// TestSummary: one sentence, with the versions of both editions where they differ.
func TestSummary(t *testing.T) {
	for version, want := range map[string]string{
		"1.11.3": "Nomad 1.11.3 is affected by HCSEC-2026-22, -21, -19, -15, -14: all are fixed in Community Edition 2.0.4 and Enterprise 1.11.8 (docs/advisories.md)",
		"2.0.3":  "Nomad 2.0.3 is affected by HCSEC-2026-22, -21, -19: all are fixed in 2.0.4 (docs/advisories.md)",
		"1.10.5": "Nomad 1.10.5 is affected by HCSEC-2026-22, -21, -19, -15, -14: all are fixed in Community Edition 2.0.4 and Enterprise 1.10.14 (docs/advisories.md)",
		"2.0.4":  "", "": "",
	} {
		if diff := cmp.Diff(want, advisory.Summary(version)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", version, diff)
		}
	}
}

// wrong returns what is wrong with a table, given the IDs of all checks.
func wrong(table []advisory.Advisory, checks []string) []string {
	var faults []string
	add := func(a advisory.Advisory, format string, args ...any) {
		faults = append(faults, a.ID+": "+fmt.Sprintf(format, args...))
	}
	number := regexp.MustCompile(`^(HCSEC-20\d\d-\d\d|CVE-20\d\d-\d{4,5})$`)
	seen := map[string]bool{}
	for _, a := range table {
		if !number.MatchString(a.ID) || !number.MatchString(a.CVE) || a.Title == "" || seen[a.ID] || seen[a.CVE] {
			add(a, "%s %q is no advisory of its own", a.CVE, a.Title)
		}
		seen[a.ID], seen[a.CVE] = true, true
		if (len(a.Checks) > 0) == (a.NotShown != "") {
			add(a, "it has neither checks nor a reason why none shows it, or both")
		}
		for _, id := range a.Checks {
			if !slices.Contains(checks, id) {
				add(a, "there is no check %s", id)
			}
		}
		if len(a.Sources) == 0 || slices.ContainsFunc(a.Sources, func(s string) bool { return !strings.HasPrefix(s, "https://") }) {
			add(a, "no source")
		}
		if len(a.Affected) == 0 || slices.Index(ids(table), a.ID) > 0 && len(a.Affected) == 0 {
			add(a, "no version")
		}
		for i, r := range a.Affected {
			if !semver.IsValid("v"+r.Fixed) || r.Since != "" && semver.Compare("v"+r.Since, "v"+r.Fixed) >= 0 {
				add(a, "no range: %s", r)
			}
			if i > 0 && (r.Since == "" || semver.Compare("v"+a.Affected[i-1].Fixed, "v"+r.Since) > 0) {
				add(a, "ranges that overlap, or in another order: %s", r)
			}
		}
		if a.Affected[len(a.Affected)-1].EnterpriseOnly {
			add(a, "no version of the Community Edition has it fixed")
		}
	}
	return faults
}

func ids(table []advisory.Advisory) []string {
	var out []string
	for _, a := range table {
		out = append(out, a.ID)
	}
	return out
}

func checks(t *testing.T) (ids []string, all []posture.Check) {
	t.Helper()
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		ids = append(ids, c.Spec().ID)
	}
	return ids, all
}

// TestTheTable: each advisory has versions, sources, and checks that there are or a reason.
func TestTheTable(t *testing.T) {
	known, _ := checks(t)
	if faults := wrong(advisory.All(), known); len(faults) > 0 {
		t.Errorf("%s", strings.Join(faults, "\n"))
	}
	good := advisory.All()[0]
	for name, change := range map[string]func(*advisory.Advisory){
		"no such check": func(a *advisory.Advisory) { a.Checks, a.NotShown = []string{"no-such-check"}, "" },
		"no check":      func(a *advisory.Advisory) { a.Checks, a.NotShown = nil, "" },
		"no source":     func(a *advisory.Advisory) { a.Sources = nil },
		"turned round":  func(a *advisory.Advisory) { a.Affected = []advisory.Range{{Since: "2.0.4", Fixed: "2.0.0"}} },
		"overlap": func(a *advisory.Advisory) {
			a.Affected = []advisory.Range{{Fixed: "2.0.0"}, {Since: "1.0.0", Fixed: "2.0.4"}}
		},
		"never fixed":      func(a *advisory.Advisory) { a.Affected = []advisory.Range{{Fixed: "2.0.0", EnterpriseOnly: true}} },
		"a number of ours": func(a *advisory.Advisory) { a.ID = "NL-1" },
	} {
		bad := good
		change(&bad)
		if len(wrong([]advisory.Advisory{bad}, known)) == 0 {
			t.Errorf("%s: nothing is found wrong", name)
		}
	}
}

// TestChecksNameTheirAdvisories: a check whose reason names a CVE of Nomad is among those that show it, and the other way round.
func TestChecksNameTheirAdvisories(t *testing.T) {
	_, all := checks(t)
	cited := map[string][]string{}
	for _, c := range all {
		for _, cve := range regexp.MustCompile(`CVE-\d+-\d+`).FindAllString(c.Spec().Why, -1) {
			if cve != "CVE-2013-0169" { // of TLS
				cited[cve] = append(cited[cve], c.Spec().ID)
			}
		}
	}
	shown := map[string][]string{}
	for _, a := range advisory.All() {
		if len(a.Checks) > 0 {
			shown[a.CVE] = a.Checks
		}
	}
	for _, sorted := range []map[string][]string{cited, shown} {
		for cve := range sorted {
			sorted[cve] = slices.Compact(slices.Sorted(slices.Values(sorted[cve])))
		}
	}
	if diff := cmp.Diff(cited, shown); diff != "" {
		t.Errorf("-named by checks +in the table:\n%s", diff)
	}
}

// page is docs/advisories.md, which TestAdvisoriesPage makes from the table.
const page = "../../docs/advisories.md"

// TestAdvisoriesPage: the page is what the table says. `go test ./lab/advisory -run TestAdvisoriesPage -update` writes it.
func TestAdvisoriesPage(t *testing.T) {
	made := pageOf(advisory.All())
	if *update {
		if err := os.WriteFile(page, []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(page)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), made); diff != "" {
		t.Errorf("docs/advisories.md (-written +made), `go test ./lab/advisory -run TestAdvisoriesPage -update` writes it:\n%s", diff)
	}
}

const head = `# Advisories

What is known to be wrong with versions of Nomad: the security bulletins from 0.10.3 on, as of August 2026. ` + "`nomadlab check` and `nomadlab\nstatus`" + ` say by which of them a cluster's versions are affected; the checks that are named here fail where one applies. The table is data of the
package ` + "`lab/advisory`" + `, and a test makes this page from it.

A range ends before the version that has it fixed. Where that was released for Nomad Enterprise alone, the Community Edition has the fix
in the next range's. Advisories of Enterprise features alone, of Go and of libraries are left out.

`

func pageOf(table []advisory.Advisory) string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString("| advisory | what can happen | affected | shown by | sources |\n| --- | --- | --- | --- | --- |\n")
	for _, a := range table {
		id := a.ID
		if a.CVE != a.ID {
			id += "<br>" + a.CVE
		}
		affected := make([]string, len(a.Affected))
		for i, r := range a.Affected {
			affected[i] = r.String()
		}
		shown := "not shown: " + a.NotShown
		if len(a.Checks) > 0 {
			shown = "`" + strings.Join(a.Checks, "`, `") + "`"
		}
		title := a.Title
		if a.Note != "" {
			title += ". " + strings.ToUpper(a.Note[:1]) + a.Note[1:] + "."
		}
		sources := make([]string, len(a.Sources))
		for i, s := range a.Sources {
			name := "bulletin"
			switch {
			case strings.Contains(s, "CHANGELOG"):
				name = "change log"
			case strings.Contains(s, "/vuln/"):
				name = s[strings.LastIndex(s, "/")+1:]
			case strings.Contains(s, "GHSA"):
				name = s[strings.LastIndex(s, "/")+1:]
			}
			sources[i] = "[" + name + "](" + s + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", id, title, strings.Join(affected, "<br>"), shown, strings.Join(sources, ", "))
	}
	return b.String()
}
