package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
)

// opened returns the lab of that name at the user's engine.
func opened(t *testing.T, u user, name string) *lab.Lab {
	t.Helper()
	set, err := engines.Open(t.Context(), u.engine)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	l, err := lab.Open(t.Context(), set.Home(), name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// asFiles writes the credential's files, and returns the flags that name them.
func asFiles(t *testing.T, c pki.Credential) []string {
	t.Helper()
	folder := t.TempDir()
	var flags []string
	for flag, content := range map[string][]byte{"--ca": c.CAPEM, "--cert": c.CertPEM, "--key": c.KeyPEM} {
		at := filepath.Join(folder, flag)
		if err := os.WriteFile(at, content, 0o600); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, flag, at)
	}
	return flags
}

// checkAddress checks a lab by its addresses and its user's credentials, as a cluster that nomadlab did not start.
func checkAddress(t *testing.T, u user, name string, secrets []string) {
	l := opened(t, u, name)
	server, client := l.Servers()[0].HTTP().String(), l.Clients()[0].HTTP().String()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(l.ManagementToken()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := append([]string{"check", "--addr", "https://" + server, "--addr", "https://" + client}, asFiles(t, l.Credential())...)

	r := u.call(t, "", append(flags, "--quick", "-v", "--token-file", token)...)
	contains(t, r.out, " checks pass", "1 server, 1 client", "pass  client-https-refuses-plaintext",
		"pass  server-lets-nobody-register-jobs-without-token",
		"no key of the cluster's authority is at hand", "no workload of the checks' own is run in a cluster that is not nomadlab's",
		"has no address for the RPC plane")
	for _, secret := range secrets {
		if strings.Contains(r.out+r.errs, secret) {
			t.Error("a secret is in the report")
		}
	}
	if r.code != exitFine {
		t.Errorf("exit code %d\n%s", r.code, r.errs)
	}
	r = u.call(t, "", append(flags, "--quick")...)
	contains(t, r.out, "a management token is not at hand: server-begins-no-cluster-alone")
	if r.code != exitFine {
		t.Errorf("without a token: exit code %d", r.code)
	}
	r = u.call(t, "", append(flags, "--quick", "--only", "cluster,*-https-refuses-*", "--addr", "https://"+l.Servers()[0].Address().String()+":1")...)
	contains(t, r.out, "checks are inconclusive", "did not answer at its HTTP port when the run began", "1 server, 1 client, 1 agent")
	if r.code != exitUnproved {
		t.Errorf("with an address of no agent: exit code %d", r.code)
	}
	t.Run("bad input", func(t *testing.T) { checkBadAddress(t, u, l, server) })
}

// checkBadAddress tries addresses and credentials that are wrong: the text names the fault, and the exit code is 2 if the user
// can correct it.
func checkBadAddress(t *testing.T, u user, l *lab.Lab, server string) {
	sound := l.Credential()
	another, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := another.Issue(sound.Identity)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := l.Authority().IssueDefective(sound.Identity, pki.Expired())
	if err != nil {
		t.Fatal(err)
	}
	unfit := sound
	unfit.KeyPEM = other.KeyPEM
	noAgent := l.Servers()[0].Address().String() + ":1"
	rpc := l.Servers()[0].RPC().String()
	for name, test := range map[string]struct {
		address string
		holding pki.Credential
		code    int
		says    string
	}{
		"no agent":           {"https://" + noAgent, sound, exitUnproved, "no agent answers: https://" + noAgent},
		"no address":         {server, sound, exitUsage, "give it as https://HOST:PORT"},
		"the RPC port":       {"https://" + rpc, sound, exitUnproved, "no agent answers"},
		"a password":         {"https://me:geheim@" + server, sound, exitUsage, "there is a user or a password in it"},
		"other key":          {"https://" + server, unfit, exitUsage, "is not the key of"},
		"expired":            {"https://" + server, expired, exitUsage, "expired on " + time.Now().Format("2006")},
		"of another cluster": {"https://" + server, other, exitUsage, "the agent's certificate cannot be trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.call(t, "", append([]string{"check", "--addr", test.address}, asFiles(t, test.holding)...)...)
			if r.code != test.code || r.out != "" {
				t.Errorf("exit code %d, want %d\n%s", r.code, test.code, r.out)
			}
			contains(t, r.errs, test.says)
		})
	}
}

// checkKnown checks the default lab: known failures are explained, and are failures.
func checkKnown(t *testing.T, u user, name string) {
	r := u.call(t, "", "check", name, "--quick", "--only",
		"server-lets-nobody-list-jobs-without-token,client-offers-no-raw-exec,server-lets-no-client-register-without-introduction")
	if r.code != exitFailed {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.out, "checks (known) fail", "FAIL, as is known of this cluster",
		"it has no ACL system", "its clients run raw_exec tasks", "its clients need no introduction")
}

// TestCheckOfAPlaintextCluster finds agents without TLS on HTTP by either kind of address, and reports the failure.
func TestCheckOfAPlaintextCluster(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "clear.yaml")
	if err := os.WriteFile(file, []byte("regions: [{servers: 1, clients: 1}]\noverrides: [{path: tls.http, value: \"false\"}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	name, u, _, _ := checkedLab(t, "--file", file)
	defer func() { u.must(t, "down", name) }()
	l := opened(t, u, name)
	for _, scheme := range []string{"http://", "https://"} {
		for _, n := range []*lab.Node{l.Servers()[0], l.Clients()[0]} {
			r := u.call(t, "", append([]string{"check", "--quick", "--only", "*-https-refuses-*", "--addr", scheme + n.HTTP().String()}, asFiles(t, l.Credential())...)...)
			if r.code != exitFailed {
				t.Errorf("%s%s: exit code %d\n%s", scheme, n.Name(), r.code, r.errs)
			}
			contains(t, r.out, "FAIL  "+string(n.Role())+"-https-refuses-plaintext", "1 "+string(n.Role()))
		}
	}
	r := u.call(t, "", "check", name, "--only", "*-https-refuses-*", "--quick")
	if r.code != exitFailed {
		t.Errorf("as a lab: exit code %d", r.code)
	}
	contains(t, r.out, "FAIL  server-https-refuses-plaintext")
}
