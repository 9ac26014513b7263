package agentconf

import (
	"slices"

	"nomadlab.internal/lab/agentconf/model"
)

// Unread is a line that Nomad ignores without a message.
type Unread struct {
	Line
	// Setting is its path, such as vault.task_token_ttl.
	Setting string
	// Since is the first release of model.Releases that does not read it any more. Empty: none of them reads it, for example
	// because its name is misspelt.
	Since string
}

// Unread returns the lines of settings that Nomad does not have, in files that Nomad accepts. Nomad does not check
// everywhere for unexpected keys, for example not in consul, vault or limits (command/agent/config_parse.go, parseVaults,
// parseConsuls and extraKeys; verified against Nomad 1.11.3). Unread does not find what only looks like a block, such as
// an identity that JSON has in the place of its block. Comments of JSON, named //, do not count.
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

// Release returns the release of Nomad whose settings this package knows, such as "1.11.3".
func Release() string {
	all := model.Releases()
	return all[len(all)-1]
}
