package regress

import (
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
)

// listens is where the role's agents listen, as the files say it: who can connect is part of the posture. It is no promise, as every
// address is right somewhere; lock and diff tell where it became another one.
func listens(role pki.Role, files agentconf.Files) []finding.Setting {
	all, err := fit.Listeners(files, role == pki.Server)
	if err != nil {
		return nil // the agents do not start with it
	}
	var out []finding.Setting
	for _, l := range all {
		s := finding.Setting{Role: string(role), Path: "listens." + l.Name, Value: l.String()}
		if line, stands := files.Counts(l.Setting); stands {
			s.File, s.Line = line.File, line.Number
		}
		out = append(out, s)
	}
	return out
}

// listenSettings are the settings that decide it.
func listenSettings() []string {
	return []string{"bind_addr", "addresses.http", "addresses.rpc", "addresses.serf", "ports.http", "ports.rpc", "ports.serf"}
}
