package lock

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Cause is a setting with the changes of one direction that it most likely made.
type Cause struct {
	// Setting, File and Line are as in a finding.Change. An empty Setting is that of changes without a known cause.
	Setting, File string
	Line          int
	// Changes are in the order of the comparison; there is at least one.
	Changes []finding.Change
}

// BySetting groups the changes of a comparison by the setting that made them, its place and their direction. The causes are
// in the order of their first changes: the worst comes first.
func BySetting(c finding.Comparison) []Cause {
	var all []Cause
	for _, change := range c.Changes {
		at := slices.IndexFunc(all, func(o Cause) bool {
			return o.Setting == change.Setting && o.File == change.File && o.Line == change.Line && o.Changes[0].Direction == change.Direction
		})
		if at < 0 {
			at = len(all)
			all = append(all, Cause{Setting: change.Setting, File: change.File, Line: change.Line})
		}
		all[at].Changes = append(all[at].Changes, change)
	}
	return all
}

// causes holds the settings of two postures. The cause of a change is among them.
type causes struct {
	// after has the settings of the newer posture. differing has the settings that were changed, added or removed and on
	// which a check rests. Both are sorted by role and path.
	after, differing []finding.Setting
	// changes are all settings that differ, with their values on both sides.
	changes []finding.SettingChange
	// versions is true if the sides ran different versions of Nomad, which may be the cause of any change.
	versions bool
}

// newCauses compares the settings. If one side has none, its configuration is not known, and none differs.
func newCauses(before, after Posture) causes {
	c := causes{after: slices.SortedStableFunc(slices.Values(after.Settings), byRoleAndPath)}
	if len(before.Settings) == 0 || len(after.Settings) == 0 {
		return c
	}
	c.changes = slices.Concat(differing(before.Settings, after.Settings), differing(before.Others, after.Others))
	others := slices.Concat(before.Others, after.Others)
	for _, s := range c.changes {
		now := finding.Setting{Role: s.Role, Path: s.Path, Value: s.After, File: s.File, Line: s.Line}
		if !strings.HasPrefix(s.Before+s.After, marked) && indexOf(others, now) < 0 {
			c.differing = append(c.differing, now)
		}
	}
	return c
}

// differing returns the settings whose values differ, or that one side lacks, by role and path. Listeners are not among
// them: no file sets those.
func differing(before, after []finding.Setting) []finding.SettingChange {
	var changes []finding.SettingChange
	for _, s := range after {
		old := finding.Setting{}
		if at := indexOf(before, s); at >= 0 {
			old = before[at]
		}
		if !isListener(s) && (old.Value != s.Value || old.Path == "") {
			changes = append(changes, finding.SettingChange{Role: s.Role, Path: s.Path, Before: old.Value, After: s.Value, File: s.File, Line: s.Line})
		}
	}
	for _, old := range before {
		if !isListener(old) && indexOf(after, old) < 0 {
			changes = append(changes, finding.SettingChange{Role: old.Role, Path: old.Path, Before: old.Value})
		}
	}
	slices.SortFunc(changes, func(a, b finding.SettingChange) int {
		return byRoleAndPath(finding.Setting{Role: a.Role, Path: a.Path}, finding.Setting{Role: b.Role, Path: b.Path})
	})
	return changes
}

// mayHaveChanged reports whether the check was proved on neither side although a setting that it rests on differs, so that
// its result may have changed unseen. Cells of the matrix rest on no setting in this sense.
func (c causes) mayHaveChanged(before, after CheckResult) bool {
	if after.Plane == PlaneMatrix || before.proved() || after.proved() {
		return false
	}
	return slices.ContainsFunc(c.differing, func(s finding.Setting) bool {
		return slices.ContainsFunc(after.Settings, func(setting string) bool {
			return s.Role == after.roleOf(setting) && isWithin(s.Path, setting)
		})
	})
}

// name adds to the change of a check the setting that most likely made it, and where that stands now. It takes, in this
// order: a setting that the check rests on and that differs; one that differs and is in the same block as one of those; the
// first that the check rests on. Within each, those of the agents that the check probes come first. An Unclear change gets
// no setting that does not differ: a node may have been slow. Nor does any change between two versions of Nomad.
func (c causes) name(r CheckResult, change finding.Change) finding.Change {
	found, is := r.first(c.differing, r.Settings, isWithin)
	if !is {
		found, is = r.first(c.differing, r.Settings, isBeside)
	}
	if !is && change.Direction != finding.Unclear && !c.versions && len(r.Settings) > 0 {
		if found, is = r.first(c.after, r.Settings[:1], isWithin); !is {
			found = finding.Setting{Path: r.Settings[0]}
		}
	}
	change.Setting, change.File, change.Line = found.Path, found.File, found.Line
	return change
}

// first returns the first setting that fits one of the paths, in the order of the paths; those of the role that the check is
// about come before others.
func (r CheckResult) first(settings []finding.Setting, paths []string, fits func(path, setting string) bool) (finding.Setting, bool) {
	for _, sameRole := range []bool{true, false} {
		for _, path := range paths {
			role := r.roleOf(path)
			at := slices.IndexFunc(settings, func(s finding.Setting) bool { return (s.Role == role) == sameRole && fits(s.Path, path) })
			if at >= 0 {
				return settings[at], true
			}
		}
	}
	return finding.Setting{}, false
}

// isWithin reports whether the path is the setting, or is inside it.
func isWithin(path, setting string) bool {
	return path == setting || strings.HasPrefix(path, setting+".")
}

// isBeside reports whether the path is in the block that contains the setting. It is false for a setting outside all blocks.
func isBeside(path, setting string) bool {
	end := strings.LastIndex(setting, ".")
	return end >= 0 && strings.HasPrefix(path, setting[:end+1])
}

// roleOf returns the role whose configuration has the setting, on which the check rests. A check whose ID begins with client-
// or clients- is about clients, any other about servers.
func (r CheckResult) roleOf(setting string) string {
	role := "server"
	if strings.HasPrefix(r.ID, "client-") || strings.HasPrefix(r.ID, "clients-") {
		role = "client"
	}
	return finding.Finding{CertificateOf: r.CertificateOf}.RoleOf(setting, role)
}
