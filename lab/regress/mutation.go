package regress

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Mutation is one change that weakens a configuration, or one that changes nothing and is there to show that nothing
// changes. No check knows of it.
type Mutation struct {
	// ID names it, such as "server-tls-10".
	ID string
	// Line is the change in words, such as `tls.tls_min_version = "tls10" on servers`.
	Line string
	// Settings are those that it touches.
	Settings []string
	// Equivalent says why an agent does the very same with it: Nomad's file and line. Empty: it is a weakening.
	Equivalent string

	// mutate changes the variant. It returns why the mutation does not apply; empty: it does.
	mutate func(*variant) (inapplicable string)
}

// Mutations are all that there are, family by family, each with an ID of its own.
func Mutations() []Mutation {
	return slices.Concat(tlsMutations(), limitMutations(), httpMutations(), gossipMutations(), aclMutations(),
		clientMutations(), certificateMutations(), fileMutations(), equivalentMutations())
}

// of is the configuration with the mutation, or why it does not apply.
func (m Mutation) of(s Source) (v variant, inapplicable string) {
	v = variant{source: s}
	v.source.Originals = slices.Clone(s.Originals)
	return v, m.mutate(&v)
}

// roles are whose configuration a line is changed in.
func roles() []pki.Role { return []pki.Role{pki.Server, pki.Client} }

// setLine is a mutation by one line of the agents of a role; zero: of both.
func setLine(id string, role pki.Role, path, value string) Mutation {
	where := "on every agent"
	if role != "" {
		id, where = fmt.Sprintf("%s-%s", role, id), fmt.Sprintf("on %ss", role)
	}
	return Mutation{
		ID: id, Line: fmt.Sprintf("%s = %s %s", path, value, where), Settings: []string{path},
		mutate: func(v *variant) string { return v.set(lab.Setting{Role: role, Path: path, Value: value}) },
	}
}

// onOneServer is a mutation by one line of a single server: the last, as it is seldom the one that is asked first.
func onOneServer(id, path, value string) Mutation {
	return Mutation{
		ID: "one-server-" + id, Line: fmt.Sprintf("%s = %s on one server", path, value), Settings: []string{path},
		mutate: func(v *variant) string {
			one, lacks := v.lastServer()
			if lacks != "" {
				return lacks
			}
			return v.set(lab.Setting{Role: pki.Server, Node: one, Path: path, Value: value})
		},
	}
}

// lastServer is the name of the lab's last server, or why none can be singled out.
func (v *variant) lastServer() (name, lacks string) {
	if v.source.Servers < 3 {
		return "", fmt.Sprintf("it takes one server of three, and there is %d", v.source.Servers)
	}
	return fmt.Sprintf("%s-%d", pki.Server, v.source.Servers), ""
}

// set has the setting changed, unless the configuration has that value anyway.
func (v *variant) set(s lab.Setting) string {
	if lacks := v.lacks(s.Role); lacks != "" {
		return lacks
	}
	already := true
	for _, role := range v.source.roles() {
		if s.Role != "" && s.Role != role {
			continue
		}
		if why := idle(v.source.files(role), s.Path); why != "" {
			return why
		}
		already = already && is(v.source.files(role), s.Path, s.Value)
	}
	if already {
		return fmt.Sprintf("%s is %s as it is", s.Path, s.Value)
	}
	v.settings = append(v.settings, s)
	return ""
}

// lacks says that there are no agents of the role.
func (v *variant) lacks(role pki.Role) string {
	if role == pki.Client && !v.source.hasClients() {
		return "there is no configuration of a client"
	}
	return ""
}

// is says whether agents with the files have that value of the setting already, be it by default.
func is(files agentconf.Files, path, value string) bool {
	if value == "true" || value == "false" {
		on, err := files.Flag(path)
		return err == nil && fmt.Sprint(on) == value
	}
	counts, stands := files.Counts(path)
	if !stands {
		return canonical(path, value) == usual(path)
	}
	return plain(counts.Value) == plain(value)
}

// usual is what Nomad takes where a setting is not there. Empty: nothing, or it is of no mutation.
func usual(path string) string {
	return map[string]string{
		"tls.tls_min_version":                    "tls12", // helper/tlsutil/config.go:452
		"server.client_introduction.enforcement": "warn",  // nomad/structs/node.go:863-865
		"server.bootstrap_expect":                "0",
	}[path]
}

// idle says why a setting of the tls block decides nothing at agents with the files; empty where it does.
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

// takeOut is a mutation that takes a line out.
func takeOut(id string, role pki.Role, path string) Mutation {
	return Mutation{
		ID: id, Line: fmt.Sprintf("no %s on %ss", path, role), Settings: []string{path},
		mutate: func(v *variant) string {
			if lacks := v.lacks(role); lacks != "" {
				return lacks
			}
			if len(v.source.files(role).Lookup(path)) == 0 {
				return path + " stands nowhere"
			}
			v.settings = append(v.settings, lab.Setting{Role: role, Path: path})
			return ""
		},
	}
}

// forBoth are mutations of each role.
func forBoth(of func(pki.Role) []Mutation) []Mutation {
	var all []Mutation
	for _, role := range roles() {
		all = append(all, of(role)...)
	}
	return all
}

// article is the role with its article.
func article(role pki.Role) string { return "a " + strings.ToLower(string(role)) }
