package regress

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/settings"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// lineFault is what no line of a role's configuration may say. It is looked for in the files, merged as Nomad merges them: a lab
// cannot have the line, or does not run what it is about.
type lineFault struct {
	// id follows the role's name in the ID.
	id, title, why, what string
	severity             posture.Severity
	// roles are those whose files are looked at, each for itself.
	roles []pki.Role
	// settings are the paths that are looked at; settings.Any stands for a label or a key.
	settings []string
	// wrong returns what is wrong with the setting of a path; empty: nothing.
	wrong func(files agentconf.Files, path string) string
	// lacks says why nothing has to be looked for; nil, or empty: something has to be.
	lacks func(held) string
	// control is a configuration of our own that has the fault.
	control string
}

// lineFaults are what lines are looked at for.
func lineFaults() []lineFault {
	return slices.Concat(folderFaults(), driverFaults(), taskFaults(), otherFaults())
}

// traitsOfLines are the checks of lines, for each role that has such lines.
func traitsOfLines() []trait {
	var out []trait
	for _, f := range lineFaults() {
		lacks := f.lacks
		if lacks == nil {
			lacks = func(held) string { return "" }
		}
		for _, role := range f.roles {
			out = append(out, trait{
				id: string(role) + "-" + f.id, title: fmt.Sprintf("a %s's %s", role, f.title), severity: f.severity,
				why: f.why + "; read from the files alone", what: f.what, settings: f.settings, role: role,
				lacks: lacks, in: f.in, rests: f.rests,
				control: func(string, string) (held, error) {
					return held{files: agentconf.Files{agentconf.NewFile("control.hcl", []byte(f.control))}}, nil
				},
			})
		}
	}
	return out
}

// in returns each line at fault, with its place.
func (f lineFault) in(h held) []string {
	var out []string
	for _, path := range f.at(h.files) {
		line, _ := h.files.Counts(path)
		value := canonical(path, merged(h.files, path, line.Value))
		out = append(out, fmt.Sprintf("%s = %s at %s:%d: %s", path, value, line.File, line.Number, f.wrong(h.files, path)))
	}
	return out
}

// at are the paths of the lines at fault.
func (f lineFault) at(files agentconf.Files) []string {
	var out []string
	for _, path := range standing(files, f.settings) {
		if f.wrong(files, path) != "" {
			out = append(out, path)
		}
	}
	return out
}

// rests are the lines at fault; where none is, those that stand in the files; where none does, all that are looked at, with the
// block in the place of what has a label or a key.
func (f lineFault) rests(h held) []string {
	if wrong := f.at(h.files); len(wrong) > 0 {
		return wrong
	}
	if stand := standing(h.files, f.settings); len(stand) > 0 {
		return stand
	}
	var out []string
	for _, path := range f.settings {
		path, _, _ = strings.Cut(path, "."+settings.Any)
		out = append(out, path)
	}
	return once(out)
}

// standing are the paths of the files' lines that the patterns stand for, each once.
func standing(files agentconf.Files, patterns []string) []string {
	var out []string
	for _, pattern := range patterns {
		if !strings.Contains(pattern, settings.Any) {
			if _, stands := files.Counts(pattern); stands {
				out = append(out, pattern)
			}
			continue
		}
		for _, path := range files.Paths() {
			if fits(path, pattern) {
				out = append(out, path)
			}
		}
	}
	return once(out)
}

// fits reports whether the path of a line is one that the pattern stands for. A name with dots in it has quotes.
func fits(path, pattern string) bool {
	before, after, has := strings.Cut(pattern, settings.Any)
	if !has {
		return strings.EqualFold(path, pattern)
	}
	low := strings.ToLower(path)
	if !strings.HasPrefix(low, strings.ToLower(before)) || !strings.HasSuffix(low, strings.ToLower(after)) || len(low) <= len(before)+len(after) {
		return false
	}
	name := path[len(before) : len(path)-len(after)]
	return strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`) || !strings.Contains(name, ".")
}

// onTrue is a look that finds a switch that is on. What is no boolean counts as on, as drivers read theirs by HCL 2, to which a text
// may be a template that gives true (helper/pluginutils/hclutils/util.go); in client.options, f is off (drivers/rawexec/driver.go:67).
func onTrue(words string) func(agentconf.Files, string) string {
	return func(files agentconf.Files, path string) string {
		on, err := files.Flag(path)
		if err == nil && !on || strings.EqualFold(files.Text(path), "f") {
			return ""
		}
		return words
	}
}
