package pki_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
)

// TestWrongFormat: the error names the format that openssl made, and the command that it advises makes of it what Go reads. A
// file that Go reads is accepted.
func TestWrongFormat(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := authority.Issue(pki.Identity{Role: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "server.pem"), filepath.Join(folder, "server-key.pem")
	for path, text := range map[string][]byte{cert: c.CertPEM, key: c.KeyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if why := pki.WrongFormat(text, path); why != "" {
			t.Errorf("%s: %s", path, why)
		}
	}
	if why := pki.WrongFormat([]byte("a text"), "x"); why != "" {
		t.Errorf("a text: %s", why)
	}
	for name, test := range map[string]struct {
		make []string
		what string
	}{
		"a.p12":   {[]string{"pkcs12", "-export", "-in", cert, "-inkey", key, "-passout", "pass:x"}, "a PKCS#12 file"},
		"enc.pem": {[]string{"pkey", "-in", key, "-aes256", "-passout", "pass:x"}, "a private key under a passphrase"},
		"old.pem": {[]string{"ec", "-in", key, "-aes256", "-passout", "pass:x"}, "a private key under a passphrase"},
		"c.der":   {[]string{"x509", "-in", cert, "-outform", "der"}, "a certificate in DER"},
		"k.der":   {[]string{"pkey", "-in", key, "-outform", "der"}, "a private key in DER"},
		"c.p7b":   {[]string{"crl2pkcs7", "-nocrl", "-certfile", cert}, "PKCS#7"},
		"d.p7b":   {[]string{"crl2pkcs7", "-nocrl", "-certfile", cert, "-outform", "der"}, "PKCS#7 in DER"},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(folder, name)
			if out, err := exec.CommandContext(t.Context(), "openssl", append(test.make, "-out", at)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			why := pki.WrongFormat(text, at)
			if !strings.HasPrefix(why, "it is "+test.what+",") {
				t.Fatalf("it says %q", why)
			}
			for i, command := range strings.Split(why, "`") {
				if i%2 == 0 {
					continue
				}
				run := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, " -in ", " -passin pass:x -in ", 1))
				if strings.Contains(command, "x509") || strings.Contains(command, "pkcs7") {
					run = exec.CommandContext(t.Context(), "sh", "-c", command)
				}
				if out, err := run.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", command, err, out)
				}
				made := command[strings.LastIndex(command, " -out '")+7 : len(command)-1]
				text, err := os.ReadFile(made)
				if err != nil {
					t.Fatal(err)
				}
				if m := pki.ReadMaterial(text); len(m.Certificates)+len(m.Keys) != 1 || pki.WrongFormat(text, made) != "" {
					t.Errorf("%s makes %d certificates and %d keys", command, len(m.Certificates), len(m.Keys))
				}
			}
		})
	}
}

// TestWrongFormatKeepsIntermediates: the advised commands keep the intermediate authority of a PKCS#12 file, and work for a path with
// what a shell would read otherwise.
func TestWrongFormatKeepsIntermediates(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, err := authority.IssueDefective(pki.Identity{Role: pki.Server}, pki.IntermediateSent())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key, pfx := filepath.Join(folder, "server.pem"), filepath.Join(folder, "server-key.pem"), filepath.Join(folder, "it's `id` $HOME.pfx")
	for path, text := range map[string][]byte{cert: c.CertPEM, key: c.KeyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "openssl", "pkcs12", "-export", "-in", cert, "-inkey", key, "-passout", "pass:x", "-out", pfx).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(pfx)
	if err != nil {
		t.Fatal(err)
	}
	why := pki.WrongFormat(text, pfx)
	first, _, _ := strings.Cut(why[strings.Index(why, "`")+1:], "` and `")
	run := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(first, " -in ", " -passin pass:x -in ", 1))
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", first, err, out)
	}
	made, err := os.ReadFile(strings.TrimSuffix(pfx, ".pfx") + ".new-cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pki.DecodeCertificates(made)
	if err != nil || len(certs) != 2 || !strings.Contains(why, "-legacy") {
		t.Errorf("%s makes %d certificates (%v): %s", first, len(certs), err, why)
	}
}
