package lock

import (
	"cmp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// causes are the settings of two postures, to find which of them made a change.
type causes struct {
	// after are the settings as they are now; differing are those whose value is another than before, also what was added
	// or taken out. Both are by role and path.
	after, differing []finding.Setting
	// settings are those that differ, with their values on both sides.
	settings []finding.SettingChange
}

// newCauses compares the settings. Where one side has none, it is not known what it ran, and none differs.
func newCauses(before, after Posture) causes {
	c := causes{after: slices.SortedStableFunc(slices.Values(after.Settings), byRoleAndPath)}
	if len(before.Settings) == 0 || len(after.Settings) == 0 {
		return c
	}
	c.settings = slices.Concat(differing(before.Settings, after.Settings), differing(before.Others, after.Others))
	for _, s := range c.settings {
		if isOther := strings.HasPrefix(s.Before+s.After, marked) || inOthers(s, before, after); !isOther {
			c.differing = append(c.differing, finding.Setting{Role: s.Role, Path: s.Path, Value: s.After, File: s.File, Line: s.Line})
		}
	}
	return c
}

// inOthers reports whether no promise rests on the setting, so that it is to blame for none.
func inOthers(s finding.SettingChange, sides ...Posture) bool {
	return slices.ContainsFunc(sides, func(p Posture) bool {
		return slices.ContainsFunc(p.Others, func(o finding.Setting) bool { return o.Role == s.Role && o.Path == s.Path })
	})
}

// differing are the settings whose value is another one, or that one side has not, by role and path.
func differing(before, after []finding.Setting) []finding.SettingChange {
	var changes []finding.SettingChange
	olds := map[string]finding.Setting{}
	for _, s := range before {
		if !isListener(s) { // which no file sets
			olds[settingKey(s)] = s
		}
	}
	for _, s := range after {
		if isListener(s) {
			continue
		}
		old := olds[settingKey(s)]
		delete(olds, settingKey(s))
		if old.Value != s.Value || old.Path == "" {
			changes = append(changes, finding.SettingChange{Role: s.Role, Path: s.Path, Before: old.Value, After: s.Value, File: s.File, Line: s.Line})
		}
	}
	for _, gone := range olds { // it stands in no file any more
		changes = append(changes, finding.SettingChange{Role: gone.Role, Path: gone.Path, Before: gone.Value})
	}
	slices.SortFunc(changes, func(a, b finding.SettingChange) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Path, b.Path))
	})
	return changes
}

// mayChange reports whether the promise may have ended another way without anybody having seen it: it is proved on neither
// side, and a setting that it rests on differs, of the agents whose it is: see finding.RoleOf. A cell of the matrix is no promise.
func (c causes) mayChange(before, after CheckResult) bool {
	if after.Plane == PlaneMatrix || proved(before) || proved(after) {
		return false
	}
	return slices.ContainsFunc(c.differing, func(s finding.Setting) bool {
		return slices.ContainsFunc(after.Settings, func(of string) bool { return s.Role == after.roleOf(of) && within(s.Path, of) })
	})
}

// name is the change with the setting that most likely made it, and where that stands now. In this order: a setting that
// the promise rests on and that differs; one that differs and stands in the same block as one of them; the first that the
// promise rests on. Within each, those of the agents that the check asks come first. An Unclear change blames no setting
// that did not differ: a node may have been slow.
func (c causes) name(e CheckResult, change finding.Change) finding.Change {
	found, is := e.first(c.differing, e.Settings, within)
	if !is {
		found, is = e.first(c.differing, e.Settings, besides)
	}
	if !is && change.Direction != finding.Unclear && len(e.Settings) > 0 {
		if found, is = e.first(c.after, e.Settings[:1], within); !is {
			found = finding.Setting{Path: e.Settings[0]}
		}
	}
	change.Setting, change.File, change.Line = found.Path, found.File, found.Line
	return change
}

// first is the first setting that fits one of the paths, in the order of the paths; one of the role that the promise is about before
// one of another.
func (e CheckResult) first(settings []finding.Setting, paths []string, fits func(path, of string) bool) (finding.Setting, bool) {
	for _, sameRole := range []bool{true, false} {
		for _, of := range paths {
			role := e.roleOf(of)
			at := slices.IndexFunc(settings, func(s finding.Setting) bool { return (s.Role == role) == sameRole && fits(s.Path, of) })
			if at >= 0 {
				return settings[at], true
			}
		}
	}
	return finding.Setting{}, false
}

// within says whether the path is that setting, or one inside of it.
func within(path, of string) bool { return path == of || strings.HasPrefix(path, of+".") }

// besides says whether the path is in the block that the setting is in. Outside of all blocks, settings have nothing to do
// with each other.
func besides(path, of string) bool {
	end := strings.LastIndex(of, ".")
	return end >= 0 && strings.HasPrefix(path, of[:end+1])
}

// roleOf says whose configuration the setting is of, among those that the promise rests on.
func (e CheckResult) roleOf(path string) string {
	return finding.Finding{CertificateOf: e.CertificateOf}.RoleOf(path, roleOf(e.ID))
}

// roleOf says whose configuration a check is about: the clients', if its ID begins with them; else the servers', who are
// behind all other front doors.
func roleOf(id string) string {
	if strings.HasPrefix(id, "client-") || strings.HasPrefix(id, "clients-") {
		return "client"
	}
	return "server"
}
