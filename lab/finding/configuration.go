package finding

import "strings"

// Configuration is the user's own agent configuration as the cluster ran it. The zero value has no files.
type Configuration struct {
	// Files are in the order in which the agent reads them: a later one overrides an earlier one.
	Files []ConfigurationFile `json:"files"`
	// Settings are what the files set, merged, by role and path.
	Settings []Setting `json:"settings"`
	// Others are the settings of the files that no check rests on, by role and path. Empty: none.
	Others []Setting `json:"others,omitempty"`
	// Listens says where agents listen and who can connect there, by role. The port's name is in the path (listens.http);
	// the files and Nomad's defaults decide the value. Empty: not known.
	Listens []Setting `json:"listens,omitempty"`
	// Replaced are the lines that the cluster could not run as they are. Empty: none.
	Replaced []Replaced `json:"replaced,omitempty"`
}

// ConfigurationFile is a file of an agent's configuration.
type ConfigurationFile struct {
	// Role is that of the agents that read it: server, client.
	Role string `json:"role"`
	// Path is the one that the user gave.
	Path string `json:"path"`
}

// Setting is one line of an agent's configuration.
type Setting struct {
	// Role is that of the agents: server, client.
	Role string `json:"role"`
	// Path names it from the outermost block inwards, for example "tls.verify_server_hostname".
	Path string `json:"path"`
	// Value is an HCL literal with secrets redacted.
	Value string `json:"value"`
	// File and Line are where it is set, the line counted from 1. Empty and 0: in no file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// RoleOf returns the role whose configuration has the setting, if an agent of role asked was probed: servers have the
// server and autopilot blocks, clients have client and plugin; each agent has all others of its own.
func RoleOf(path, asked string) string {
	switch block, _, _ := strings.Cut(path, "."); block {
	case "server", "autopilot":
		return "server"
	case "client", "plugin":
		return "client"
	default:
		return asked
	}
}

// Replaced is a line of the user's configuration that was changed, because the cluster could not run with it.
type Replaced struct {
	// Role is that of the agents: server, client.
	Role string `json:"role"`
	// File and Line are where it stands, the line counted from 1. Line 0: it was added.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Setting is its path, for example "data_dir".
	Setting string `json:"setting"`
	// Was and Became are HCL literals with secrets redacted. Was is empty if the line was added, Became if it was removed.
	Was    string `json:"was,omitempty"`
	Became string `json:"became,omitempty"`
	// Because says why, as a sentence. Reports show lines with the same reason together.
	Because string `json:"because"`
}
