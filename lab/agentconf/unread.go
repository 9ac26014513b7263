package agentconf

import (
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

// Unread are the lines of settings that Nomad does not have, in files that it takes: in the blocks consul, vault and keyring it looks
// for no unexpected keys, and leaves out what it does not know (command/agent/config_parse.go:453, parseVaults, parseConsuls and
// parseKeyringConfigs; verified against Nomad 1.11.3).
func (f Files) Unread() []Unread {
	var out []Unread
	for i, t := range f.readable() {
		t.root.each(nil, func(names []string, p place) {
			if _, known := model.Find(names); !known {
				out = append(out, Unread{Line: f[i].line(t, p), Setting: Path(names...), Since: model.GoneSince(names)})
			}
		})
	}
	return out
}
