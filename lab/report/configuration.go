package report

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// roleFiles are the files that the agents of a role have read.
type roleFiles struct {
	role  string
	files []string
}

// roleFiles are the configuration's files, by role, in their order.
func (v view) roleFiles() []roleFiles {
	var out []roleFiles
	for _, f := range v.report.Configuration.Files {
		at := slices.IndexFunc(out, func(r roleFiles) bool { return r.role == f.Role })
		if at < 0 {
			at = len(out)
			out = append(out, roleFiles{role: f.Role})
		}
		out[at].files = append(out[at].files, f.Path)
	}
	return out
}

// unused are lines that were not used as they stand, for one reason.
type unused struct {
	because string
	lines   []finding.Replaced
}

// unused are the replaced lines by reason. A line that agents of several roles have read is told once.
func (v view) unused() []unused {
	var out []unused
	for _, r := range v.report.Configuration.Replaced {
		at := slices.IndexFunc(out, func(u unused) bool { return u.because == r.Because })
		if at < 0 {
			at = len(out)
			out = append(out, unused{because: r.Because})
		}
		if !slices.ContainsFunc(out[at].lines, func(other finding.Replaced) bool { return sameLine(r, other) }) {
			out[at].lines = append(out[at].lines, r)
		}
	}
	return out
}

// sameLine says whether two replaced lines are one, which several roles have read.
func sameLine(a, b finding.Replaced) bool {
	b.Role = a.Role
	return a.File != "" && a == b
}

// unusedWords counts what was not used as it stands.
func (v view) unusedWords() string {
	lines, added := 0, 0
	for _, u := range v.unused() {
		for _, r := range u.lines {
			if wasAdded(r) {
				added++
			} else {
				lines++
			}
		}
	}
	words := fmt.Sprintf("%s not used as %s", count(lines, "line")+plural(lines, " was", " were"), plural(lines, "it stands", "they stand"))
	switch {
	case lines == 0 && added == 0:
		return "every line was used as it stands"
	case lines == 0:
		return fmt.Sprintf("every line was used as it stands, %s added", count(added, "setting")+plural(added, " was", " were"))
	case added > 0:
		return fmt.Sprintf("%s, %d %s added", words, added, plural(added, "was", "were"))
	default:
		return words
	}
}

func wasAdded(r finding.Replaced) bool { return r.Line == 0 && r.Was == "" && r.Became != "" }

// placeOf is where a replaced line stands; for one that stands in no file, whose it is.
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

// restsOn are the settings that a promise rests on, with what the configuration says of each, where there is one. Of the likeliest
// the files are named in which it is not; of the others that would be a list of files again.
func (v view) restsOn(f finding.Finding) string {
	if v.report.Configuration == nil {
		return strings.Join(f.Settings, ", ")
	}
	role, words := v.roleOf(f.Node), make([]string, len(f.Settings))
	for i, path := range f.Settings {
		of := f.RoleOf(path, role)
		said := settingsSaid(v.allSettings(), path, of)
		switch {
		case len(said) == 0 && i == 0:
			said = []string{"not set" + v.inFiles(of)}
		case len(said) == 0:
			said = []string{"not set"}
		}
		words[i] = path + " (" + strings.Join(said, "; ") + ")"
	}
	return strings.Join(words, ", ")
}

// allSettings are all lines of the configuration: of a secret that lies in the open, the line may be one that no other promise
// rests on.
func (v view) allSettings() []finding.Setting {
	return slices.Concat(v.report.Configuration.Settings, v.report.Configuration.Others)
}

// roleOf is the role of the agent of that name, or of whose files that is the name; empty for one that is not known.
func (v view) roleOf(node string) string {
	for _, role := range []string{"server", "client"} {
		if node == finding.FilesOf(role) {
			return role
		}
	}
	for _, n := range v.report.Cluster.Nodes {
		if n.Name == node {
			return n.Role
		}
	}
	return ""
}

// filesNamed is how many files inFiles names.
const filesNamed = 3

// inFiles says in whose files something is not: it names the first of those that the agents of the role have read, of an empty role
// those of all. Where there are none, it is empty.
func (v view) inFiles(role string) string {
	var files []string
	for _, r := range v.roleFiles() {
		for _, f := range r.files {
			if (role == "" || r.role == role) && !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 {
		return ""
	}
	whose := "the configuration"
	if role != "" {
		whose = "the " + role + "s' configuration"
	}
	more := len(files) - filesNamed
	if more <= 0 {
		return " in " + whose + ": " + strings.Join(files, ", ")
	}
	return fmt.Sprintf(" in %s: %s and %d more", whose, strings.Join(files[:filesNamed], ", "), more)
}

// settingsSaid is what agents of the role have of the setting; of an empty role, what any have.
func settingsSaid(settings []finding.Setting, path, role string) []string {
	var said []string
	for _, s := range settings {
		if s.Path != path || role != "" && s.Role != role {
			continue
		}
		words := s.Value
		if at := place(s.File, s.Line); at != "" {
			words = strings.TrimSpace(words + " at " + at)
		}
		if words != "" && !slices.Contains(said, words) {
			said = append(said, words)
		}
	}
	return said
}

// setAt is where the likeliest of a promise's settings is set; where it is not, the first file in which it could be.
func (v view) setAt(f finding.Finding) (file string, line int) {
	if v.report.Configuration == nil || len(f.Settings) == 0 {
		return "", 0
	}
	path := f.Settings[0]
	role := f.RoleOf(path, v.roleOf(f.Node))
	for _, s := range v.allSettings() {
		if s.Path == path && s.File != "" && (role == "" || s.Role == role) {
			return s.File, s.Line
		}
	}
	for _, r := range v.roleFiles() {
		if r.role == role {
			return r.files[0], 0
		}
	}
	return "", 0
}
