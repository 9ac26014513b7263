package regress

import (
	"cmp"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// blame puts the settings of each broken promise in the order in which they are to be looked at: those that the configuration
// has as a mutation of the table has them, by which a promise was seen to break, come before those that it has otherwise. Of
// several, what turns a protection off altogether comes before what loosens it, which does nothing then. Of the others, those that
// stand in the files come before those that do not: what nobody wrote is seldom what makes the difference. A client's certificate
// that names a server is to blame before all of them for what its holder may do as a server: the client is the one among the user's
// handed-in ones; nil: none was handed in.
func blame(r *finding.Report, client *pki.Credential) {
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
			weakened := weak.has(path, setting, stands)
			switch {
			case path == certFile && names:
				return -1
			case weakened && slices.Contains(switches(), path):
				return 0
			case weakened:
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

// asClient are the checks of what a client's certificate is good for, which asks servers, or other clients.
func asClient() []string {
	return []string{
		"rpc-gives-root-keys-to-no-client", "rpc-gives-evaluations-to-no-client", "raft-refuses-client-certificate",
		"client-takes-no-client-for-a-server",
	}
}

// namesServer reports whether the certificate has a server's name, by which Nomad takes its holder for one (nomad/server.go:634).
func namesServer(c pki.Credential) bool {
	leaf, err := c.Leaf()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(append([]string{leaf.Subject.CommonName}, leaf.DNSNames...), func(name string) bool {
		r, is := catalogue.ParseRoleName(name)
		return is && r.LetsIn && r.Role == string(pki.Server)
	})
}

// switches are the settings without which others of their block do nothing. Nomad's default of each is false.
func switches() []string { return []string{"tls.rpc", "tls.http", "acl.enabled"} }

// weakLines are the values by which a setting was seen to break a promise, by its path. A secret is none: a report has not its value.
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

// has reports whether the setting is at such a value. Not set counts where the line was taken out, and where Nomad's default is
// such a value.
func (w weakLines) has(path string, s finding.Setting, stands bool) bool {
	if stands {
		return slices.Contains(w[path], s.Value)
	}
	return slices.Contains(w[path], "") || slices.Contains(w[path], cmp.Or(usual(path), "false"))
}

// settingOf returns the setting as agents of the role have it; of an empty role, as any have. stands is false where no file has it.
func settingOf(c *finding.Configuration, path, role string) (s finding.Setting, stands bool) {
	for _, s := range slices.Concat(c.Settings, c.Others) {
		if s.Path == path && (role == "" || s.Role == role) {
			return s, true
		}
	}
	return finding.Setting{}, false
}
