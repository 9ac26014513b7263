package regress_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// verifiable returns the configuration of three servers and a client with every protection of TLS, and sound files.
func verifiable(t *testing.T) *tlsFiles {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{CommonName: "own", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	k := &tlsFiles{t: t, authority: a, files: map[string]string{}}
	for role, more := range map[string]string{"server": "bootstrap_expect = 3", "client": ""} {
		k.files["../"+role+".hcl"] = role + ` {
  enabled = true
  ` + more + `
}
tls {
  http      = true
  rpc       = true
  ca_file   = "/etc/nomad.d/` + role + `-ca.pem"
  cert_file = "/etc/nomad.d/` + role + `.pem"
  key_file  = "/etc/nomad.d/` + role + `-key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}
`
	}
	for _, role := range []pki.Role{pki.Server, pki.Client, pki.CLI} {
		k.give(role, k.issue(pki.Identity{Role: role}, pki.Defect{}))
	}
	return k
}

// give makes a credential that of the role's agents, or of people.
func (k *tlsFiles) give(role pki.Role, c pki.Credential) {
	stem := string(role)
	if role == pki.CLI {
		stem = "global-cli-nomad"
		k.files["nomad-agent-ca.pem"] = string(c.CAPEM)
	}
	k.files[stem+".pem"], k.files[stem+"-key.pem"] = string(c.CertPEM), string(c.KeyPEM)
	if _, has := k.files[stem+"-ca.pem"]; !has && role != pki.CLI {
		k.files[stem+"-ca.pem"] = string(k.authority.CertificatePEM())
	}
}

// write writes the files, and returns their paths.
func (k *tlsFiles) write() regress.Paths {
	k.t.Helper()
	root := k.t.TempDir()
	folder := filepath.Join(root, "tls")
	if err := os.Mkdir(folder, 0o700); err != nil {
		k.t.Fatal(err)
	}
	for name, text := range k.files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			k.t.Fatal(err)
		}
	}
	return regress.Paths{Server: []string{filepath.Join(root, "server.hcl")}, Client: []string{filepath.Join(root, "client.hcl")}, TLS: folder}
}

