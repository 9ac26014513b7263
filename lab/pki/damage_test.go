package pki_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
)

// damage is what became of one file between Save and Load.
type damage struct {
	name, file string
	text       []byte // nil: remove the file
	authority  bool   // load the authority, not the credential
	want       string // part of the error; empty: loads
}

func damages(cred, other pki.Credential) []damage {
	cut := func(text []byte) []byte { return text[:len(text)/2] }
	return []damage{
		{"untouched", "", nil, false, ""},
		{"untouched authority", "", nil, true, ""},
		{"missing certificate", serverID.CertFile(), nil, false, "no such file"},
		{"missing key", serverID.KeyFile(), nil, false, "no such file"},
		{"missing bundle", pki.CAFile, nil, false, "no such file"},
		{"cut certificate", serverID.CertFile(), cut(cred.CertPEM), false, "damaged PEM: 0 of 1"},
		{"cut key", serverID.KeyFile(), cut(cred.KeyPEM), false, "no private key"},
		{"empty bundle", pki.CAFile, []byte{}, false, "no certificate"},
		{"half a bundle", pki.CAFile, slices.Concat(cred.CAPEM, cut(other.CAPEM)), false, "1 of 2"},
		{"key for a certificate", serverID.CertFile(), cred.KeyPEM, false, `"EC PRIVATE KEY"`},
		{"certificate for a key", serverID.KeyFile(), cred.CertPEM, false, `"CERTIFICATE"`},
		{"another's key", serverID.KeyFile(), other.KeyPEM, false, "is not the key of"},
		{"missing CA", pki.CAFile, nil, true, "no such file"},
		{"missing CA key", pki.CAKeyFile, nil, true, "no such file"},
		{"cut CA key", pki.CAKeyFile, cut(cred.KeyPEM), true, "no private key"},
		{"another's CA key", pki.CAKeyFile, cred.KeyPEM, true, "is not the key of"},
		{"leaf for a CA", pki.CAFile, cred.CertPEM, true, "is not an authority"},
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	authority := newAuthority(t, pki.Options{})
	cred, other := issue(t, authority, serverID), issue(t, newAuthority(t, pki.Options{}), serverID)
	for _, tc := range damages(cred, other) {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := errors.Join(authority.Save(dir), cred.Save(dir)); err != nil {
				t.Fatal(err)
			}
			spoil(t, dir, tc.file, tc.text)
			err := load(dir, tc.authority)
			checkError(t, err, tc.want)
			if tc.want == "" || err == nil {
				return
			}
			checkError(t, err, filepath.Join(dir, tc.file))
			checkError(t, err, "issue ")
			if errors.Is(err, fs.ErrNotExist) != (tc.text == nil) {
				t.Errorf("%v: wrong answer to fs.ErrNotExist", err)
			}
			if strings.Contains(err.Error(), strings.Split(string(cred.KeyPEM), "\n")[1]) {
				t.Error("the error shows a key")
			}
		})
	}
}

func TestLoadCredentialRefusesAnothersCertificate(t *testing.T) {
	dir := t.TempDir()
	client := pki.Identity{Role: pki.Client}
	authority := newAuthority(t, pki.Options{})
	cred := issue(t, authority, serverID)
	if err := errors.Join(cred.Save(dir), issue(t, authority, client).Save(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.LoadCredential(dir, client); err != nil {
		t.Fatal(err)
	}
	spoil(t, dir, client.CertFile(), cred.CertPEM)
	spoil(t, dir, client.KeyFile(), cred.KeyPEM)
	_, err := pki.LoadCredential(dir, client)
	checkError(t, err, client.CertFile()+" speaks for CN=server.global.nomad")
}

func load(dir string, authority bool) error {
	if authority {
		_, err := pki.LoadAuthority(dir, pki.Options{})
		return err
	}
	_, err := pki.LoadCredential(dir, serverID)
	return err
}

func spoil(t *testing.T, dir, file string, text []byte) {
	t.Helper()
	path := filepath.Join(dir, file)
	var err error
	switch {
	case file == "":
	case text == nil:
		err = os.Remove(path)
	default:
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
