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

// settingCheck is a check of settings in a role's files, merged as Nomad merges them. A lab cannot have the setting, or does
// not run what it is about.
type settingCheck struct {
	// id, title, why and what are as in a fileCheck, the role's name left out.
	id, title, why, what string
	severity             posture.Severity
	// roles are those whose files are checked, each on its own. Empty: clients.
	roles []pki.Role
	// settings are the paths; settings.Any stands for a label or a key.
	settings []string
	// wrong returns what is wrong with the setting of a path; empty: nothing.
	wrong func(files agentconf.Files, path string) string
	// lacks is as in a fileCheck.
	lacks func(userFiles) string
	// control is a configuration that is wrong.
	control string
}

// settingChecks returns the checks of settings, for each role that has such settings.
func settingChecks() []fileCheck {
	var out []fileCheck
	for _, c := range slices.Concat(folderChecks(), driverChecks(), taskChecks(), otherSettingChecks()) {
		if len(c.roles) == 0 {
			c.roles = []pki.Role{pki.Client}
		}
		for _, role := range c.roles {
			out = append(out, fileCheck{
				id: string(role) + "-" + c.id, title: fmt.Sprintf("a %s's %s", role, c.title), severity: c.severity,
				why: c.why + "; read from the files alone", what: c.what, settings: c.settings, role: role,
				lacks: c.lacks, wrong: c.wrongLines, restsOn: c.restsOn,
				control: func(string, string) (userFiles, error) {
					return userFiles{configuration: agentconf.Files{agentconf.NewFile("control.hcl", []byte(c.control))}}, nil
				},
			})
		}
	}
	return out
}

// wrongLines returns each wrong line, with its place.
func (c settingCheck) wrongLines(u userFiles) []string {
	var out []string
	for _, path := range c.wrongPaths(u.configuration) {
		line, _ := u.configuration.EffectiveLine(path)
		value := canonical(path, merged(u.configuration, path, line.Value))
		out = append(out, fmt.Sprintf("%s = %s at %s:%d: %s", path, value, line.File, line.Number, c.wrong(u.configuration, path)))
	}
	return out
}

// wrongPaths returns the paths of the wrong lines.
func (c settingCheck) wrongPaths(files agentconf.Files) []string {
	return slices.DeleteFunc(standing(files, c.settings), func(path string) bool { return c.wrong(files, path) == "" })
}

// restsOn returns the wrong lines; if there are none, those that are set; if there are none, all of settings, with the block in
// the place of a label or key.
func (c settingCheck) restsOn(u userFiles) []string {
	if wrong := c.wrongPaths(u.configuration); len(wrong) > 0 {
		return wrong
	}
	if set := standing(u.configuration, c.settings); len(set) > 0 {
		return set
	}
	var out []string
	for _, path := range c.settings {
		path, _, _ = strings.Cut(path, "."+settings.Any)
		out = append(out, path)
	}
	return once(out)
}

// standing returns the paths of the files' lines that match the patterns, each once.
func standing(files agentconf.Files, patterns []string) []string {
	var out []string
	for _, pattern := range patterns {
		if !strings.Contains(pattern, settings.Any) {
			if _, stands := files.EffectiveLine(pattern); stands {
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

// fits reports whether the path of a line matches the pattern. A name with dots in it has quotes.
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

// onTrue returns a settingCheck.wrong that finds a switch that is on, with words. What is no boolean counts as on: drivers read
// theirs by HCL 2, to which a text may be a template that gives true (helper/pluginutils/hclutils/util.go). In client.options,
// f is off (drivers/rawexec/driver.go:67).
func onTrue(words string) func(agentconf.Files, string) string {
	return func(files agentconf.Files, path string) string {
		on, err := files.Flag(path)
		if err == nil && !on || strings.EqualFold(files.Text(path), "f") {
			return ""
		}
		return words
	}
}
