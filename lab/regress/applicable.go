package regress

import (
	"cmp"
	"crypto"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Mutations returns the mutations of the table that can be made of a user's configuration, in the table's order.
func Mutations() []mutation.Mutation {
	return slices.DeleteFunc(mutation.All(), func(m mutation.Mutation) bool { return !m.ForConfiguration() })
}

// inapplicable returns why the mutation changes nothing of the configuration; empty if it does.
func (s Source) inapplicable(m mutation.Mutation) string {
	for _, why := range []func(mutation.Mutation) string{s.lacksAgents, s.lacksLines, s.lacksIntroduction, s.lacksCertificates, s.lacksFile} {
		if reason := why(m); reason != "" {
			return reason
		}
	}
	return ""
}

// lacksAgents returns which agents are missing that the mutation needs.
func (s Source) lacksAgents(m mutation.Mutation) string {
	several := m.Role == pki.Server && (m.Sharing == mutation.Extra || m.Sharing == mutation.Alone)
	switch {
	case m.Role == pki.Client && !s.hasClients():
		return "there is no configuration of a client"
	case several && s.Servers < 3:
		return fmt.Sprintf("it takes one server of three, and there is %d", s.Servers)
	case m.NoLeader && s.Servers < 2:
		return "there is one server"
	default:
		return ""
	}
}

// lacksLines returns why the mutation's lines change nothing: the configuration has them already, or they have no effect.
func (s Source) lacksLines(m mutation.Mutation) string {
	for _, l := range m.Lines {
		already, stands := true, false
		for _, role := range s.rolesOf(m) {
			files := s.files(role)
			if why := idle(files, l.Path); why != "" {
				return why
			}
			stands = stands || len(files.Lookup(l.Path)) > 0
			already = already && l.Value != "" && is(files, l.Path, l.Value)
		}
		switch {
		case already:
			return fmt.Sprintf("%s is %s as it is", l.Path, l.Value)
		case l.Was != "" && len(s.takenOut(l)) == 0:
			return fmt.Sprintf("%s = %s stands nowhere", l.Path, l.Was)
		case l.Value == "" && !stands:
			return l.Path + " stands nowhere"
		}
	}
	return ""
}

// lacksIntroduction returns why a client's node pool has no effect: servers accept a client into any node pool.
func (s Source) lacksIntroduction(m mutation.Mutation) string {
	const enforcement = "server.client_introduction.enforcement"
	ofPool := slices.ContainsFunc(m.Lines, func(l mutation.Line) bool { return l.Path == "client.node_pool" })
	if !ofPool || is(s.files(pki.Server), enforcement, `"strict"`) {
		return ""
	}
	return "client.node_pool decides nothing about who gets in unless " + enforcement + " is strict"
}

// rolesOf returns the roles whose agents carry the mutation.
func (s Source) rolesOf(m mutation.Mutation) []pki.Role {
	return slices.DeleteFunc(s.roles(), func(role pki.Role) bool { return m.Role != "" && m.Role != role })
}

// takenOut returns the overrides that remove the line wherever it has the value Was.
func (s Source) takenOut(l mutation.Line) []spec.Override {
	var overrides []spec.Override
	for _, role := range s.roles() {
		if files := s.files(role); len(files.Lookup(l.Path)) > 0 && is(files, l.Path, l.Was) {
			overrides = append(overrides, spec.Override{Role: role, Path: l.Path})
		}
	}
	return overrides
}

// lacksCertificates returns why no certificate can be made for the agents, or no authority added to theirs.
func (s Source) lacksCertificates(m mutation.Mutation) string {
	files, c := s.files(m.Role), s.Configuration
	switch {
	case m.ForeignTrust && files.Text("tls.ca_file") == "":
		return "no tls.ca_file is named"
	case m.Certificate == nil:
		return ""
	case files.Text("tls.cert_file") == "":
		return "no tls.cert_file is named"
	case (c.Server.Credential != nil || c.Client.Credential != nil) && c.Authority == nil:
		return "the key of your authority is not among your files"
	default:
		return ""
	}
}

// lacksFile returns why no file can get the defect.
func (s Source) lacksFile(m mutation.Mutation) string {
	if m.File == nil {
		return ""
	}
	_, reason := s.defective(m.Role, *m.File)
	return reason
}

// defective returns the configuration with the defect in one of its own files, or why no file can get it.
func (s Source) defective(role pki.Role, d mutation.FileDefect) (out Source, lacks string) {
	out = s
	out.Originals = slices.Clone(s.Originals)
	at := slices.IndexFunc(out.Originals, func(o Original) bool { return o.Role == role && o.Holds == Holds(d.Holds) })
	if at < 0 {
		return s, fmt.Sprintf("no file with a %s of a %s was read", d.Holds, role)
	}
	if d.Beside != "" {
		known := authorities(s.Material)
		if len(known) == 0 {
			return s, "no certificate of an authority was read"
		}
		beside := Material{Path: filepath.Join(filepath.Dir(out.Originals[at].Path), d.Beside), Role: role}
		beside.Keys = []crypto.PublicKey{known[0].PublicKey}
		out.Material = append(slices.Clone(s.Material), beside)
		return out, ""
	}
	before := out.Originals[at]
	out.Originals[at].Mode |= d.Mode
	if d.Owner != 0 {
		out.Originals[at].Owner = d.Owner
	}
	if after := out.Originals[at]; after.Mode == before.Mode && after.Owner == before.Owner {
		return s, before.Path + " is so as it is"
	}
	return out, ""
}

// is reports whether agents with the files have that value of the setting, which may be the default.
func is(files agentconf.Files, path, value string) bool {
	if value == "true" || value == "false" {
		if len(files.Lookup(path)) == 0 {
			return cmp.Or(usual(path), "false") == value
		}
		on, err := files.Flag(path)
		return err == nil && fmt.Sprint(on) == value
	}
	counts, stands := files.EffectiveLine(path)
	if !stands {
		return canonical(path, value) == usual(path)
	}
	return plain(counts.Value) == plain(value)
}

// usual returns Nomad's default of a setting of mutations. Empty: none.
func usual(path string) string {
	return map[string]string{
		"tls.tls_min_version":                    "tls12", // helper/tlsutil/config.go:452
		"server.client_introduction.enforcement": "warn",  // nomad/structs/node.go:863-865
		"server.bootstrap_expect":                "0",
		"autopilot.cleanup_dead_servers":         "true", // nomad/structs/config/autopilot.go, DefaultAutopilotConfig
	}[path]
}

// idle returns why a setting of the tls block has no effect at agents with the files; empty if it has.
func idle(files agentconf.Files, path string) string {
	needs := map[string][]string{
		"tls.verify_https_client": {"tls.http"}, "tls.verify_server_hostname": {"tls.rpc"}, "tls.rpc_upgrade_mode": {"tls.rpc"},
		"tls.tls_min_version": {"tls.http", "tls.rpc"}, "tls.tls_cipher_suites": {"tls.http", "tls.rpc"},
	}[path]
	for _, setting := range needs {
		if on, err := files.Flag(setting); err == nil && on {
			return ""
		}
	}
	if len(needs) == 0 {
		return ""
	}
	return fmt.Sprintf("%s decides nothing without %s", path, strings.Join(needs, " or "))
}
