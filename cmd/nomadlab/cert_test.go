package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
)

// authorityFolder saves an authority, and a server's credential beside it.
func authorityFolder(t *testing.T, o pki.Options) string {
	t.Helper()
	folder := t.TempDir()
	a, err := pki.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Save(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// cert calls `nomadlab cert` and wants that exit code.
func cert(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := call(t, newApp(), "", append([]string{"cert"}, args...)...)
	if r.code != code {
		t.Errorf("nomadlab cert %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.errs)
	}
	return r
}

// TestCertIssueAndShow issues certificates from a folder, shows them, and compares them. Every exit code stands beside a control.
func TestCertIssueAndShow(t *testing.T) {
	ca, out := authorityFolder(t, pki.Options{CommonName: "the folder's"}), filepath.Join(t.TempDir(), "new")
	r := cert(t, exitFine, "issue", "--authority", ca, "--role", "server", "--region", "eu", "--dns", "nomad.example", "--ip", "10.1.2.3", "--ttl", "2h", "--out", out)
	contains(t, r.out, "server of region eu", "nomad.example, 127.0.0.1, 10.1.2.3", "Raft of eu", "CN=the folder's, which is trusted", "eu-server-nomad-key.pem")
	for name, mode := range map[string]os.FileMode{"": 0o700, "eu-server-nomad-key.pem": 0o600, "eu-server-nomad.pem": 0o644, pki.CAFile: 0o644} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %04o", name, info.Mode(), err, mode)
		}
	}
	key := filepath.Join(out, "eu-server-nomad-key.pem")
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, cert(t, exitUsage, "issue", "--authority", ca, "--role", "server", "--region", "eu", "--out", out).errs, "exists already")
	if after, err := os.ReadFile(key); err != nil || string(after) != string(before) {
		t.Error("the key was replaced")
	}
	contains(t, cert(t, exitUsage, "issue", "--authority", authorityFolder(t, pki.Options{}), "--role", "cli", "--out", out).errs, "another authority")

	contains(t, cert(t, exitFine, "show", out).out, "2 certificates and 1 private key: nothing is wrong", "eu-server-nomad-key.pem (0600)")
	wrong := filepath.Join(t.TempDir(), "wrong")
	contains(t, cert(t, exitFine, "issue", "--authority", ca, "--role", "client", "--defect", "expired", "--out", wrong).out, "expired: refused")
	contains(t, cert(t, exitFailed, "show", wrong).out, "opens    nothing", "problem", "remedy", "1 problem")

	var shown certificate.Report
	if err := json.Unmarshal([]byte(cert(t, exitFailed, "show", "--json", wrong).out), &shown); err != nil || shown.Problems() != 1 || len(shown.Trusted) != 1 {
		t.Errorf("%+v, %v", shown, err)
	}
	contains(t, cert(t, exitFine, "diff", out, out).out, "nothing has changed")
	renewed := filepath.Join(t.TempDir(), "renewed")
	cert(t, exitFine, "issue", "--authority", ca, "--role", "server", "--region", "eu", "--ttl", "9h", "--out", renewed)
	contains(t, cert(t, exitFine, "diff", out, renewed).out, "a new key", "later", "lost nomad.example", "nothing for the worse")
	contains(t, cert(t, exitFailed, "diff", filepath.Join(out, "eu-server-nomad.pem"), filepath.Join(wrong, "global-client-nomad.pem")).out, "now wrong", "some for the worse")
	for _, text := range []string{r.out, r.errs, cert(t, exitFine, "show", "--json", out).out} {
		if strings.Contains(text, "PRIVATE KEY") {
			t.Error("a private key is printed")
		}
	}
}

