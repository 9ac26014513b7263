package regress_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress"
	reports "nomadlab.internal/lab/report" // another file has a function of its name
)

// TestTheChangedLineIsNamed: a check that fails by a mutation of a line has its annotation at that line, and names it first
// among its settings; at the role's file without a line, where the line was taken out.
func TestTheChangedLineIsNamed(t *testing.T) {
	seen, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	sound, specs, tried := source(t, "hardened"), specsByID(t), 0
	for _, m := range mutation.All() {
		if len(m.Lines) == 0 || m.Equivalent != "" || !m.ForConfiguration() {
			continue
		}
		changed := withLines(t, sound, m)
		configuration := regress.Configuration(changed)
		want := placesOf(configuration, m)
		for _, s := range seen {
			if s.Mutation != m.ID {
				continue
			}
			for _, id := range s.Fails {
				spec, is := specs[id]
				if !is { // a cell of the matrix, which rests on no setting
					continue
				}
				tried++
				got := blamed(t, configuration, finding.Finding{ID: id, Node: nodeOf(spec, m.Role), Settings: spec.Settings}, nil)
				if !slices.Contains(want, got) {
					t.Errorf("%s on %s makes %s fail, which blames %+v, want one of %+v", m.Change, s.Scope, id, got, want)
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d checks were looked at: the table or what was seen is not what it was", tried)
	}
}

// place is where an annotation is put, and the first of the settings that the check rests on.
type place struct{ file, line, words string }

// specsByID are the checks of the catalogue.
func specsByID(t *testing.T) map[string]posture.Spec {
	t.Helper()
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]posture.Spec{}
	for _, c := range checks {
		all[c.Spec().ID] = c.Spec()
	}
	return all
}

// withLines returns the configuration with the mutation's lines in it, as their user would have written them.
func withLines(t *testing.T, s regress.Source, m mutation.Mutation) regress.Source {
	t.Helper()
	c := *s.Configuration
	for role, files := range map[pki.Role]*agentconf.Files{pki.Server: &c.Server.Files, pki.Client: &c.Client.Files} {
		for _, l := range m.Lines {
			var err error
			switch {
			case m.Role != "" && m.Role != role:
				continue
			case l.Value != "":
				*files, err = files.Set(l.Path, l.Value)
			case len(files.Lookup(l.Path)) > 0:
				*files, err = files.Remove(l.Path)
			}
			if err != nil {
				t.Fatalf("%s: %v", m.ID, err)
			}
		}
	}
	s.Configuration = &c
	return s
}

// nodeOf is an agent that the check is tried at: of those that carry the mutation, where it is tried at those.
func nodeOf(spec posture.Spec, carries pki.Role) string {
	for _, role := range []pki.Role{carries, pki.Server, pki.Client} {
		if role != "" && (len(spec.Roles) == 0 || slices.Contains(spec.Roles, role)) {
			return string(role) + "-1"
		}
	}
	return ""
}

// blamed returns what a report of the failed check blames.
func blamed(t *testing.T, c *finding.Configuration, f finding.Finding, client *pki.Credential) place {
	t.Helper()
	f.Result, f.Severity = finding.Fail, "high"
	r := finding.Report{
		Cluster:       finding.Cluster{Nodes: []finding.Node{{Name: "server-1", Role: "server"}, {Name: "client-1", Role: "client"}}},
		Configuration: c, Findings: []finding.Finding{f},
	}
	regress.OrderCauses(&r, client)
	var annotations, text strings.Builder
	if err := reports.Annotations(&annotations, r); err != nil {
		t.Fatal(err)
	}
	if err := reports.Text(&text, r, reports.TextOptions{Width: 2000}); err != nil {
		t.Fatal(err)
	}
	var p place
	properties, _, _ := strings.Cut(strings.TrimPrefix(annotations.String(), "::error "), "::")
	for property := range strings.SplitSeq(properties, ",") {
		switch name, value, _ := strings.Cut(property, "="); name {
		case "file":
			p.file = strings.NewReplacer("%2C", ",", "%25", "%").Replace(value)
		case "line":
			p.line = value
		}
	}
	_, rests, _ := strings.Cut(text.String(), "rests on  ")
	rests, _, _ = strings.Cut(rests, ")\n")
	if p.words, _, _ = strings.Cut(rests, "), "); p.words != "" {
		p.words += ")"
	}
	return p
}

// placesOf are where the changed settings stand, of each role that has them changed.
func placesOf(c *finding.Configuration, m mutation.Mutation) (all []place) {
	for _, role := range []string{"server", "client"} {
		for _, path := range m.Settings { // the line, and tls.cert_file where it takes another certificate besides
			if m.Role == "" || string(m.Role) == role {
				all = append(all, placeOf(c, role, path))
			}
		}
	}
	return all
}

// placeOf is where a setting stands in the role's files, with what a report says of it; where it does not, the first of the files.
func placeOf(c *finding.Configuration, role, path string) place {
	for _, s := range slices.Concat(c.Settings, c.Others) {
		if s.Role == role && s.Path == path {
			return place{s.File, fmt.Sprint(s.Line), fmt.Sprintf("%s (%s at %s:%d)", path, s.Value, s.File, s.Line)}
		}
	}
	var names []string
	for _, f := range c.Files {
		if f.Role == role {
			names = append(names, f.Path)
		}
	}
	return place{names[0], "", fmt.Sprintf("%s (not set in the %ss' configuration: %s)", path, role, strings.Join(names, ", "))}
}

// TestTheRightLineIsBlamed: in configurations in which another line than the right one was once blamed, or one was where none is wrong.
func TestTheRightLineIsBlamed(t *testing.T) {
	const (
		data   = "data_dir = \"/var/lib/nomad\"\n"
		server = data + "server {\n  enabled          = true\n  bootstrap_expect = 1\n}\n"
		client = data + "client {\n  enabled = true\n}\n"
		acl    = "acl {\n  enabled           = true\n  replication_token = \"\"\n}\n"
		secret = "server-configuration-with-secrets-is-private"
		key    = "server.encrypt"
	)
	specs := specsByID(t)
	for name, c := range map[string]struct {
		server, client, id, node string
		certificate              []string
		role, setting            string
		line                     string
	}{
		"ACLs on servers alone": {
			server: server + "acl {\n  enabled = true\n}\n", client: client, id: "client-lets-nobody-read-agents-without-token", node: "client-1",
			role: "client", setting: "acl.enabled",
		},
		"raw_exec by an option": {
			server: server, client: data + "client {\n  enabled = true\n  options {\n    \"driver.raw_exec.enable\" = \"1\"\n  }\n}\n",
			id: "client-offers-no-raw-exec", node: "client-1", role: "client", setting: `client.options."driver.raw_exec.enable"`, line: "5",
		},
		"a client's certificate that names a server": {
			server: server + tlsBlock, client: client + tlsBlock, id: "rpc-gives-root-keys-to-no-client", node: "server-1",
			certificate: []string{"client.global.nomad", "server.global.nomad"}, role: "client", setting: "tls.cert_file", line: "9",
		},
		"a client's certificate with names of its own": {
			server: server + tlsBlock, client: client + tlsBlock, id: "rpc-gives-root-keys-to-no-client", node: "server-1",
			certificate: []string{"client.global.nomad"}, role: "server", setting: "tls.verify_server_hostname", line: "12",
		},
		"a switch that is written as a number": {
			server: server + strings.Replace(tlsBlock, "rpc                    = true", "rpc                    = \"0\"", 1), client: client + tlsBlock,
			id: "rpc-gives-root-keys-to-no-client", node: "server-1", role: "server", setting: "tls.rpc", line: "8",
		},
		"raw_exec by a number": {
			server: server, client: client + "plugin \"raw_exec\" {\n  config {\n    enabled = 1\n  }\n}\n",
			id: "client-offers-no-raw-exec", node: "client-1", role: "client", setting: "plugin.raw_exec.config.enabled", line: "7",
		},
		"a secret, beside one that is empty": {
			server: data + acl + "server {\n  enabled = true\n  encrypt = \"mlZo7dxjUnXuT9HfJGcLcUZfmofvJi3j7IEBTL5REdM=\"\n}\n", client: data + acl + "client {\n  enabled = true\n}\n",
			id: secret, role: "server", setting: key, line: "8",
		},
		"a path, a meta entry and a chroot, which are none": {
			server: server, client: data + "client {\n  enabled = true\n  meta {\n    key = \"blue\"\n  }\n  chroot_env {\n    \"/etc/passwd\" = \"/etc/passwd\"\n  }\n}\n",
			id: "client-configuration-with-secrets-is-private",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := small(t, c.server, c.client)
			failed := finding.Finding{ID: c.id, Node: c.node, Settings: specs[c.id].Settings}
			if c.node == "" {
				found := foundInFiles(t, s, c.id)
				if fails := found.Result == finding.Fail; fails != (c.setting != "") {
					t.Fatalf("%s: %s", found.Result, found.Reason)
				}
				failed = found
			}
			if c.setting == "" {
				return
			}
			configuration := regress.Configuration(s)
			got, want := blamed(t, configuration, failed, certificateOf(t, c.certificate)), placeOf(configuration, c.role, c.setting)
			if got != want || got.line != c.line {
				t.Errorf("it blames %+v, want %+v in line %q", got, want, c.line)
			}
		})
	}
}

// tlsBlock has seven lines: its fifth names the certificate.
const tlsBlock = `tls {
  http                   = true
  rpc                    = true
  ca_file                = "/etc/nomad.d/ca.pem"
  cert_file              = "/etc/nomad.d/node.pem"
  key_file               = "/etc/nomad.d/node-key.pem"
  verify_server_hostname = false
}
`

// foundInFiles is what the check of the user's own files finds.
func foundInFiles(t *testing.T, s regress.Source, id string) finding.Finding {
	t.Helper()
	found, err := regress.CheckFiles(t.Context(), s, id)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d findings, error %v", id, len(found), err)
	}
	return found[0]
}

// certificateOf is a client's credential with those names; nil where there are none.
func certificateOf(t *testing.T, names []string) *pki.Credential {
	t.Helper()
	if len(names) == 0 {
		return nil
	}
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := authority.IssueTemplate(pki.Template{Holder: pki.Identity{Role: pki.Client}, CommonName: names[0], DNSNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// small writes configurations, and reads them. A text that is empty is none.
func small(t *testing.T, server, client string) regress.Source {
	t.Helper()
	folder := t.TempDir()
	write := func(name, text string) []string {
		if text == "" {
			return nil
		}
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil { //nolint:gosec // some cases are about a file that every user may read
			t.Fatal(err)
		}
		return []string{at}
	}
	s, err := regress.Read(regress.Paths{Server: write("server.hcl", server), Client: write("client.hcl", client)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
