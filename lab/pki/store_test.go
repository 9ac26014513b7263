package pki_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
)

func TestCredentialRoundTrip(t *testing.T) {
	authority := newAuthority(t, capable())
	for _, id := range []pki.Identity{
		{Role: pki.Server},
		{Role: pki.CLI, IPs: addrs("127.0.0.1")},
		{Role: pki.Client, Region: "eu", DNSNames: []string{"n1.lab.test"}, IPs: addrs("10.0.0.7", "fd00::1")},
	} {
		t.Run(id.Name(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "deep", "node")
			want := issue(t, authority, id)
			if err := want.Save(dir); err != nil {
				t.Fatal(err)
			}
			got, err := pki.LoadCredential(dir, pki.Identity{Role: id.Role, Region: id.Region})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-saved +loaded):\n%s", diff)
			}
			wantModes := map[string]fs.FileMode{".": 0o700, id.CertFile(): 0o644, id.KeyFile(): 0o600, pki.CAFile: 0o644}
			if diff := cmp.Diff(wantModes, modes(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefectiveCredentialsRoundTrip(t *testing.T) {
	authority := newAuthority(t, capable())
	for _, defect := range pki.Defects() {
		dir := t.TempDir()
		if err := issueDefective(t, authority, serverID, defect).Save(dir); err != nil {
			t.Fatal(err)
		}
		want := ""
		if defect == pki.LeafNotFirst() {
			want = "is not the key of"
		}
		_, err := pki.LoadCredential(dir, serverID)
		checkError(t, err, want)
	}
}

func TestSaveReplaces(t *testing.T) {
	dir := t.TempDir()
	authority := newAuthority(t, pki.Options{})
	if err := os.WriteFile(filepath.Join(dir, serverID.KeyFile()), []byte("old, and open to all"), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		want := issue(t, authority, serverID)
		if err := want.Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := pki.LoadCredential(dir, serverID)
		if err != nil || string(got.CertPEM) != string(want.CertPEM) {
			t.Errorf("the old certificate is still there (error %v)", err)
		}
		if mode := modes(t, dir)[serverID.KeyFile()]; mode != 0o600 {
			t.Errorf("key file has mode %o", mode)
		}
	}
}

// A key must not be written through a link to where others read.
func TestSaveReplacesALinkItself(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, serverID.KeyFile())); err != nil {
		t.Fatal(err)
	}
	if err := issue(t, newAuthority(t, pki.Options{}), serverID).Save(dir); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(elsewhere); err != nil || len(text) != 0 {
		t.Errorf("%d bytes were written through the link (error %v)", len(text), err)
	}
}

func TestFailedSaveLeavesNoDraft(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, serverID.KeyFile())
	if err := os.MkdirAll(filepath.Join(inTheWay, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := issue(t, newAuthority(t, pki.Options{}), serverID).Save(dir)
	checkError(t, err, "save credential of server.global.nomad")
	if got := modes(t, dir); len(got) != 2 {
		t.Errorf("left behind: %v", got)
	}
}

func TestSaveRefusesAnInvalidIdentity(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	cred.Identity.Region = "../outside"
	checkError(t, cred.Save(t.TempDir()), `region "../outside"`)
	_, err := pki.LoadCredential(t.TempDir(), cred.Identity)
	checkError(t, err, `region "../outside"`)
}

func TestAuthorityRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	saved := newAuthority(t, pki.Options{CommonName: "lab one", PermittedDNS: []string{"lab.test"}})
	if err := saved.Save(dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{".": 0o700, pki.CAFile: 0o644, pki.CAKeyFile: 0o600}
	if diff := cmp.Diff(want, modes(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	loaded, err := pki.LoadAuthority(dir, pki.Options{LeafTTL: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if string(loaded.CertificatePEM()) != string(saved.CertificatePEM()) {
		t.Error("the certificate changed on the way")
	}
	leaf := leafOf(t, issue(t, loaded, serverID))
	if err := leaf.CheckSignatureFrom(parseCA(t, saved.CertificatePEM())); err != nil {
		t.Errorf("the loaded authority signs with another key: %v", err)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 4*time.Hour+time.Minute {
		t.Errorf("LeafTTL of the loaded authority is %s", life)
	}
	_, err = loaded.Issue(pki.Identity{Role: pki.Client, DNSNames: []string{"evil.test"}})
	checkError(t, err, "not permitted")
}

func TestUnreadableCredentialGivesErrors(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	cred.CAPEM = []byte("nonsense")
	_, err := cred.ClientTLS("")
	checkError(t, err, "read CA bundle of server.global.nomad")
	cred.KeyPEM = issue(t, newAuthority(t, pki.Options{}), serverID).KeyPEM
	_, err = cred.ClientTLS("")
	checkError(t, err, "read certificate and key of server.global.nomad")
	_, err = pki.Credential{Identity: serverID}.NotAfter()
	checkError(t, err, "read certificate of server.global.nomad")
}

func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	found := make(map[string]fs.FileMode)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"."}, names(entries)...) {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		found[name] = info.Mode().Perm()
	}
	return found
}

func names(entries []fs.DirEntry) []string {
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestANamelessCertificateIsGoodForTheCLIAlone: HTTPS asks for no name, while an agent is known by its own.
func TestANamelessCertificateIsGoodForTheCLIAlone(t *testing.T) {
	a := newAuthority(t, pki.Options{})
	for role, good := range map[pki.Role]bool{pki.CLI: true, pki.Server: false, pki.Client: false} {
		dir, id := t.TempDir(), pki.Identity{Role: role}
		nameless, err := a.IssueTemplate(pki.Template{Holder: id})
		if err != nil {
			t.Fatal(err)
		}
		if err := nameless.Save(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := pki.LoadCredential(dir, id); (err == nil) != good {
			t.Errorf("%s: %v", role, err)
		}
		named, err := a.Issue(id)
		if err := errors.Join(err, named.Save(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := pki.LoadCredential(dir, id); err != nil {
			t.Errorf("the control of %s: %v", role, err)
		}
	}
}
