package fit_test

import (
	"fmt"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// anyLabels are labels of every form that Nomad takes.
func anyLabels() []string {
	return []string{"data", "Data", "app/data", "2tb", "a:b", "a@b", "a+b", "a.b", "conf/etc", "x y", "ü", `say "x"`, `back\slash`, "-", ""}
}

// TestLabelsOfAnyForm: what a lab cannot have goes whatever its label is, in HCL and in JSON, with each reported, and what is left
// is what Nomad takes.
func TestLabelsOfAnyForm(t *testing.T) {
	for kind, body := range map[string]string{
		"client.host_volume": `path = "/etc"`, "client.host_network": `cidr = "10.0.0.0/8"`, "plugin": `args = ["a"]`, "keyring": `active = true`,
	} {
		for form, text := range written(kind, body) {
			t.Run(kind+" "+form, func(t *testing.T) {
				given := one(text)
				if err := given.Check(); err != nil {
					t.Fatalf("Nomad would not take it: %v\n%s", err, text)
				}
				place := client()
				if kind == "keyring" {
					place = server()
				}
				f := mustFit(t, given, place)
				if err := f.Files.Check(); err != nil {
					t.Errorf("Nomad would not take what is left: %v\n%s", err, f.Files[0].Text())
				}
				if left := f.Files.Labels(kind); len(left) > 0 {
					t.Errorf("%q are left of\n%s\nin\n%s", left, text, f.Files[0].Text())
				}
				told := map[string]bool{}
				for _, r := range f.Replaced {
					told[r.Setting] = true
				}
				for _, label := range anyLabels() {
					if at := kind + "." + agentconf.Path(label); !told[at] {
						t.Errorf("%s is not told of", at)
					}
				}
			})
		}
	}
	// The control: a driver of Nomad's own stays.
	f := mustFit(t, one(`plugin "docker" { config { allow_privileged = true } }`+"\n"+`plugin "Docker" { }`), client())
	if got := f.Files.Labels("plugin"); len(got) != 1 || got[0] != "docker" {
		t.Errorf("the plugins %q are left, want docker alone", got)
	}
}

// written is one block for each label, in every form that a file may have.
func written(kind, body string) map[string]string {
	block, name, nested := strings.Cut(kind, ".")
	if !nested {
		name = block
	}
	var hcl, members, elements []string
	json := strings.NewReplacer(` = `, `": `).Replace(`"` + body)
	for _, label := range anyLabels() {
		hcl = append(hcl, fmt.Sprintf("%s %q {\n  %s\n}", name, label, body))
		members = append(members, fmt.Sprintf("%q: {%s}", label, json))
		elements = append(elements, fmt.Sprintf("{%q: {%s}}", label, json))
	}
	around := func(text, before, after string) string {
		if !nested {
			return text
		}
		return before + text + after
	}
	out := map[string]string{
		"in HCL":           around(strings.Join(hcl, "\n"), block+" {\nenabled = true\n", "\n}"),
		"in a list":        "{" + around(fmt.Sprintf(`"%s": [%s]`, name, strings.Join(elements, ", ")), `"`+block+`": {"enabled": true, `, "}") + "}",
		"members, in list": "{" + around(fmt.Sprintf(`"%s": [{%s}]`, name, strings.Join(members, ", ")), `"`+block+`": {"enabled": true, `, "}") + "}",
	}
	return out
}
