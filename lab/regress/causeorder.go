package regress

import (
	"cmp"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// orderCauses puts the settings of each failed check in the order in which they most likely are the cause:
//
//   - a client's certificate that names a server, for what its holder may do as a server;
//   - settings with a value of a mutation of the table, with which a check was seen to fail: first those that turn a protection
//     off, without which others of their block have no effect;
//   - other settings that the files set;
//   - settings that no file sets.
//
// client is the user's certificate of clients, or nil.
func orderCauses(r *finding.Report, client *pki.Credential) {
	weak := weakValues()
	roles := map[string]string{
		finding.FilesOf(string(pki.Server)): string(pki.Server), finding.FilesOf(string(pki.Client)): string(pki.Client),
	}
	for _, n := range r.Cluster.Nodes {
		roles[n.Name] = n.Role
	}
	for i, f := range r.Findings {
		if f.Result != finding.Fail {
			continue
		}
		names := client != nil && slices.Contains(asClient(), f.ID)
		if names && !slices.Contains(f.Settings, certFile) {
			f.Settings = append(slices.Clone(f.Settings), certFile)
			r.Findings[i].CertificateOf = string(pki.Client)
		}
		names = names && namesServer(*client)
		rank := func(path string) int {
			setting, stands := settingOf(r.Configuration, path, r.Findings[i].RoleOf(path, roles[f.Node]))
			isWeak := weak.has(path, setting, stands)
			switch {
			case path == certFile && names:
				return -1
			case isWeak && slices.Contains(switches(), path):
				return 0
			case isWeak:
				return 1
			case stands:
				return 2
			}
			return 3
		}
		settings := slices.Clone(f.Settings)
		slices.SortStableFunc(settings, func(a, b string) int { return rank(a) - rank(b) })
		r.Findings[i].Settings = settings
	}
}

// certFile is the setting that names an agent's certificate.
const certFile = "tls.cert_file"

// asClient returns the checks that call servers or other clients with a client's certificate.
func asClient() []string {
	return []string{
		"rpc-gives-root-keys-to-no-client", "rpc-gives-evaluations-to-no-client", "raft-refuses-client-certificate",
		"client-takes-no-client-for-a-server",
	}
}

// namesServer reports whether the certificate has a server's name, with which its holder is a server to Nomad
// (nomad/server.go:634).
func namesServer(c pki.Credential) bool {
	leaf, err := c.Leaf()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(namesOf(leaf), func(name string) bool {
		r, is := catalogue.ParseRoleName(name)
		return is && r.LetsIn && r.Role == string(pki.Server)
	})
}

// switches returns the settings without which others of their block have no effect. Nomad's default of each is false.
func switches() []string { return []string{"tls.rpc", "tls.http", "acl.enabled"} }

// weakLines are the values of settings, by path, with which checks were seen to fail. Secrets are not among them: reports do not
// have their values.
type weakLines map[string][]string

func weakValues() weakLines {
	weak := weakLines{}
	for _, m := range mutation.All() {
		if m.Equivalent != "" {
			continue
		}
		for _, line := range m.Lines {
			if value := canonical(line.Path, line.Value); value == plain(line.Value) {
				weak[line.Path] = append(weak[line.Path], value)
			}
		}
	}
	return weak
}

// has reports whether the setting has such a value. A setting that is not set has the value "", and Nomad's default.
func (w weakLines) has(path string, s finding.Setting, stands bool) bool {
	if stands {
		return slices.Contains(w[path], s.Value)
	}
	return slices.Contains(w[path], "") || slices.Contains(w[path], cmp.Or(usual(path), "false"))
}

// settingOf returns the setting of the role's agents, or of any agents if role is empty. stands is false if no file sets it.
func settingOf(c *finding.Configuration, path, role string) (s finding.Setting, stands bool) {
	for _, s := range slices.Concat(c.Settings, c.Others) {
		if s.Path == path && (role == "" || s.Role == role) {
			return s, true
		}
	}
	return finding.Setting{}, false
}
