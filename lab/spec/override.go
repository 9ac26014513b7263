package spec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Override is one line of the agents' configuration that a lab sets otherwise.
type Override struct {
	// Role is the role of the agents: server or client. Zero: every agent that has such a block.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: every agent of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// Path names the blocks around the line and the line, with dots between, such as tls.http. The label of a block
	// follows its name: plugin.raw_exec.config.enabled.
	Path string `yaml:"path" json:"path"`
	// Value is a literal of HCL: false, 10, "0s", ["a", "b"]. A string has its quotes. Zero: the line is removed.
	Value string `yaml:"value,omitempty" json:"value,omitempty"`
}

// String returns the override in words, such as "tls.http = false on clients".
func (s Override) String() string {
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

// OverridesText returns the overrides in words, with commas between.
func OverridesText(overrides []Override) string {
	words := make([]string, len(overrides))
	for i, s := range overrides {
		words[i] = s.String()
	}
	return strings.Join(words, ", ")
}

// ConcernsRole reports whether the override applies to agents of the role.
func (s Override) ConcernsRole(role pki.Role) bool {
	only := s.only()
	return (s.Role == "" || s.Role == role) && (only == "" || only == role)
}

// ConcernsNode reports whether the override applies to the node of that name and role.
func (s Override) ConcernsNode(role pki.Role, name string) bool {
	return s.ConcernsRole(role) && (s.Node == "" || s.Node == name)
}

// only returns the one role whose agents have such a block; empty if agents of both roles have it.
func (s Override) only() pki.Role {
	switch block, _, _ := strings.Cut(s.Path, "."); block {
	case "server":
		return pki.Server
	case "client", "plugin":
		return pki.Client
	default:
		return ""
	}
}

// Below reports whether the path is one of these paths or below one of them. The case of names does not count, as in
// Nomad.
func (s Override) Below(paths ...string) bool {
	path := strings.ToLower(s.Path) + "."
	return slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(path, p+".") })
}

// gossipKeyPath is the path of the gossip key, a secret, which a lab's own servers read from a file of its own.
const gossipKeyPath = "server.encrypt"

// RemovesGossipKey reports whether the override removes the gossip key.
func (s Override) RemovesGossipKey() bool { return s.Below(gossipKeyPath) && s.Value == "" }

func (v *validator) overrides(overrides []Override, ofUser bool) {
	for i, s := range overrides {
		at := fmt.Sprintf("overrides[%d].", i)
		if s.Role != "" && s.Role != pki.Server && s.Role != pki.Client {
			v.add(at+"role", fmt.Sprintf("%q", s.Role), "use server or client, or leave it out for every agent")
		} else if !s.ConcernsRole(pki.Server) && !s.ConcernsRole(pki.Client) {
			v.add(at+"role", fmt.Sprintf("%q", s.Role), fmt.Sprintf("use %s or leave it out: no other agent has %s", s.only(), s.Path))
		}
		if err := agentconf.CheckSetting(s.Path, ""); err != nil {
			v.add(at+"path", fmt.Sprintf("%q", s.Path), err.Error())
			continue
		}
		v.overrideValue(at, s, ofUser)
	}
}

// overrideValue checks an override whose path is valid. In a user configuration the gossip key is a line like any other.
func (v *validator) overrideValue(at string, s Override, ofUser bool) {
	name := s.Path[strings.LastIndex(s.Path, ".")+1:]
	line := fmt.Appendf(nil, "%s = %s", name, s.Value)
	switch {
	case s.Below(gossipKeyPath) && ofUser, s.RemovesGossipKey():
	case s.Below(gossipKeyPath):
		v.add(at+"value", "the value of what is a secret", "leave it out for servers without a gossip key, and use extra nodes for servers with another one")
	case s.Below("name", "region", "datacenter", "data_dir", "bind_addr", "addresses", "advertise", "ports", "plugin_dir",
		"server.enabled", "client.enabled"):
		v.add(at+"path", fmt.Sprintf("%q", s.Path), "leave it out: the lab needs it to find its agents")
	case !bytes.Equal(agentconf.Redact(line), line):
		v.add(at+"value", "the value of what looks like a secret", "leave it out: the plan and the evidence of a lab show its overrides")
	default:
		if err := agentconf.CheckSetting(s.Path, s.Value); err != nil {
			v.add(at+"value", fmt.Sprintf("%q", s.Value), err.Error())
		}
	}
}
