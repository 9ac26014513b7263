package certificate_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// problemsOf returns the IDs of all problems of a report, those of places first.
func problemsOf(r certificate.Report) string {
	var all []certificate.Problem
	for _, p := range r.Places {
		all = append(all, p.Problems...)
		for _, c := range p.Certificates {
			all = append(all, c.Problems...)
		}
	}
	return strings.Join(ids(all), " ")
}

// TestFiles: what is wrong with files of certificates and keys is named, beside the same put right.
func TestFiles(t *testing.T) {
	a := authority(t, pki.Options{})
	server, other := issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{}), issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{})
	ca := a.CertificatePEM()
	type files = map[string][]byte
	join := func(texts ...[]byte) []byte { return bytes.Join(texts, nil) }
	for _, test := range []struct {
		name, problems string
		files          files
	}{
		{"in files of their own", "", files{"x.pem": server.CertPEM, "x-key.pem": server.KeyPEM, "ca.pem": ca}},
		{"combined, certificate first", "", files{"x.pem": join(server.CertPEM, server.KeyPEM)}},
		{"combined, key first", "key-first", files{"x.pem": join(server.KeyPEM, server.CertPEM)}},
		{"combined with a chain, key between", "", files{"x.pem": join(server.CertPEM, server.KeyPEM, ca)}},
		{"combined with another key", "other-key", files{"x.pem": join(server.CertPEM, other.KeyPEM)}},
		{"another key beside", "other-key", files{"x.pem": server.CertPEM, "x-key.pem": other.KeyPEM}},
		{"another key beside, otherwise named", "other-key", files{"x.crt": server.CertPEM, "x.key": other.KeyPEM}},
		{"a key alone", "key-without-certificate", files{"x-key.pem": server.KeyPEM}},
		{"a certificate alone", "", files{"x.pem": server.CertPEM}},
		{"a certificate that is cut off", "damaged", files{"x.pem": server.CertPEM[:len(server.CertPEM)-60]}},
		{"a bundle that is cut off", "damaged", files{"x.pem": join(ca, ca[:len(ca)-60])}},
		{"a key that is not one", "damaged-key", files{"x-key.pem": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("none")})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var all []certificate.Input
			for name, text := range test.files {
				all = append(all, decode(t, name, text))
			}
			r := certificate.Judge(all, certificate.Options{Now: time.Now()})
			if got := problemsOf(r); got != test.problems {
				t.Errorf("problems %q, want %q", got, test.problems)
			}
			for _, p := range r.Places {
				complete(t, p.Problems)
			}
		})
	}
}

// TestKeyReadable: a private key that every user may read is a problem, in a file of its own or beside a certificate. Its group may
// read it, as a check of a configuration has it.
func TestKeyReadable(t *testing.T) {
	c := issue(t, authority(t, pki.Options{}), pki.Identity{Role: pki.Server}, pki.Defect{})
	both := bytes.Join([][]byte{c.CertPEM, c.KeyPEM}, nil)
	for _, test := range []struct {
		text []byte
		mode os.FileMode
		want string
	}{{both, 0o600, ""}, {both, 0o640, ""}, {both, 0o644, "key-readable"}, {c.CertPEM, 0o644, ""}} {
		i := decode(t, "it.pem", test.text)
		i.Mode = test.mode
		if got := problemsOf(certificate.Judge([]certificate.Input{i}, certificate.Options{Now: time.Now()})); got != test.want {
			t.Errorf("%04o: problems %q, want %q", test.mode, got, test.want)
		}
	}
}

// TestWrongFormats: formats that Nomad cannot read are read here, as far as they are not under a password, and named with the
// command that converts them. PEM is the control.
func TestWrongFormats(t *testing.T) {
	c := issue(t, authority(t, pki.Options{}), pki.Identity{Role: pki.Server}, pki.Defect{})
	folder := t.TempDir()
	for name, text := range map[string][]byte{"c.pem": c.CertPEM, "k.pem": c.KeyPEM} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		make            []string
		format          string
		certificates    int
		remedy, problem string
	}{
		"copy.pem": {[]string{"x509", "-in", "c.pem"}, "PEM", 1, "", ""},
		"c.der":    {[]string{"x509", "-in", "c.pem", "-outform", "der"}, "DER", 1, "openssl x509 -inform der", "wrong-format"},
		"k.der":    {[]string{"pkey", "-in", "k.pem", "-outform", "der"}, "DER", 0, "openssl pkey -inform der", "wrong-format"},
		"x.pfx":    {[]string{"pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-passout", "pass:x"}, "PKCS#12", 1, "openssl pkcs12", "wrong-format"},
		"k.enc":    {[]string{"pkey", "-in", "k.pem", "-aes256", "-passout", "pass:x"}, "PEM", 0, "openssl pkey", "wrong-format"},
		"c.p7b":    {[]string{"crl2pkcs7", "-nocrl", "-certfile", "c.pem"}, "PEM", 0, "openssl pkcs7", "wrong-format"},
	} {
		t.Run(name, func(t *testing.T) {
			run := exec.CommandContext(t.Context(), "openssl", append(test.make, "-out", name)...)
			run.Dir = folder
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			i, err := certificate.Decode(text, name, "x")
			if err != nil {
				t.Fatal(err)
			}
			r := certificate.Judge([]certificate.Input{decode(t, "c.pem", c.CertPEM), i}, certificate.Options{Now: time.Now()})
			p := r.Places[1]
			if got := strings.Join(ids(p.Problems), " "); got != test.problem || p.Format != test.format || len(p.Certificates) != test.certificates {
				t.Fatalf("%s: problems %q and %d certificates: %+v", p.Format, got, len(p.Certificates), p)
			}
			if test.problem != "" && !strings.Contains(p.Problems[0].Remedy, test.remedy) {
				t.Errorf("the remedy is %q", p.Problems[0].Remedy)
			}
		})
	}
	text, err := os.ReadFile(filepath.Join(folder, "x.pfx"))
	if err != nil {
		t.Fatal(err)
	}
	if i, err := certificate.Decode(text, "x.pfx", "y"); !errors.Is(err, pki.ErrWrongPassword) || i.Wrong == "" {
		t.Errorf("with another password: %+v, %v", i, err)
	}
}
