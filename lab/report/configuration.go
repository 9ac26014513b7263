package report

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// roleFiles returns the files of the user's configuration by role, in the order in which agents read them.
func (v view) roleFiles() []group[string, finding.ConfigurationFile] {
	return groupBy(v.Configuration.Files, func(f finding.ConfigurationFile) string { return f.Role })
}

func pathOf(f finding.ConfigurationFile) string { return f.Path }

// unused returns the lines that were not used as they stand, by reason. A line that several roles read is named once.
func (v view) unused() []group[string, finding.Replaced] {
	var lines []finding.Replaced
	for _, r := range v.Configuration.Replaced {
		if !slices.ContainsFunc(lines, func(other finding.Replaced) bool { return sameLine(r, other) }) {
			lines = append(lines, r)
		}
	}
	return groupBy(lines, func(r finding.Replaced) string { return r.Because })
}

// sameLine reports whether two roles read the same line of a file.
func sameLine(a, b finding.Replaced) bool {
	b.Role = a.Role
	return a.File != "" && a == b
}

// unusedWords says how many lines were not used as they stand.
func (v view) unusedWords() string {
	lines, added := 0, 0
	for _, u := range v.unused() {
		for _, r := range u.Items {
			if wasAdded(r) {
				added++
			} else {
				lines++
			}
		}
	}
	was := plural(added, "was", "were")
	switch {
	case lines > 0 && added > 0:
		return fmt.Sprintf("%s, %d %s added", notUsed(lines), added, was)
	case lines > 0:
		return notUsed(lines)
	case added > 0:
		return fmt.Sprintf("every line was used as it stands, %s %s added", count(added, "setting"), was)
	default:
		return "every line was used as it stands"
	}
}

func notUsed(lines int) string {
	return count(lines, "line") + plural(lines, " was not used as it stands", " were not used as they stand")
}

func wasAdded(r finding.Replaced) bool { return r.Line == 0 && r.Was == "" && r.Became != "" }

// placeOf names the place of a replaced line. A line that stands in no file is placed by its role.
func placeOf(r finding.Replaced) string {
	switch {
	case r.File != "":
		return place(r.File, r.Line)
	case r.Role != "":
		return r.Role + "s"
	default:
		return "all agents"
	}
}

// becameWhat says what was done with a line.
func becameWhat(r finding.Replaced) string {
	switch {
	case r.Became == "":
		return strings.TrimSpace(r.Was + " was taken out")
	case wasAdded(r):
		return r.Became + " was added"
	default:
		return strings.TrimSpace(r.Was + " became " + r.Became)
	}
}

// restsOn lists the settings that a check rests on, with their values and places in the user's configuration. If the
// likeliest setting is not set, it also names the files that do not set it.
func (v view) restsOn(f finding.Finding) string {
	if v.Configuration == nil {
		return strings.Join(f.Settings, ", ")
	}
	role, words := v.roleOf(f.Node), make([]string, len(f.Settings))
	for i, path := range f.Settings {
		of := f.RoleOf(path, role)
		said := v.valuesOf(path, of)
		switch {
		case said == "" && i == 0:
			said = "not set" + v.inFiles(of)
		case said == "":
			said = "not set"
		}
		words[i] = path + " (" + said + ")"
	}
	return strings.Join(words, ", ")
}

// settingsAt returns the lines that set the path for agents of a role; for an empty role, for any agents. The line of a
// secret that lies in the open may be among the Others.
func (v view) settingsAt(path, role string) []finding.Setting {
	all := slices.Concat(v.Configuration.Settings, v.Configuration.Others)
	return slices.DeleteFunc(all, func(s finding.Setting) bool { return s.Path != path || role != "" && s.Role != role })
}

// roleOf returns the role of a node, or of the files that are named in its place. It is empty if that is not known.
func (v view) roleOf(node string) string {
	for _, role := range []string{"server", "client"} {
		if node == finding.FilesOf(role) {
			return role
		}
	}
	for _, n := range v.Cluster.Nodes {
		if n.Name == node {
			return n.Role
		}
	}
	return ""
}

// maxFiles is the number of files that inFiles names.
const maxFiles = 3

// inFiles names the first files of a role, as the end of a sentence; for an empty role, those of all roles. It is empty
// if there are none.
func (v view) inFiles(role string) string {
	var files []string
	for _, f := range v.Configuration.Files {
		if (role == "" || f.Role == role) && !slices.Contains(files, f.Path) {
			files = append(files, f.Path)
		}
	}
	if len(files) == 0 {
		return ""
	}
	whose := "the configuration"
	if role != "" {
		whose = "the " + role + "s' configuration"
	}
	more := ""
	if n := len(files) - maxFiles; n > 0 {
		files, more = files[:maxFiles], fmt.Sprintf(" and %d more", n)
	}
	return " in " + whose + ": " + strings.Join(files, ", ") + more
}

// valuesOf joins the values that a setting has for agents of a role, each with its place.
func (v view) valuesOf(path, role string) string {
	var values []string
	for _, s := range v.settingsAt(path, role) {
		words := s.Value
		if at := place(s.File, s.Line); at != "" {
			words = strings.TrimSpace(words + " at " + at)
		}
		if words != "" && !slices.Contains(values, words) {
			values = append(values, words)
		}
	}
	return strings.Join(values, "; ")
}

// setAt returns where the likeliest of a check's settings is set. If it is not set, this is the first file of its role,
// and line 0.
func (v view) setAt(f finding.Finding) (file string, line int) {
	if v.Configuration == nil || len(f.Settings) == 0 {
		return "", 0
	}
	path := f.Settings[0]
	role := f.RoleOf(path, v.roleOf(f.Node))
	for _, s := range v.settingsAt(path, role) {
		if s.File != "" {
			return s.File, s.Line
		}
	}
	for _, f := range v.Configuration.Files {
		if f.Role == role {
			return f.Path, 0
		}
	}
	return "", 0
}
