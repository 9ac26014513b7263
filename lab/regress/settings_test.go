package regress_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf/model"
	"nomadlab.internal/lab/agentconf/settings"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress"
)

// meaning is what a setting decides of security: the checks that rest on it, tried on a lab or looked at in the files.
type meaning struct{ tried, looked []string }

// listener is in the place of a check for what decides where agents listen.
const listener = "who can connect, compared by lock and diff"

// meanings are those of all settings, by path. Its faults are settings of checks that the table does not have.
func meanings(t *testing.T, table settings.Table) (of map[string]meaning, faults []string) {
	t.Helper()
	of = map[string]meaning{}
	add := func(id, setting string, tried bool) {
		rows := rowsOf(table, setting)
		if len(rows) == 0 {
			faults = append(faults, fmt.Sprintf("%s rests on %s, which the table does not have", id, setting))
		}
		for _, s := range rows {
			m := of[s.Path()]
			if tried {
				m.tried = append(m.tried, id)
			} else {
				m.looked = append(m.looked, id)
			}
			of[s.Path()] = m
		}
	}
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		for _, setting := range c.Spec().Settings {
			add(c.Spec().ID, setting, true)
		}
	}
	files, ofSecrets := regress.FileSettings()
	for _, s := range table {
		if s.Secret != "" && s.Secret != settings.ByName {
			for _, id := range ofSecrets {
				files[id] = append(files[id], s.Path())
			}
		}
	}
	for id, paths := range files {
		slices.Sort(paths)
		for _, setting := range slices.Compact(paths) {
			add(id, setting, false)
		}
	}
	for _, setting := range regress.ListenSettings() {
		add(listener, setting, false)
	}
	for _, m := range of {
		slices.Sort(m.tried)
		slices.Sort(m.looked)
	}
	return of, faults
}

// name is one of a path: in quotes, or up to the next dot.
var name = regexp.MustCompile(`"[^"]*"|[^.]+`)

// rowsOf are the rows that a check's setting stands for: its own, that of a map's key, or all of a block.
func rowsOf(table settings.Table, setting string) []settings.Setting {
	var names []string
	for _, n := range name.FindAllString(setting, -1) {
		names = append(names, strings.Trim(n, `"`))
	}
	if s, ok := table.Find(names); ok {
		return []settings.Setting{s}
	}
	var out []settings.Setting
	for _, s := range table {
		if len(s.Names) > len(names) && slices.Equal(s.Names[:len(names)], names) {
			out = append(out, s)
		}
	}
	return out
}

// wrongMeanings are the settings that have neither checks nor a reason, or both.
func wrongMeanings(table settings.Table, of map[string]meaning) []string {
	var faults []string
	for _, s := range table {
		m := of[s.Path()]
		switch has := len(m.tried)+len(m.looked) > 0; {
		case !has && s.NoMeaning == "":
			faults = append(faults, s.Path()+" has neither a check nor a reason why it needs none")
		case has && s.NoMeaning != "":
			faults = append(faults, fmt.Sprintf("%s is to decide nothing (%s), and %v rest on it", s.Path(), s.NoMeaning, slices.Concat(m.tried, m.looked)))
		}
	}
	return faults
}

// TestEverySettingHasOneMeaning: checks rest on it, or there is a reason why none does; and no check rests on what Nomad does not read.
func TestEverySettingHasOneMeaning(t *testing.T) {
	table := settings.All()
	of, faults := meanings(t, table)
	for _, fault := range append(faults, wrongMeanings(table, of)...) {
		t.Error(fault)
	}
}

// TestMeaningsCanBeWrong: a row without a meaning, one with two, and a check of nothing are reported.
func TestMeaningsCanBeWrong(t *testing.T) {
	table := settings.All()
	of, _ := meanings(t, table)
	for i, s := range table {
		switch s.Path() {
		case "tls.http":
			table[i].NoMeaning = "none"
		case "client.node_class":
			table[i].NoMeaning = ""
		}
	}
	if got := wrongMeanings(table, of); len(got) != 2 || !strings.HasPrefix(got[0], "client.node_class has neither") || !strings.HasPrefix(got[1], "tls.http is to decide nothing") {
		t.Errorf("got %q", got)
	}
	without := slices.DeleteFunc(settings.All(), func(s settings.Setting) bool { return s.Path() == "tls.rpc_upgrade_mode" })
	if _, faults := meanings(t, without); len(faults) == 0 || !strings.Contains(faults[0], "tls.rpc_upgrade_mode, which the table does not have") {
		t.Errorf("got %q", faults)
	}
}

// settingsPage is made from the table and the checks.
const settingsPage = "../../docs/settings.md"

