package finding

import "strings"

// Configuration is the user's own configuration of the agents, as the cluster ran it: which files it was read from,
// what they set, and what could not be used as it stands. Its zero value is a configuration without files.
type Configuration struct {
	// Files are those that were read, in the order in which the agent reads them: a later one overrides an earlier one.
	Files []ConfigurationFile `json:"files"`
	// Settings are what the files set, merged, by role and path.
	Settings []Setting `json:"settings"`
	// Others are the settings that the files set and no promise rests on, by role and path; empty: there are none.
	Others []Setting `json:"others,omitempty"`
	// Listens is where agents listen and who can connect there, by role, with the port's name in the path (listens.http), as the
	// files and Nomad's defaults say it; empty: it is not known.
	Listens []Setting `json:"listens,omitempty"`
	// Replaced are the lines that were not used as they stand; empty: all were.
	Replaced []Replaced `json:"replaced,omitempty"`
}

// ConfigurationFile is a file that an agent's configuration was read from.
type ConfigurationFile struct {
	// Role says which agents read it: server, client.
	Role string `json:"role"`
	// Path is the file's, as the user gave it.
	Path string `json:"path"`
}

// Setting is one line of an agent's configuration.
type Setting struct {
	// Role says whose agents have it: server, client.
	Role string `json:"role"`
	// Path names it from the outermost block inwards, for example "tls.verify_server_hostname".
	Path string `json:"path"`
	// Value is an HCL literal; a secret is redacted in it.
	Value string `json:"value"`
	// File and Line are where it is set, the line counted from 1; empty and 0: in no file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// RoleOf says whose configuration a setting is looked for in, where an agent of that role was asked: a server's blocks are in
// servers' configuration and a client's in clients', whoever is asked about them; all others are each agent's own.
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

// Replaced is a line of the user's configuration that was not used as it stands, since the cluster could not run on it.
type Replaced struct {
	// Role says whose agents it is for: server, client.
	Role string `json:"role"`
	// File and Line are where it stands, the line counted from 1; Line 0: it was not there, it was added.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Setting names it by its path, for example "data_dir".
	Setting string `json:"setting"`
	// Was and Became are HCL literals with secrets redacted. Was is empty where it was added, Became where it was taken out.
	Was    string `json:"was,omitempty"`
	Became string `json:"became,omitempty"`
	// Because says why, as a sentence; lines with the same reason are shown together.
	Because string `json:"because"`
}
