package rollout

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/settings"
)

// Line is a line of an agent's configuration that changes, and how the change takes effect.
type Line struct {
	// Path is the setting's path, such as "tls.verify_https_client".
	Path   string `json:"path"`
	Effect Effect `json:"effect"`
	// Why is where the claim comes from.
	Why string `json:"why"`
}

// Lines returns the settings that differ between two configurations of an agent, in the order of the new one, each with how a
// change of it takes effect. material is true if the content of a certificate, key or CA file changes too: a reload reads the
// tls block only if that content, tls.http or tls.rpc changes (helper/tlsutil/config.go:467, command/agent/agent.go:1537;
// verified against Nomad 1.11.3).
func Lines(before, after agentconf.Files, material bool) []Line {
	table := settings.All()
	var out []Line
	for _, path := range paths(before, after) {
		if slices.EqualFunc(values(before, path), values(after, path), strings.EqualFold) {
			continue
		}
		out = append(out, Line{Path: path})
	}
	reloadsTLS := material || slices.ContainsFunc(out, func(l Line) bool {
		return slices.Contains([]string{"tls.http", "tls.rpc", "tls.ca_file", "tls.cert_file", "tls.key_file"}, l.Path)
	})
	for i := range out {
		out[i].Effect, out[i].Why = effectOf(table, out[i].Path, reloadsTLS)
	}
	return out
}

// effectOf returns how a change of one setting takes effect.
func effectOf(table settings.Table, path string, reloadsTLS bool) (Effect, string) {
	found, ok := table.Find(strings.Split(path, "."))
	switch {
	case !ok:
		return Restart, "the setting is not in the table of those that a reload reads"
	case found.Effect != settings.Reload:
		return Restart, "a reload does not read it"
	case strings.HasPrefix(path, "tls.") && !reloadsTLS:
		return Restart, "a reload reads the tls block only if a certificate, a key, the CA, http or rpc changes with it"
	case path == "tls.tls_cipher_suites" || path == "tls.tls_min_version" || path == "tls.rpc_upgrade_mode" ||
		strings.HasPrefix(path, "tls.verify_"):
		return Reload, "a reload reads it with the certificates that change too"
	default:
		return Reload, "a reload reads it"
	}
}

// Choose returns the gentlest effect that all lines and changed certificates need, and why.
func Choose(lines []Line, material bool) (Effect, string) {
	for _, l := range lines {
		if l.Effect == Restart {
			return Restart, fmt.Sprintf("%s: %s", l.Path, l.Why)
		}
	}
	switch {
	case len(lines) > 0:
		return Reload, fmt.Sprintf("%s: %s", lines[0].Path, lines[0].Why)
	case material:
		return Reload, "a reload reads new content of certificate, key and CA at the same path"
	default:
		return Nothing, "nothing that the agent reads changes"
	}
}

// paths returns the paths of both configurations, those of the new one first.
func paths(before, after agentconf.Files) []string {
	var out []string
	for _, p := range slices.Concat(after.Paths(), before.Paths()) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// values returns all values of a setting, in the order in which Nomad merges them.
func values(f agentconf.Files, path string) []string {
	if texts, err := f.Texts(path); err == nil && len(texts) > 0 {
		return texts
	}
	return []string{f.Text(path)}
}
