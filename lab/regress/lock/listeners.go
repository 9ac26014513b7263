package lock

import (
	"cmp"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/fit"
)

// listens begins the paths that say where an agent listens, such as listens.http. No file sets them: several settings and
// Nomad's defaults decide them.
const listens = "listens."

// isListener reports whether the setting says where an agent listens.
func isListener(s finding.Setting) bool { return strings.HasPrefix(s.Path, listens) }

// listeners returns the changes of who can connect to agents, which is part of the posture. Another port of the same address
// is no change, nor is a listener that one side does not know, as an older lock does.
func listeners(before, after Posture) []finding.Change {
	var out []finding.Change
	for _, now := range after.Settings {
		at := indexOf(before.Settings, now)
		if at < 0 || !isListener(now) || host(before.Settings[at].Value) == host(now.Value) {
			continue
		}
		old := before.Settings[at]
		name := strings.TrimPrefix(now.Path, listens)
		plane := map[string]string{"http": "HTTP", "rpc": "RPC", "serf": "gossip"}[name]
		out = append(out, finding.Change{
			ID: now.Role + "-listens-" + name, Title: "who can connect to a " + now.Role + "'s " + cmp.Or(plane, name) + " port", Plane: plane, Severity: "medium",
			Before: finding.State{Result: finding.Pass, Outcome: old.Value}, After: finding.State{Result: finding.Pass, Outcome: now.Value},
			Direction: directionOfReach(old.Value, now.Value), Text: "was " + old.Value + ", is now " + now.Value,
			File: now.File, Line: now.Line, Setting: deciding(before, after, now, name),
		})
	}
	return out
}

// host returns the description of a listener without its port.
func host(value string) string {
	host, _, _ := strings.Cut(value, " port ")
	return host
}

// directionOfReach says whether more callers can connect than before.
func directionOfReach(before, after string) finding.Direction {
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

// deciding returns the setting that made the change: the port's own address if it differs, else bind_addr.
func deciding(before, after Posture, now finding.Setting, name string) string {
	own := "addresses." + name
	value := func(p Posture) string {
		at := indexOf(p.Settings, finding.Setting{Role: now.Role, Path: own})
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