// TestVerify: each question is answered by what is wrong with the files, and the sound files are the control. What Verify says of
// starts and calls, Read refuses, and nothing else: both go by the same rules.
func TestVerify(t *testing.T) {
	other, err := pki.NewAuthority(pki.Options{CommonName: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defective := func(role pki.Role, d pki.Defect) func(*tlsFiles) {
		return func(k *tlsFiles) { k.give(role, k.issue(pki.Identity{Role: role}, d)) }
	}
	for _, test := range []struct {
		name   string
		change func(*tlsFiles)
		// fails are the IDs of all answers that are fail.
		fails []string
		// notRead is true if Read takes the files: what fails is for a check to find, or concerns no agent.
		notRead bool
	}{
		{"sound", func(*tlsFiles) {}, nil, true},
		{"another key", func(k *tlsFiles) { k.files["client-key.pem"] = k.files["server-key.pem"] }, []string{"client-starts", "handed-in-keys-serve-one-role"}, false},
		{"the server's key is Ed25519", defective(pki.Server, pki.Ed25519()), []string{"server-certificate-is-sound", "server-starts"}, false},
		{"expired client", defective(pki.Client, pki.Expired()), []string{"client-certificate-is-sound", "servers-answer-clients"}, false},
		{"expired server", defective(pki.Server, pki.Expired()), []string{"clients-call-servers", "server-certificate-is-sound", "servers-answer-servers", "servers-call-servers"}, false},
		{"foreign client", defective(pki.Client, pki.Foreign()), []string{"client-certificate-is-sound", "servers-answer-clients"}, false},
		{"a client that may only listen", defective(pki.Client, pki.ServerAuthOnly()), []string{"client-certificate-is-sound", "servers-answer-clients"}, false},
		{"a server that may only call", defective(pki.Server, pki.ClientAuthOnly()), []string{"clients-call-servers", "server-certificate-is-sound", "servers-call-servers"}, false},
		{"intermediate missing", defective(pki.Client, pki.IntermediateMissing()), []string{"client-certificate-is-sound", "servers-answer-clients"}, false},
		{"intermediate sent", defective(pki.Client, pki.IntermediateSent()), nil, true},
		{"a server with a person's name", func(k *tlsFiles) { k.give(pki.Server, k.issue(pki.Identity{Role: pki.CLI}, pki.Defect{})) },
			[]string{"clients-call-servers", "servers-call-servers", "servers-know-servers"}, false},
		{"a client of another region", func(k *tlsFiles) {
			k.give(pki.Client, k.issue(pki.Identity{Role: pki.Client, Region: "eu"}, pki.Defect{}))
		},
			[]string{"servers-know-clients"}, false},
		{"a client with a server's certificate", func(k *tlsFiles) { k.give(pki.Client, k.issue(pki.Identity{Role: pki.Server}, pki.Defect{})) },
			[]string{"client-is-no-server"}, true},
		{"a client that is a server too", func(k *tlsFiles) {
			k.give(pki.Client, k.issue(pki.Identity{Role: pki.Client, DNSNames: []string{"server.global.nomad"}}, pki.Defect{}))
		}, []string{"client-certificate-is-sound", "client-is-no-server"}, true},
		{"a version of TLS that Nomad does not know", func(k *tlsFiles) {
			k.files["../client.hcl"] = strings.Replace(k.files["../client.hcl"], "tls {", "tls {\n  tls_min_version = \"tls9\"", 1)
		}, []string{"client-starts"}, true},
		{"a version that it knows", func(k *tlsFiles) {
			k.files["../client.hcl"] = strings.Replace(k.files["../client.hcl"], "tls {", "tls {\n  tls_min_version = \"tls13\"", 1)
		}, nil, true},
		{"clients trust another authority", func(k *tlsFiles) { k.files["client-ca.pem"] = string(other.CertificatePEM()) },
			[]string{"client-ca-file-has-no-other-authority", "client-certificate-is-sound", "clients-answer-people", "clients-call-servers"}, false},
		{"a weak key", defective(pki.Server, pki.WeakKey()), []string{"server-certificate-is-sound"}, true},
		{"a foreign person", func(k *tlsFiles) {
			c, err := other.Issue(pki.Identity{Role: pki.CLI})
			if err != nil {
				t.Fatal(err)
			}
			k.give(pki.CLI, c)
		}, []string{"clients-answer-people", "servers-answer-people"}, true},
		{"key first", func(k *tlsFiles) {
			k.files["server.pem"] = k.files["server-key.pem"] + k.files["server.pem"]
			k.files["server-key.pem"] = k.files["server.pem"]
		}, []string{"server-starts"}, true},
		{"certificate first", func(k *tlsFiles) {
			k.files["server.pem"] += k.files["server-key.pem"]
			k.files["server-key.pem"] = k.files["server.pem"]
		}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := verifiable(t)
			test.change(k)
			p := k.write()
			answers, err := regress.Verify(t.Context(), p, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var fails []string
			for _, a := range answers {
				if a.Result == finding.Fail {
					fails = append(fails, a.ID)
				}
				if (a.Reason == "") != (a.Result == finding.Pass) || a.Title == "" {
					t.Errorf("%+v", a)
				}
			}
			slices.Sort(fails)
			if !slices.Equal(fails, test.fails) {
				t.Errorf("fails %q, want %q: %+v", fails, test.fails, answers)
			}
			if _, err := regress.Read(p); (err == nil) != test.notRead {
				t.Errorf("Read says %v", err)
			}
		})
	}
}

// TestVerifyWhereNobodyLooksAtNames: servers without verify_server_hostname read no role, which is no pass. The sound files are the
// control.
func TestVerifyWhereNobodyLooksAtNames(t *testing.T) {
	for off, want := range map[bool]finding.Result{true: finding.Skipped, false: finding.Pass} {
		k := verifiable(t)
		if off {
			k.files["../server.hcl"] = strings.Replace(k.files["../server.hcl"], "verify_server_hostname = true", "verify_server_hostname = false", 1)
		}
		answers, err := regress.Verify(t.Context(), k.write(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"servers-know-servers", "servers-know-clients"} {
			at := slices.IndexFunc(answers, func(a regress.Answer) bool { return a.ID == id })
			if at < 0 || answers[at].Result != want {
				t.Errorf("off %t: %s: %+v", off, id, answers)
			}
		}
	}
}

// TestVerifyWhereTheFilesAre reads the files at the paths of the tls block if no folder is named, and says so where they are not.
func TestVerifyWhereTheFilesAre(t *testing.T) {
	k := verifiable(t)
	p := k.write()
	p.TLS = ""
	answers, err := regress.Verify(t.Context(), p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a := answers[0]; a.Result != finding.Inconclusive || !strings.Contains(a.Reason, "/etc/nomad.d/server.pem") || !strings.Contains(a.Reason, "--tls-dir") {
		t.Errorf("away from the files: %+v", a)
	}
	here := filepath.Dir(p.Server[0])
	for _, path := range []string{p.Server[0], p.Client[0]} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/etc/nomad.d", filepath.Join(here, "tls"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	answers, err = regress.Verify(t.Context(), p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers[:10] {
		if a.Result != finding.Pass {
			t.Errorf("where the files are: %+v", a)
		}
	}
}
