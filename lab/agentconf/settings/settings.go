// Package settings is the one table of what each setting of Nomad 1.11.3 means: for which agents it counts, how a change takes
// effect, whether it is a secret, whether it is dangerous on a machine that others share, and what it decides of security.
//
// Which settings there are is held against package model, and so against Nomad's source. Which checks rest on a setting is not in
// the table: the checks say so themselves. A setting has either checks or, here, the reason why it needs none.
package settings

import (
	"slices"
	"strconv"
	"strings"
)

// Setting is one that Nomad reads, or an option of a driver that is part of Nomad.
type Setting struct {
	// Names lead to it, from the top of a file. Any stands for a label, or for the key of a map.
	Names []string
	// Roles are the agents that it counts for.
	Roles Roles
	// Effect is how a change of it takes effect.
	Effect Effect
	// Secret says whether its value is a secret.
	Secret Secret
	// Redacted is true where /v1/agent/self shows that there is a value, and not which.
	Redacted bool
	// Danger says what it lets jobs do on the machine of the agent.
	Danger Danger
	// NoMeaning is the reason why it decides nothing of security. Empty: checks rest on it.
	NoMeaning string
}

// Any stands in a path where a label or the key of a map stands in a file.
const Any = "*"

// Roles are the agents that a setting counts for.
type Roles string

// The roles.
const (
	ForAll     Roles = "all"
	ForServers Roles = "servers"
	ForClients Roles = "clients"
)

// Effect is how a change takes effect.
type Effect string

// The ways. An agent reloads its files on SIGHUP (command/agent/command.go:1174, handleReload).
const (
	Restart Effect = "restart"
	Reload  Effect = "reload"
)

// Secret says where in a value a secret is.
type Secret string

// The kinds of secrets. The zero Secret is none.
const (
	// Whole is a value that is a secret.
	Whole Secret = "the value"
	// InQuery is a query of go-discover, "provider=aws …", in which a cloud's secret may stand.
	InQuery Secret = "a cloud's secret in a query of go-discover"
	// InAddress is an address, in which a password may stand: https://user:password@host.
	InAddress Secret = "a password in the address"
	// ByName is an option that Nomad does not know, which is a secret where its name says so.
	ByName Secret = "where the option's name says so"
)

// Danger says what a setting lets jobs do on the machine of the agent.
type Danger string

// The dangers. The zero Danger is none.
const (
	// RunsPrograms is a setting that, switched on, has jobs run any program as the agent's user.
	RunsPrograms Danger = "runs programs as the agent's user"
	// LeavesTask is a setting that, switched on or given a value, lets a job's templates and downloads out of the task's folder.
	LeavesTask Danger = "lets templates and downloads out of the task's folder"
	// KeepsInTask is a list that keeps a job's templates inside: it is dangerous where something lacks in it.
	KeepsInTask Danger = "keeps templates in the task's folder"
	// GivesFolders is a setting by which a task gets folders of the machine.
	GivesFolders Danger = "gives tasks folders of the machine"
	// RunsFolder is a folder of the machine whose programs the agent runs, also for callers who may create a volume or a network.
	RunsFolder Danger = "has the agent run the programs of a folder of the machine"
	// Listens is a setting by which tasks listen at an address of the machine.
	Listens Danger = "has tasks listen at addresses of the machine"
	// LoosensDriver is an option of a driver that no lab without containers runs.
	LoosensDriver Danger = "loosens a driver's isolation"
)

// Path is the names with dots between. One that has dots in it has quotes.
func (s Setting) Path() string {
	words := slices.Clone(s.Names)
	for i, name := range words {
		if strings.Contains(name, ".") {
			words[i] = strconv.Quote(name)
		}
	}
	return strings.Join(words, ".")
}

// Block is the path of the block that the setting is in, up to the first label: of client.template.wait.min it is
// client.template, of plugin.raw_exec.config.enabled plugin.
func (s Setting) Block() string {
	if s.Names[0] == "plugin" {
		return "plugin"
	}
	return strings.Join(s.Names[:min(2, len(s.Names))], ".")
}

// Table is all settings. It is made once for several look-ups.
type Table []Setting

// All returns the table, by path.
func All() Table {
	all := slices.Concat(agent(), network(), logs(), tls(), acl(), limits(), telemetry(), consul(), vault(), ui(), enterprise(),
		server(), serverTimes(), serverJobs(), client(), clientMachine(), templates(), artifacts(), drivers(), options(), keyring())
	slices.SortStableFunc(all, func(a, b Setting) int { return slices.Compare(a.Names, b.Names) })
	return all
}

// Find returns the setting of these names as they stand in a file; ok is false for one that Nomad does not know. Nomad does not
// look at the case of a name. A row of an own name comes before one of Any. What is in a block of a plugin's config, and has no
// row of its own, is found with the row of the block's.
func (t Table) Find(names []string) (found Setting, ok bool) {
	if s, ok := t.find(names); ok {
		return s, true
	}
	if len(names) > 4 && strings.EqualFold(names[0], "plugin") {
		return t.Find(names[:len(names)-1])
	}
	return Setting{}, false
}

func (t Table) find(names []string) (found Setting, ok bool) {
	exact := -1
	for _, s := range t {
		if n := s.fits(names); n > exact {
			found, exact = s, n
		}
	}
	return found, exact >= 0
}

// fits returns how many of the names are the setting's own, or -1 where it is another one.
func (s Setting) fits(names []string) int {
	if len(names) != len(s.Names) {
		return -1
	}
	own := 0
	for i, name := range s.Names {
		switch {
		case strings.EqualFold(name, names[i]):
			own++
		case name != Any:
			return -1
		}
	}
	return own
}

// checked are settings that checks rest on.
func checked(paths ...string) []Setting { return none("", paths...) }

// none are settings that decide nothing of security, with the reason.
func none(reason string, paths ...string) []Setting {
	out := make([]Setting, len(paths))
	for i, path := range paths {
		out[i] = Setting{Names: strings.Split(path, "."), Roles: ForAll, Effect: Restart, NoMeaning: reason}
	}
	return out
}

// in puts settings into a block, of agents of those roles.
func in(block string, roles Roles, rows ...[]Setting) []Setting {
	out := slices.Concat(rows...)
	for i := range out {
		out[i].Roles = roles
		out[i].Names = append(strings.Split(block, "."), out[i].Names...)
	}
	return out
}

// of says which agents the settings count for.
func of(roles Roles, rows []Setting) []Setting {
	return with(rows, func(s *Setting) { s.Roles = roles })
}

// reloads are settings that an agent takes on SIGHUP.
func reloads(rows []Setting) []Setting {
	return with(rows, func(s *Setting) { s.Effect = Reload })
}

// secret are settings whose value is a secret of that kind.
func secret(kind Secret, rows []Setting) []Setting {
	return with(rows, func(s *Setting) { s.Secret = kind })
}

// redacted are settings that /v1/agent/self redacts (command/agent/agent_endpoint.go:90-100).
func redacted(rows []Setting) []Setting {
	return with(rows, func(s *Setting) { s.Redacted = true })
}

// dangerous are settings that are dangerous on the agent's machine.
func dangerous(kind Danger, rows []Setting) []Setting {
	return with(rows, func(s *Setting) { s.Danger = kind })
}

// with says the same of each setting.
func with(rows []Setting, say func(*Setting)) []Setting {
	for i := range rows {
		say(&rows[i])
	}
	return rows
}
