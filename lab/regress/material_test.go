package regress_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// tlsFiles is a folder of --tls-dir for servers and clients, as TestMaterial changes it.
type tlsFiles struct {
	t         *testing.T
	authority *pki.Authority
	files     map[string]string
}

// issue returns a certificate and its key.
func (k *tlsFiles) issue(id pki.Identity, f pki.Defect) pki.Credential {
	k.t.Helper()
	c, err := k.authority.IssueDefective(id, f)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

// put writes a credential's files by that stem.
func (k *tlsFiles) put(stem string, c pki.Credential) {
	k.files[stem+".pem"], k.files[stem+"-key.pem"], k.files["ca.pem"] = string(c.CertPEM), string(c.KeyPEM), string(c.CAPEM)
}

// forKey returns a certificate for the key of another credential.
func (k *tlsFiles) forKey(id pki.Identity, of pki.Credential) pki.Credential {
	k.t.Helper()
	c, err := k.authority.IssueForKey(id, of)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func bothRoles() map[string]string {
	of := func(role string) string {
		return role + ` { enabled = true }
tls {
  http      = true
  rpc       = true
  ca_file   = "/etc/nomad.d/ca.pem"
  cert_file = "/etc/nomad.d/` + role + `.pem"
  key_file  = "/etc/nomad.d/` + role + `-key.pem"
}
`
	}
	return map[string]string{"server.hcl": of("server"), "client.hcl": of("client")}
}

// TestMaterial: each fault of certificates and keys makes its check fail, and no other.
func TestMaterial(t *testing.T) {
	t.Parallel()
	server, client, cli := pki.Identity{Role: pki.Server}, pki.Identity{Role: pki.Client}, pki.Identity{Role: pki.CLI}
	for name, test := range map[string]struct {
		fault  func(*tlsFiles)
		breaks []string
	}{
		"none": {func(*tlsFiles) {}, nil},
		"a server's key in the file of authorities that clients read too": {func(k *tlsFiles) {
			k.files["ca.pem"] += k.files["server-key.pem"]
		}, []string{"handed-in-keys-serve-one-role"}},
		"another authority": {func(k *tlsFiles) {
			k.files["ca.pem"] += string(newAuthority(t, "Another CA").CertificatePEM())
		}, []string{"server-ca-file-has-no-other-authority", "client-ca-file-has-no-other-authority"}},
		"another authority of the same name": {func(k *tlsFiles) {
			k.files["ca.pem"] += string(newAuthority(t, "Own CA").CertificatePEM())
		}, []string{"server-ca-file-has-no-other-authority", "client-ca-file-has-no-other-authority"}},
		"an authority for clients and one for servers": {func(k *tlsFiles) {
			other := &tlsFiles{t: t, authority: newAuthority(t, "Clients' CA"), files: map[string]string{}}
			c := other.issue(client, pki.Defect{})
			k.files["client.pem"], k.files["client-key.pem"] = string(c.CertPEM), string(c.KeyPEM)
			k.files["ca.pem"] += string(c.CAPEM)
		}, nil},
		"a person's certificate that names a client": {func(k *tlsFiles) {
			k.put("global-cli-nomad", k.issue(pki.Identity{Role: pki.CLI, DNSNames: []string{"client.global.nomad"}}, pki.Defect{}))
		}, []string{"handed-in-certificates-name-one-role"}},
		"a person's certificate that names a server alone": {func(k *tlsFiles) {
			k.put("global-cli-nomad", k.issue(server, pki.Defect{}))
		}, []string{"handed-in-certificates-name-one-role"}},
		"an agent's own certificate as a person's": {func(k *tlsFiles) {
			k.files["global-cli-nomad.pem"] = k.files["server.pem"]
		}, []string{"handed-in-certificates-name-one-role"}},
		"another server's certificate": {func(k *tlsFiles) { k.put("server-2", k.issue(server, pki.Defect{})) }, nil},
		"a certificate of two regions": {func(k *tlsFiles) {
			k.put("server-2", k.issue(pki.Identity{Role: pki.Server, DNSNames: []string{"server.eu.nomad"}}, pki.Defect{}))
		}, []string{"handed-in-certificates-name-one-region"}},
		"a person's certificate that names a server of a longer domain": {func(k *tlsFiles) {
			k.put("global-cli-nomad", k.issue(pki.Identity{Role: pki.CLI, DNSNames: []string{"server.x.global.nomad"}}, pki.Defect{}))
		}, []string{"handed-in-certificates-name-one-region", "handed-in-certificates-name-one-role"}},
		"a wildcard": {func(k *tlsFiles) {
			k.put("web", k.issue(pki.Identity{Role: pki.CLI, DNSNames: []string{"*.global.nomad"}}, pki.Defect{}))
		}, []string{"handed-in-certificates-have-no-wildcard"}},
		"a certificate that can sign": {func(k *tlsFiles) { k.put("person", k.issue(cli, pki.CanSign())) }, []string{"handed-in-certificates-cannot-sign"}},
		"a short key":                 {func(k *tlsFiles) { k.put("person", k.issue(cli, pki.WeakKey())) }, []string{"handed-in-certificates-have-strong-keys"}},
		"a certificate of an unknown authority": {func(k *tlsFiles) {
			k.put("person", k.issue(cli, pki.Foreign()))
			k.files["ca.pem"] = k.files["own.pem"]
		}, nil},
		"one key for a server and a client": {func(k *tlsFiles) {
			c := k.issue(client, pki.Defect{})
			k.put("client", c)
			k.put("server", k.forKey(server, c))
		}, []string{"handed-in-keys-serve-one-role"}},
		"one key for a server and a person": {func(k *tlsFiles) {
			c := k.issue(server, pki.Defect{})
			k.put("server", c)
			k.put("global-cli-nomad", k.forKey(cli, c))
		}, []string{"handed-in-keys-serve-one-role"}},
		"a certificate renewed with its key": {func(k *tlsFiles) {
			c := k.issue(server, pki.Defect{})
			k.put("server", c)
			k.files["server-old.pem"] = string(k.forKey(server, c).CertPEM)
		}, nil},
		"a certificate renewed with its key, its region once in capitals": {func(k *tlsFiles) {
			c := k.issue(server, pki.Defect{})
			k.put("server", c)
			k.files["server-old.pem"] = string(k.forKey(pki.Identity{Role: pki.Server, Region: "Global"}, c).CertPEM)
		}, nil},
		"a certificate of one region in two spellings": {func(k *tlsFiles) {
			c, err := k.authority.IssueTemplate(pki.Template{Holder: server, CommonName: "server.Global.nomad", DNSNames: []string{"server.global.nomad"}})
			if err != nil {
				t.Fatal(err)
			}
			k.put("server-2", c)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &tlsFiles{t: t, authority: newAuthority(t, "Own CA"), files: map[string]string{}}
			k.put("server", k.issue(server, pki.Defect{}))
			k.put("client", k.issue(client, pki.Defect{}))
			k.put("other-person", k.issue(cli, pki.Defect{}))
			k.files["own.pem"] = k.files["ca.pem"]
			test.fault(k)
			s, err := regress.Read(regress.Paths{
				Server: []string{filepath.Join(written(t, bothRoles()), "server.hcl")},
				Client: []string{filepath.Join(written(t, bothRoles()), "client.hcl")}, TLS: written(t, k.files),
			})
			if err != nil {
				t.Fatal(err)
			}
			var breaks []string
			for id, result := range looked(t, s) {
				if result == finding.Fail {
					breaks = append(breaks, id)
				}
				if result == finding.Skipped && (strings.HasPrefix(id, "handed-in") || strings.Contains(id, "authority")) {
					t.Errorf("%s is skipped", id)
				}
			}
			slices.Sort(breaks)
			slices.Sort(test.breaks)
			if !slices.Equal(breaks, test.breaks) {
				t.Errorf("it breaks %v, want %v", breaks, test.breaks)
			}
		})
	}
}

func newAuthority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAuthoritiesWithoutTheCertificates: an authority to which no certificate leads that was read may be that of one that was not. The
// control has both roles' certificates.
func TestAuthoritiesWithoutTheCertificates(t *testing.T) {
	t.Parallel()
	const check = "server-ca-file-has-no-other-authority"
	clients := newAuthority(t, "Clients' CA")
	for name, test := range map[string]struct {
		ca    []byte
		reads bool // the clients' certificates too
		want  finding.Result
	}{
		"the clients' authority, and not their certificate": {clients.CertificatePEM(), false, finding.Skipped},
		"the clients' authority and certificate":            {clients.CertificatePEM(), true, finding.Pass},
		"no other authority":                                {nil, false, finding.Pass},
		"another authority, with both certificates":         {newAuthority(t, "Another CA").CertificatePEM(), true, finding.Fail},
	} {
		servers := credentials(t, newAuthority(t, "Own CA"), pki.Identity{Role: pki.Server})
		servers["ca.pem"] += string(test.ca)
		theirs := credentials(t, clients, pki.Identity{Role: pki.Client})
		theirs["ca.pem"] += servers["ca.pem"]
		servers["ca.pem"] += map[bool]string{true: string(clients.CertificatePEM())}[test.reads]
		files := bothRoles()
		files["client.hcl"] = strings.ReplaceAll(files["client.hcl"], "/client", "/server")
		config := written(t, files)
		paths := regress.Paths{
			Server: []string{filepath.Join(config, "server.hcl")}, Client: []string{filepath.Join(config, "client.hcl")}, ServerTLS: written(t, servers),
		}
		if test.reads {
			paths.ClientTLS = written(t, theirs)
		}
		s, err := regress.Read(paths)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := looked(t, s)[check]; got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestEachRolesFolder: both roles name the same paths, as their hosts do.
func TestEachRolesFolder(t *testing.T) {
	authority := newAuthority(t, "Own CA")
	files := bothRoles()
	files["client.hcl"] = strings.ReplaceAll(files["client.hcl"], "/client", "/server")
	config := written(t, files)
	of := func(role pki.Role) string { return written(t, credentials(t, authority, pki.Identity{Role: role})) }
	paths := regress.Paths{
		Server: []string{filepath.Join(config, "server.hcl")}, Client: []string{filepath.Join(config, "client.hcl")},
		ServerTLS: of(pki.Server), ClientTLS: of(pki.Client),
	}
	s, err := regress.Read(paths)
	if err != nil || len(s.Notes) > 0 {
		t.Fatalf("%v, notes %v", err, s.Notes)
	}
	for role, c := range map[string]*pki.Credential{"server": s.Configuration.Server.Credential, "client": s.Configuration.Client.Credential} {
		leaf, err := c.Leaf()
		if err != nil || leaf.Subject.CommonName != role+".global.nomad" {
			t.Errorf("the %s has the certificate of %s, %v", role, leaf.Subject, err)
		}
	}
	paths.TLS, paths.ServerTLS, paths.ClientTLS = paths.ServerTLS, "", ""
	if s, err = regress.Read(paths); err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "--client-tls-dir") {
		t.Errorf("one folder for both: %v, notes %v", err, s.Notes)
	}
	if err := os.Remove(filepath.Join(paths.TLS, "ca.pem")); err != nil {
		t.Fatal(err)
	}
}

// TestTwoNamesOneFile: a leaf is never taken for the authorities that a line names.
func TestTwoNamesOneFile(t *testing.T) {
	config := strings.NewReplacer("nomad.d/ca.pem", "nomad.d/ca/cert.pem", "nomad.d/server.pem", "nomad.d/node/cert.pem").Replace(bothRoles()["server.hcl"])
	files := credentials(t, newAuthority(t, "Own CA"), pki.Identity{Role: pki.Server})
	paths := func(tls map[string]string) regress.Paths {
		return regress.Paths{Server: []string{filepath.Join(written(t, map[string]string{"s.hcl": config}), "s.hcl")}, TLS: written(t, tls)}
	}
	_, err := regress.Read(paths(map[string]string{"cert.pem": files["server.pem"], "server-key.pem": files["server-key.pem"]}))
	refused(t, err, "tls.cert_file", "s.hcl:6", "ca/cert.pem", "node/cert.pem", "both lead to")
	if _, err := regress.Read(paths(map[string]string{
		"ca/cert.pem": files["ca.pem"], "node/cert.pem": files["server.pem"], "server-key.pem": files["server-key.pem"],
	})); err != nil {
		t.Error(err)
	}
}

// TestTwoRolesOneFile: where the roles name files of their own, one file is not taken for both; where they name the same, or each
// role's folder is that one, it is.
func TestTwoRolesOneFile(t *testing.T) {
	authority := newAuthority(t, "Own CA")
	files := credentials(t, authority, pki.Identity{Role: pki.Server})
	flat := map[string]string{"ca.pem": files["ca.pem"], "cert.pem": files["server.pem"], "key.pem": files["server-key.pem"]}
	of := func(role, folder string) string {
		return strings.NewReplacer(
			"/etc/nomad.d/ca.pem", folder+"/ca.pem", "/etc/nomad.d/"+role+".pem", folder+"/cert.pem", "/etc/nomad.d/"+role+"-key.pem", folder+"/key.pem",
		).Replace(bothRoles()[role+".hcl"])
	}
	read := func(server, client string, tls map[string]string, eachRoles bool) (regress.Source, error) {
		config := written(t, map[string]string{"server.hcl": of("server", server), "client.hcl": of("client", client)})
		p := regress.Paths{Server: []string{filepath.Join(config, "server.hcl")}, Client: []string{filepath.Join(config, "client.hcl")}, TLS: written(t, tls)}
		if eachRoles {
			p.ServerTLS, p.ClientTLS = p.TLS, p.TLS
		}
		return regress.Read(p)
	}
	_, err := read("/a", "/b", flat, false)
	refused(t, err, "server.hcl:6", "client.hcl:6", "/a/cert.pem", "/b/cert.pem", "both lead to", "--server-tls-dir", "--client-tls-dir")
	client := credentials(t, authority, pki.Identity{Role: pki.Client})
	apart := map[string]string{
		"a/ca.pem": files["ca.pem"], "a/cert.pem": files["server.pem"], "a/key.pem": files["server-key.pem"],
		"b/ca.pem": client["ca.pem"], "b/cert.pem": client["server.pem"], "b/key.pem": client["server-key.pem"],
	}
	for name, c := range map[string]struct {
		server, client string
		tls            map[string]string
		eachRoles      bool
		notes          int
	}{
		"the same path":                 {"/a", "/a", flat, false, 1},
		"each at its own":               {"/a", "/b", apart, false, 0},
		"one file that each is to have": {"/a", "/b", flat, true, 0},
	} {
		if s, err := read(c.server, c.client, c.tls, c.eachRoles); err != nil || len(s.Notes) != c.notes {
			t.Errorf("%s: %v, notes %v", name, err, s.Notes)
		}
	}
	delete(apart, "b/ca.pem")
	if _, err := read("/a", "/b", apart, false); err != nil {
		t.Errorf("one authority by two names: %v", err)
	}
}
