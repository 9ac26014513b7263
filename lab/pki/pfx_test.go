package pki_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"nomadlab.internal/lab/pki"
)

// pfxPassword is the password of the files that openssl makes here.
const pfxPassword = "correct horse"

// openPFX makes a PKCS#12 file of the credential with openssl, and returns it. others go in beside the certificate.
func openPFX(t *testing.T, c pki.Credential, others []byte, further ...string) []byte {
	t.Helper()
	folder := t.TempDir()
	paths := map[string][]byte{"cert": c.CertPEM, "key": c.KeyPEM, "others": others, "password": []byte(pfxPassword)}
	for name, text := range paths {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"pkcs12", "-export", "-in", "cert", "-passout", "file:password", "-out", "out"}, further...)
	if !slices.Contains(further, "-nokeys") {
		args = append(args, "-inkey", "key")
	}
	if len(others) > 0 {
		args = append(args, "-certfile", "others")
	}
	command := exec.CommandContext(t.Context(), "openssl", args...)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDecodePFX reads what openssl makes, in its present and its old encryption: certificate, key, intermediate and root come out
// where a credential has them, whatever their order in the file.
func TestDecodePFX(t *testing.T) {
	authority := newAuthority(t, capable())
	for _, c := range []pki.Credential{
		issue(t, authority, serverID),
		issueDefective(t, authority, serverID, pki.IntermediateSent()),
		issueDefective(t, authority, serverID, pki.WeakKey()),
		issueDefective(t, authority, serverID, pki.Ed25519()),
	} {
		for _, further := range [][]string{{}, {"-legacy"}, {"-keypbe", "NONE", "-certpbe", "NONE"}} {
			chain, err := c.Chain()
			if err != nil {
				t.Fatal(err)
			}
			// The root stands before the intermediate in the file.
			got, err := pki.DecodePFX(openPFX(t, c, append(slices.Clone(authority.CertificatePEM()), pki.EncodeCertificates(chain[1:])...), further...), pfxPassword)
			if err != nil {
				t.Fatalf("%v: %v", further, err)
			}
			if !bytes.Equal(got.CertPEM, c.CertPEM) || !bytes.Equal(got.CAPEM, authority.CertificatePEM()) {
				t.Errorf("%v: certificate, chain or root differ from those of the credential", further)
			}
			if _, err := got.TLSCertificate(); err != nil {
				t.Errorf("%v: %v", further, err)
			}
		}
	}
}

// TestDecodePFXInAnyOrder reads a file in which the root stands first, and the leaf twice: the credential's certificate is the one of
// the key. A key of none of the certificates is refused.
func TestDecodePFXInAnyOrder(t *testing.T) {
	authority := newAuthority(t, pki.Options{})
	c := issue(t, authority, serverID)
	encode := func(of pki.Credential) []byte {
		t.Helper()
		pair, err := of.TLSCertificate()
		if err != nil {
			t.Fatal(err)
		}
		roots, err := c.Authorities()
		if err != nil {
			t.Fatal(err)
		}
		text, err := pkcs12.Modern.Encode(pair.PrivateKey, roots[0], []*x509.Certificate{leafOf(t, c), leafOf(t, c)}, pfxPassword)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	got, err := pki.DecodePFX(encode(c), pfxPassword)
	if err != nil || !bytes.Equal(got.CertPEM, c.CertPEM) || !bytes.Equal(got.CAPEM, c.CAPEM) {
		t.Errorf("another credential came out, or %v", err)
	}
	if _, err := pki.DecodePFX(encode(issue(t, authority, serverID)), pfxPassword); !errors.Is(err, pki.ErrNotPFX) {
		t.Errorf("the key of another certificate: got %v, want %v", err, pki.ErrNotPFX)
	}
}

// TestDecodePFXRefuses: a wrong password has an error of its own, and so has a file that is none or lacks the key. The right
// password opens the same file.
func TestDecodePFXRefuses(t *testing.T) {
	c := issue(t, newAuthority(t, pki.Options{}), serverID)
	sound := openPFX(t, c, nil)
	for name, test := range map[string]struct {
		text     []byte
		password string
		want     error
	}{
		"the right password": {sound, pfxPassword, nil},
		"a wrong password":   {sound, "wrong", pki.ErrWrongPassword},
		"no password":        {sound, "", pki.ErrWrongPassword},
		"no password, old":   {openPFX(t, c, nil, "-legacy"), "", pki.ErrWrongPassword},
		"PEM":                {c.CertPEM, pfxPassword, pki.ErrNotPFX},
		"no key":             {openPFX(t, c, nil, "-nokeys"), pfxPassword, pki.ErrNotPFX},
		"cut off":            {sound[:len(sound)/2], pfxPassword, pki.ErrNotPFX},
		"nothing":            {nil, "", pki.ErrNotPFX},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pki.DecodePFX(test.text, test.password)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), pfxPassword) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}
