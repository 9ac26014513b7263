package lock

import (
	"cmp"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
)

// settingsOf are settings of the configuration by role and path. Where one stands more than once, its values are put
// together, whatever their order, and the last place is told.
func settingsOf(given []finding.Setting) []finding.Setting {
	var all []finding.Setting
	at, values := map[string]int{}, map[string][]string{}
	for _, s := range given {
		s.Role, s.Path, s.Value = clean(s.Role), clean(s.Path), withoutSecret(s.Path, s.Value)
		place, there := at[settingKey(s)]
		if !there {
			place = len(all)
			at[settingKey(s)] = place
			all = append(all, s)
		}
		values[settingKey(s)] = append(values[settingKey(s)], s.Value)
		all[place].File, all[place].Line = s.File, s.Line
	}
	for i, s := range all {
		all[i].Value = joined(values[settingKey(s)], ", ")
	}
	slices.SortFunc(all, byRoleAndPath)
	return all
}

// withoutSecret is the value as it may be written down. Whoever made the settings has redacted them; a lock is committed
// and stays in the history, so it looks once more.
func withoutSecret(path, value string) string {
	return agentconf.RedactValue(clean(path), clean(value))
}

// settingKey is what makes two settings the same one.
func settingKey(s finding.Setting) string { return s.Role + "\x00" + s.Path }

func byRoleAndPath(a, b finding.Setting) int {
	return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Path, b.Path))
}
