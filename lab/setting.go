package lab

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/settings"
	"nomadlab.internal/lab/pki"
)

// Setting is one line of the agents' configuration that is not as a lab has it.
type Setting struct {
	// Role says whose configuration it is: server or client. Zero: that of every agent that has such a block.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node names the one agent whose configuration it is. Zero: that of every agent of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// Path leads to the line: the blocks that it is in and its name, with dots between, such as tls.http. The label of a
	// block follows its name: plugin.raw_exec.config.enabled.
	Path string `yaml:"path" json:"path"`
	// Value is a literal of HCL: false, 10, "0s", ["a", "b"]. A text has its quotes. Zero: the line is taken out.
	Value string `yaml:"value,omitempty" json:"value,omitempty"`
}

// String is the setting in words, such as "tls.http = false on clients".
func (s Setting) String() string {
	text := s.Path + " = " + s.Value
	if s.Value == "" {
		text = "no " + s.Path
	}
	switch {
	case s.Node != "":
		text += " on " + s.Node
	case s.Role != "":
		text += " on " + string(s.Role) + "s"
	}
	return text
}

// SettingsText is the settings in words, one behind the other.
func SettingsText(settings []Setting) string {
	words := make([]string, len(settings))
	for i, s := range settings {
		words[i] = s.String()
	}
	return strings.Join(words, ", ")
}

// concerns says whether the setting is one of agents of that role.
func (s Setting) concerns(role pki.Role) bool {
	only := s.only()
	return (s.Role == "" || s.Role == role) && (only == "" || only == role)
}

// concernsNode says whether the setting is one of that node.
func (s Setting) concernsNode(n PlannedNode) bool {
	return s.concerns(n.Role) && (s.Node == "" || s.Node == n.Name)
}

// only is the one role whose agents have such a block. Zero: agents of both have it.
func (s Setting) only() pki.Role {
	switch block, _, _ := strings.Cut(s.Path, "."); block {
	case "server":
		return pki.Server
	case "client", "plugin":
		return pki.Client
	default:
		return ""
	}
}

// below says whether the path is one of these or leads through one of them. Nomad does not look at the case of a name.
func (s Setting) below(paths ...string) bool {
	path := strings.ToLower(s.Path) + "."
	return slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(path, p+".") })
}

// letsAnybodySubmit reports whether the setting may let a job be submitted without a token, which servers decide: their acl block
// or its "enabled" is another one.
func (s Setting) letsAnybodySubmit() bool {
	path := strings.ToLower(s.Path)
	return s.concerns(pki.Server) && (path == "acl" || path == "acl.enabled")
}

// gossipKeyPath is the setting that a lab's own agents have in a file of its own: its value is a secret.
const gossipKeyPath = "server.encrypt"

// noGossipKey reports whether the setting takes the gossip key away.
func (s Setting) noGossipKey() bool { return s.below(gossipKeyPath) && s.Value == "" }

// Weakened says whether an agent of the lab may lack a protection: each setting but one about a task driver counts, and
// each certificate that a lab would not give.
func (p *Plan) Weakened() bool {
	return p.Configured || p.Certificates.Weakened() || slices.ContainsFunc(p.Settings, func(s Setting) bool { return !s.below("plugin") })
}

// edit changes the lines of a node's configuration that are not to be as a lab has them.
func (p *Plan) edit(n PlannedNode, config []byte) ([]byte, error) {
	for _, s := range p.Settings {
		if !s.concernsNode(n) || s.noGossipKey() { // which is in no file of the node then
			continue
		}
		changed, err := agentconf.Edit(config, s.Path, s.Value)
		if err != nil {
			return nil, &InvalidError{Problems: []Problem{{
				Field: "settings", Found: fmt.Sprintf("%q, for %s", s, n.Name), Mend: err.Error(),
			}}}
		}
		config = changed
	}
	return config, nil
}

