package regress

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
)

// blame puts the settings of each broken promise in the order in which they are to be looked at: those that the configuration
// has as a mutation of the table has them, by which a promise was seen to break, come before those that it has otherwise. Of
// several, what turns a protection off altogether comes before what loosens it, which does nothing then.
func blame(r *finding.Report) {
	weak := weakValues()
	roles := map[string]string{}
	for _, n := range r.Cluster.Nodes {
		roles[n.Name] = n.Role
	}
	for i, f := range r.Findings {
		if f.Verdict != finding.Broken {
			continue
		}
		rank := func(path string) int {
			switch {
			case !weak.has(r.Configuration, path, finding.RoleOf(path, roles[f.Node])):
				return 2
			case slices.Contains(switches(), path):
				return 0
			}
			return 1
		}
		settings := slices.Clone(f.Settings)
		slices.SortStableFunc(settings, func(a, b string) int { return rank(a) - rank(b) })
		r.Findings[i].Settings = settings
	}
}

// switches are the settings without which others of their block do nothing. Nomad's default of each is false.
func switches() []string { return []string{"tls.rpc", "tls.http", "acl.enabled"} }

// weakLines are the values by which a setting was seen to break a promise, by its path.
type weakLines map[string][]string

func weakValues() weakLines {
	weak := weakLines{}
	for _, m := range mutation.All() {
		if m.Equivalent != "" {
			continue
		}
		for _, line := range m.Lines {
			weak[line.Path] = append(weak[line.Path], canonical(line.Path, line.Value))
		}
	}
	return weak
}

// has reports whether agents of the role have the setting at such a value. Not set counts where the line was taken out, and
// where "false" is such a value of a switch or of the tls block, as it is Nomad's default there.
func (w weakLines) has(c *finding.Configuration, path, role string) bool {
	for _, s := range c.Settings {
		if s.Path == path && s.Role == role {
			return slices.Contains(w[path], s.Value)
		}
	}
	defaults := slices.Contains(switches(), path) || strings.HasPrefix(path, "tls.")
	return slices.Contains(w[path], "") || defaults && slices.Contains(w[path], "false")
}