// TestCertRefuses: what the user can put right is refused with exit code 2, and with a hint.
func TestCertRefuses(t *testing.T) {
	ca, folder := authorityFolder(t, pki.Options{TTL: 10 * time.Hour, PermittedDNS: []string{"lab.test"}}), t.TempDir()
	issue := func(more ...string) []string {
		return append([]string{"issue", "--authority", ca, "--out", filepath.Join(folder, "x")}, more...)
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{issue("--role", "server", "--ttl", "11h"), "beyond the authority's own end"},
		{issue("--role", "server", "--ttl", "0"), "--ttl is 0s"},
		{issue("--role", "server", "--dns", "elsewhere.example"), "outside the name constraints"},
		{issue("--role", "king"), `role "king"`},
		{issue("--role", "server", "--ip", "x"), "--ip"},
		{issue("--role", "server", "--defect", "x"), "no defect is named"},
		{issue("--role", "server", "--lab", "x"), "exclude each other"},
		{issue(), "--role server, client or cli"},
		{[]string{"issue", "--authority", folder, "--role", "cli"}, "the authority cannot be used"},
		{[]string{"show"}, "name a file"},
		{[]string{"show", filepath.Join(folder, "none")}, "no such file or folder"},
		{[]string{"show", folder}, "no certificate and no private key"},
		{[]string{"show", "127.0.0.1:1"}, "connection refused"},
		{[]string{"show", ca, "--client-cert", "x"}, "go together"},
		{[]string{"show", ca, "--ca", filepath.Join(folder, "none")}, "no such file"},
		{[]string{"diff", ca}, "name two places"},
		{[]string{"verify"}, "--server-config"},
		{[]string{"verify", "--server-config", filepath.Join(folder, "none")}, "no such file"},
		{[]string{"shwo"}, "did you mean show?"},
	} {
		contains(t, cert(t, exitUsage, test.args...).errs, test.says)
	}
	if _, err := os.Stat(filepath.Join(folder, "x")); err == nil {
		t.Error("a refused certificate left a folder behind")
	}
	cert(t, exitFine, issue("--role", "server", "--ttl", "9h", "--dns", "a.lab.test")...)
}

// TestCertVerify exits as check does: with 0, 1 and 3.
func TestCertVerify(t *testing.T) {
	ca, folder := authorityFolder(t, pki.Options{}), t.TempDir()
	tls := filepath.Join(folder, "tls")
	cert(t, exitFine, "issue", "--authority", ca, "--role", "server", "--out", tls)
	config := filepath.Join(folder, "server.hcl")
	text := `server {
  enabled          = true
  bootstrap_expect = 3
}
tls {
  http      = true
  rpc       = true
  ca_file   = "FOLDER/nomad-agent-ca.pem"
  cert_file = "FOLDER/global-server-nomad.pem"
  key_file  = "FOLDER/global-server-nomad-key.pem"
}`
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.ReplaceAll(text, "FOLDER", tls))
	contains(t, cert(t, exitFine, "verify", "--server-config", config).out, "pass", "a server starts with its certificate", " pass, ")
	write(strings.ReplaceAll(text, "FOLDER", "/nowhere"))
	contains(t, cert(t, exitUnproved, "verify", "--server-config", config).out, "inconclusive", "--tls-dir")
	contains(t, cert(t, exitFine, "verify", "--server-config", config, "--tls-dir", tls).out, "a server starts")
	if err := os.Chmod(filepath.Join(tls, "global-server-nomad-key.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	var answers struct{ Answers []struct{ ID, Result string } }
	if err := json.Unmarshal([]byte(cert(t, exitFailed, "verify", "--server-config", config, "--tls-dir", tls, "--json").out), &answers); err != nil || len(answers.Answers) < 5 {
		t.Errorf("%+v, %v", answers, err)
	}
}

// TestCertOfALab issues with a running lab's authority, and reads the lab's own ports.
func TestCertOfALab(t *testing.T) {
	t.Parallel()
	name := unused(t)
	e := realEngine(t, engines.Process, name)
	u := user{engine: engines.Process}
	u.must(t, "up", "--name", name, "--servers", "1", "--clients", "0")
	defer func() { u.must(t, "down", name) }()
	out := filepath.Join(t.TempDir(), "tls")
	contains(t, u.must(t, "cert", "issue", "--lab", name, "--role", "cli", "--out", out), "cli of region global")
	l, err := lab.Open(t.Context(), e, name)
	if err != nil {
		t.Fatal(err)
	}
	at := l.Servers()[0]
	ca := []string{"--ca", filepath.Join(out, pki.CAFile)}
	with := []string{"--client-cert", filepath.Join(out, "global-cli-nomad.pem"), "--client-key", filepath.Join(out, "global-cli-nomad-key.pem")}
	https, rpc := []string{"cert", "show", at.HTTP().String()}, []string{"cert", "show", "--rpc", at.RPC().String()}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	contains(t, u.must(t, join(https, ca)...), "(HTTPS, TLS 1.3): server of region global", "which is trusted", "must show a certificate of CN=nomadlab", "refused  this caller")
	contains(t, u.must(t, join(rpc, ca)...), "(RPC, TLS 1.3): server of region global", "refused  this caller")
	if accepted := u.must(t, join(https, ca, with)...); strings.Contains(accepted, "refused") {
		t.Errorf("with a certificate of the lab:\n%s", accepted)
	}
	contains(t, u.must(t, join(rpc, ca, with)...), "refused  this caller") // a person's certificate is none for RPC
	contains(t, u.call(t, "", "cert", "show", at.RPC().String()).errs, "--rpc")
}