// TestSettingsPage: the page is what the table says.
func TestSettingsPage(t *testing.T) {
	table := settings.All()
	of, _ := meanings(t, table)
	page := pageOfSettings(table, of)
	if updating() {
		if err := os.WriteFile(filepath.Clean(settingsPage), page, 0o644); err != nil { //nolint:gosec // as in a checkout
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(page)); diff != "" {
		t.Errorf("docs/settings.md (-written +made), `go test ./lab/regress -run TestSettingsPage -update` writes it:\n%s", diff)
	}
}

// totals count the settings by their meaning.
func totals(table settings.Table, of map[string]meaning) (tried, looked, none int) {
	for _, s := range table {
		switch m := of[s.Path()]; {
		case len(m.tried) > 0:
			tried++
		case len(m.looked) > 0:
			looked++
		default:
			none++
		}
	}
	return tried, looked, none
}

func pageOfSettings(table settings.Table, of map[string]meaning) []byte {
	tried, looked, none := totals(table, of)
	secrets, dangers := 0, 0
	for _, s := range table {
		if s.Secret != "" {
			secrets++
		}
		if s.Danger != "" {
			dangers++
		}
	}
	releases := model.Releases()
	var text bytes.Buffer
	fmt.Fprintf(&text, `# Every setting, and what rests on it

Nomad 1.11.3 reads %d settings: those of its agent, with the options of its own drivers and the names that it reads from
client.options. Each has a row here. The page is made from the table of `+"`lab/agentconf/settings`"+`, which tests hold against
Nomad's source, and from what the checks themselves say they rest on.

| what becomes of it | settings |
| --- | --- |
| tried: checks of [checks.md](checks.md) rest on it, on a lab that runs it | %d |
| looked at in the files: no lab can have it, or runs what it is about | %d |
| no security meaning, with the reason | %d |

%d hold a secret or may; %d are dangerous on a machine that others share, where a lab without containers does without them.

`+"`*`"+` stands for a label or a key. **Change** is what makes an agent take another value: SIGHUP (reload) or a restart.
**Several files** is what counts where more than one file has it. **Shown** is how `+"`/v1/agent/self`"+` has it; durations are in
nanoseconds there. **Since** is the first of the compared releases whose source has it: the first and the last of each
minor version that can be had, from %s to %s. Those between may have it before. The options of drivers and the names in
client.options are not compared.
`, len(table), tried, looked, none, secrets, dangers, releases[0], releases[len(releases)-1])
	block := ""
	for _, s := range table {
		if at := blockOf(s); at != block || block == "" {
			block = at
			fmt.Fprintf(&text, "\n## %s\n\n| setting | since | agents | change | several files | shown | besides | meaning |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", block)
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", "`"+strings.ReplaceAll(s.Path(), "|", `\|`)+"`", model.SinceOf(s.Names), s.Roles, s.Effect, several(s), shown(s), besides(s), meant(s, of[s.Path()]))
	}
	text.WriteString("\n## what earlier releases read\n\n| setting | not since | what Nomad does now |\n| --- | --- | --- |\n")
	for _, path := range model.Gone() {
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", strings.Join(path, "."), model.GoneSince(path), withoutIt(path))
	}
	return text.Bytes()
}

// withoutIt is what becomes of a file that has a setting which is not read any more.
func withoutIt(path []string) string {
	file := strings.Join(path[:len(path)-1], " { ") + " { " + path[len(path)-1] + " = true" + strings.Repeat(" }", len(path)-1)
	_, err := model.Parse([]byte(file))
	if _, is := errors.AsType[*model.UnexpectedKeysError](err); is {
		return "it refuses the file"
	}
	return "it takes the file, and the setting does nothing"
}

// blockOf is the heading that a setting stands below.
func blockOf(s settings.Setting) string {
	if len(s.Names) == 1 {
		return "at the top"
	}
	return s.Names[0]
}

// several says what counts where more than one file has the setting.
func several(s settings.Setting) string {
	found, _ := model.Find(s.Names)
	switch {
	case found.WholeAt() > 0:
		return "the last block"
	case found.Appended():
		return "all, together"
	case found.Latest():
		return "the last"
	case found.Type != nil && found.Type.Kind().String() == "bool":
		return "any true"
	case !found.Outdoes(false, "1"):
		return "the first"
	default:
		return "the last that says something"
	}
}

func shown(s settings.Setting) string {
	how, ok := model.ShownOf(s.Names)
	switch {
	case s.Redacted:
		return "redacted"
	case !ok:
		return "as set"
	default:
		return string(how)
	}
}

func besides(s settings.Setting) string {
	var words []string
	if s.Secret != "" {
		words = append(words, "secret: "+string(s.Secret))
	}
	if s.Danger != "" {
		words = append(words, "dangerous: "+string(s.Danger))
	}
	return strings.Join(words, "; ")
}

// mostNamed is how many checks of one setting are named.
const mostNamed = 4

func meant(s settings.Setting, m meaning) string {
	named := func(ids []string) string {
		if more := len(ids) - mostNamed; more > 0 {
			return fmt.Sprintf("%s and %d more", strings.Join(ids[:mostNamed], ", "), more)
		}
		return strings.Join(ids, ", ")
	}
	var words []string
	if s.NoMeaning != "" {
		words = append(words, "none: "+s.NoMeaning)
	}
	if len(m.tried) > 0 {
		words = append(words, "tried: "+named(m.tried))
	}
	if len(m.looked) > 0 {
		words = append(words, "looked at: "+named(m.looked))
	}
	return strings.ReplaceAll(strings.Join(words, "<br>"), "|", `\|`)
}
