package regress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress/lock"
)

// describe says what ran, and what of it is not the user's.
func describe(v variant, p plan.Plan) *finding.Configuration {
	c, known := &finding.Configuration{}, guarded()
	for _, role := range v.source.roles() {
		files := v.source.files(role)
		for _, f := range files {
			c.Files = append(c.Files, finding.ConfigurationFile{Role: string(role), Path: f.Name()})
		}
		c.Settings = append(c.Settings, settingsIn(role, files, known)...)
		c.Listens = append(c.Listens, listens(role, files)...)
		c.Others = append(c.Others, settingsIn(role, files, unguarded(files, known))...)
		if key := files.Text(serverEncrypt); key != "" && role == pki.Server {
			line, _ := files.Counts(serverEncrypt)
			c.Others = append(c.Others, lock.GossipKeyMark(string(role), key, catalogue.WhyGuessable(key) != "", line.File, line.Number))
		}
		for _, n := range p.Nodes {
			if n.Role != role {
				continue
			}
			for _, r := range n.Replaced {
				c.Replaced = append(c.Replaced, finding.Replaced{
					Role: string(role), File: r.File, Line: r.Line, Setting: r.Setting, Was: r.Was, Became: r.Became, Because: r.Because,
				})
			}
			break // the others of its role differ in their addresses alone
		}
	}
	return c
}

// unguarded are the paths of the files' lines that no check's promise rests on: that are none of the known ones, see guarded.
func unguarded(files agentconf.Files, known []string) []string {
	return slices.DeleteFunc(files.Paths(), func(path string) bool {
		return slices.ContainsFunc(known, func(of string) bool {
			return strings.EqualFold(path, of) || strings.HasPrefix(strings.ToLower(path), strings.ToLower(of)+".") || fits(path, of)
		})
	})
}

// settingsIn are those lines, as the role's agents have them when all files are merged.
func settingsIn(role pki.Role, files agentconf.Files, paths []string) []finding.Setting {
	var secrets []string
	for _, s := range files.Secrets() {
		secrets = append(secrets, s.Setting)
	}
	var out []finding.Setting
	for _, path := range standing(files, paths) {
		counts, _ := files.Counts(path)
		value := canonical(path, merged(files, path, counts.Value))
		if on, is := files.Boolean(path); is {
			value = strconv.FormatBool(on)
		}
		if slices.Contains(secrets, path) {
			value = "<redacted>"
		}
		out = append(out, finding.Setting{Role: string(role), Path: path, Value: value, File: counts.File, Line: counts.Number})
	}
	slices.SortFunc(out, func(a, b finding.Setting) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// merged is the value as all files together have it: of a list they may each have a part, and there are several ways to write
// one.
func merged(files agentconf.Files, path, value string) string {
	if !strings.HasPrefix(value, "[") {
		return value
	}
	texts, err := files.Texts(path)
	if err != nil {
		return value
	}
	for i, text := range texts {
		texts[i] = strconv.Quote(text)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// guarded are the settings that some check's promise rests on. A label or a key may be settings.Any.
func guarded() []string {
	var paths []string
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil // a fault of the catalogue, which its own tests tell of
	}
	for _, check := range all {
		paths = append(paths, check.Spec().Settings...)
	}
	paths = append(paths, listenSettings()...)
	for _, f := range faults() {
		paths = append(paths, f.settings...)
	}
	for _, t := range traits() {
		paths = append(paths, t.settings...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// canonical is a value as it is compared: HCL and JSON write the same one in several ways. Secrets are not in it.
func canonical(path, value string) string {
	return plain(agentconf.RedactValue(path, value))
}

// plain is a literal without the ways in which it may be written.
func plain(literal string) string {
	if text, err := strconv.Unquote(literal); err == nil {
		return text
	}
	return strings.Join(strings.Fields(literal), " ")
}
