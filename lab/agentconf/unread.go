package agentconf

import (
	"slices"

	"nomadlab.internal/lab/agentconf/model"
)

// Unread is a line that Nomad passes over without a word.
type Unread struct {
	Line
	// Setting is its path, such as vault.task_token_ttl.
	Setting string
	// Since is the first release of Nomad that does not read it any more, of those that model.Releases names. Empty: none of them has
	// read it, as where its name is misspelt.
	Since string
}

// Unread are the lines of settings that Nomad does not have, in files that it takes: it does not look everywhere for unexpected keys,
// and leaves out what it does not know in consul, vault or limits, for example (command/agent/config_parse.go, parseVaults,
// parseConsuls and extraKeys; verified against Nomad 1.11.3). What only looks like a block that it reads, such as an identity that
// JSON has in the place of its block, is not found. A comment of JSON, whose name is //, is none of them.
func (f Files) Unread() []Unread {
	var out []Unread
	for i, t := range f.readable() {
		t.root.each(nil, func(names []string, p place) {
			if _, known := model.Find(names); !known && !slices.Contains(names, "//") {
				out = append(out, Unread{Line: f[i].line(t, p), Setting: Path(names...), Since: model.GoneSince(names)})
			}
		})
	}
	return out
}

// Release is the release of Nomad whose settings this package knows, such as "1.11.3".
func Release() string {
	all := model.Releases()
	return all[len(all)-1]
}
