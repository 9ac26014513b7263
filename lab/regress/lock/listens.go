package lock

import (
	"cmp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/fit"
)

// listens begins the path by which a posture holds where an agent listens, as listens.http: no file sets it, and several settings
// and Nomad's defaults decide it.
const listens = "listens."

// isListener reports whether the setting says where an agent listens.
func isListener(s finding.Setting) bool { return strings.HasPrefix(s.Path, listens) }

// listeners are the changes of where agents listen: who can connect is part of the posture. What only one side knows, as a lock does
// not that was written before, is none, nor is another port of the same address.
func listeners(before, after Posture) []finding.Change {
	var out []finding.Change
	for _, now := range after.Settings {
		at := slices.IndexFunc(before.Settings, func(s finding.Setting) bool { return isListener(s) && settingKey(s) == settingKey(now) })
		if at < 0 {
			continue
		}
		old := before.Settings[at]
		if host(old.Value) == host(now.Value) {
			continue
		}
		name := strings.TrimPrefix(now.Path, listens)
		plane := map[string]string{"http": "HTTP", "rpc": "RPC", "serf": "gossip"}[name]
		out = append(out, finding.Change{
			ID: now.Role + "-listens-" + name, Title: "who can connect to a " + now.Role + "'s " + cmp.Or(plane, name) + " port", Plane: plane, Severity: "medium",
			Before: finding.State{Result: finding.Pass, Outcome: old.Value}, After: finding.State{Result: finding.Pass, Outcome: now.Value},
			Direction: wayOfReach(old.Value, now.Value), Text: "was " + old.Value + ", is now " + now.Value,
			File: now.File, Line: now.Line, Setting: deciding(before, after, now, name),
		})
	}
	return out
}

// host is what is said of a listener, without its port.
func host(value string) string {
	host, _, _ := strings.Cut(value, " port ")
	return host
}

// wayOfReach says whether more can connect than before.
func wayOfReach(before, after string) finding.Direction {
	reach := func(value string) fit.Reach {
		word, _, _ := strings.Cut(value, ",")
		return fit.Reach(word)
	}
	switch was, is := reach(before), reach(after); {
	case is.Wider(was):
		return finding.Weaker
	case was.Wider(is):
		return finding.Stronger
	default:
		return finding.Unclear
	}
}

// deciding is the setting that made the change: of the address and bind_addr the one that differs.
func deciding(before, after Posture, now finding.Setting, name string) string {
	own := "addresses." + name
	value := func(p Posture) string {
		at := slices.IndexFunc(p.Settings, func(s finding.Setting) bool { return s.Role == now.Role && s.Path == own })
		if at < 0 {
			return ""
		}
		return p.Settings[at].Value
	}
	if value(before) != value(after) {
		return own
	}
	return "bind_addr"
}