// checkGround refuses what must not be on this machine's loopback: tasks of a weakened lab, which any local program could
// start, task drivers and addresses that a lab leaves out there, and, where no token is needed to submit a job, what lets a
// job's templates, downloads and volumes out of the task's own folder: with them a job runs commands without any driver.
// A user's configuration has rules of its own, see refuseHere.
func (p *Plan) checkGround(g Ground) error {
	if g.contained() {
		return nil
	}
	var problems []Problem
	tokens := p.bootstrapped() && !slices.ContainsFunc(p.Settings, Setting.letsAnybodySubmit)
	for _, s := range p.Settings {
		if s.is(settings.Listens) || s.below("client.options") || !p.Configured && s.isRefused(p.Weakened(), tokens) {
			problems = append(problems, Problem{
				Field: "settings", Found: fmt.Sprintf("%q, on this machine's loopback, where others could make use of it", s),
				Mend: "bring the lab up in containers, or leave it out",
			})
		}
	}
	if len(problems) > 0 {
		return &InvalidError{Problems: problems}
	}
	return nil
}

// is reports whether the setting is in a block that has one of such a danger.
func (s Setting) is(dangers ...settings.Danger) bool {
	return slices.ContainsFunc(settings.All(), func(known settings.Setting) bool {
		return slices.Contains(dangers, known.Danger) && s.below(known.Block())
	})
}

// isRefused reports whether a lab of its own configuration that shares this machine's loopback must not have the setting: one of
// drivers where the lab is weakened, and what lets jobs out of the task's folder where no token is needed to submit one.
func (s Setting) isRefused(weakened, tokens bool) bool {
	outside := s.is(settings.LeavesTask, settings.KeepsInTask, settings.GivesFolders, settings.RunsFolder)
	return s.below("plugin") && weakened || outside && !tokens
}

func (v *validator) settings(settings []Setting, ofUser bool) {
	for i, s := range settings {
		at := fmt.Sprintf("settings[%d].", i)
		if s.Role != "" && s.Role != pki.Server && s.Role != pki.Client {
			v.add(at+"role", fmt.Sprintf("%q", s.Role), "use server or client, or leave it out for every agent")
		} else if !s.concerns(pki.Server) && !s.concerns(pki.Client) {
			v.add(at+"role", fmt.Sprintf("%q", s.Role), fmt.Sprintf("use %s or leave it out: no other agent has %s", s.only(), s.Path))
		}
		if err := agentconf.CheckSetting(s.Path, ""); err != nil {
			v.add(at+"path", fmt.Sprintf("%q", s.Path), err.Error())
			continue
		}
		v.settingValue(at, s, ofUser)
	}
}

// settingValue looks at a setting whose path is one. In a user's configuration the gossip key is a line like any other.
func (v *validator) settingValue(at string, s Setting, ofUser bool) {
	name := s.Path[strings.LastIndex(s.Path, ".")+1:]
	line := fmt.Appendf(nil, "%s = %s", name, s.Value)
	switch {
	case s.below(gossipKeyPath) && ofUser, s.noGossipKey():
	case s.below(gossipKeyPath):
		v.add(at+"value", "the value of what is a secret", "leave it out for servers without a gossip key, and use joiners for servers with another one")
	case s.below("name", "region", "datacenter", "data_dir", "bind_addr", "addresses", "advertise", "ports", "plugin_dir",
		"server.enabled", "client.enabled"):
		v.add(at+"path", fmt.Sprintf("%q", s.Path), "leave it out: by this the lab finds its agents")
	case !bytes.Equal(agentconf.Redact(line), line):
		v.add(at+"value", "the value of what looks like a secret", "leave it out: the plan and the evidence of a lab show its settings")
	default:
		if err := agentconf.CheckSetting(s.Path, s.Value); err != nil {
			v.add(at+"value", fmt.Sprintf("%q", s.Value), err.Error())
		}
	}
}

// httpScheme is how the node's HTTP port is spoken to.
func (n PlannedNode) httpScheme() string {
	if n.HTTPInClear {
		return "http"
	}
	return "https"
}
