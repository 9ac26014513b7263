package regress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress/lock"
)

// describe returns the configuration that ran, and which of its lines are not the user's.
func describe(v variant, p plan.Plan) *finding.Configuration {
	c, known := &finding.Configuration{}, checkedSettings()
	for _, role := range v.source.roles() {
		files := v.source.files(role)
		for _, f := range files {
			c.Files = append(c.Files, finding.ConfigurationFile{Role: string(role), Path: f.Name()})
		}
		c.Settings = append(c.Settings, settingsIn(role, files, known)...)
		c.Listens = append(c.Listens, listeners(role, files)...)
		c.Others = append(c.Others, settingsIn(role, files, unchecked(files, known))...)
		if key := files.Text(serverEncrypt); key != "" && role == pki.Server {
			line, _ := files.EffectiveLine(serverEncrypt)
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
			break // other nodes of the role differ only in addresses
		}
	}
	return c
}

// unchecked returns the paths of the files' lines that are none of the known ones: no check rests on them.
func unchecked(files agentconf.Files, known []string) []string {
	return slices.DeleteFunc(files.Paths(), func(path string) bool {
		return slices.ContainsFunc(known, func(of string) bool {
			return strings.EqualFold(path, of) || strings.HasPrefix(strings.ToLower(path), strings.ToLower(of)+".") || fits(path, of)
		})
	})
}

// settingsIn returns the settings of those paths, merged from all files as the role's agents have them.
func settingsIn(role pki.Role, files agentconf.Files, paths []string) []finding.Setting {
	var secrets []string
	for _, s := range files.Secrets() {
		secrets = append(secrets, s.Setting)
	}
	var out []finding.Setting
	for _, path := range standing(files, paths) {
		counts, _ := files.EffectiveLine(path)
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

// merged returns the value as all files together have it: each may have a part of a list.
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

// checkedSettings returns the settings that some check rests on. A label or a key may be settings.Any.
func checkedSettings() []string {
	var paths []string
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil // the catalogue's own tests find that
	}
	for _, check := range all {
		paths = append(paths, check.Spec().Settings...)
	}
	paths = append(paths, listenSettings()...)
	for _, c := range allFileChecks([]pki.Role{pki.Server, pki.Client}) {
		paths = append(paths, c.settings...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// canonical returns a value as it is compared, with secrets redacted: HCL and JSON write the same value in several ways.
func canonical(path, value string) string {
	return plain(agentconf.RedactValue(path, value))
}

// plain returns a literal without its quotes and with single spaces.
func plain(literal string) string {
	if text, err := strconv.Unquote(literal); err == nil {
		return text
	}
	return strings.Join(strings.Fields(literal), " ")
}

// listeners returns where the role's agents listen by their files: who can connect is part of the posture. No check judges it,
// as every address is right somewhere; a comparison shows where it has changed.
func listeners(role pki.Role, files agentconf.Files) []finding.Setting {
	all, err := fit.Listeners(files, role == pki.Server)
	if err != nil {
		return nil // the agents do not start with it
	}
	var out []finding.Setting
	for _, l := range all {
		s := finding.Setting{Role: string(role), Path: "listens." + l.Name, Value: l.String()}
		if line, stands := files.EffectiveLine(l.Setting); stands {
			s.File, s.Line = line.File, line.Number
		}
		out = append(out, s)
	}
	return out
}

// listenSettings returns the settings that decide where agents listen.
func listenSettings() []string {
	return []string{"bind_addr", "addresses.http", "addresses.rpc", "addresses.serf", "ports.http", "ports.rpc", "ports.serf"}
}
