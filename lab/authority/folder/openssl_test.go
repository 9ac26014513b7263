package folder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/pki"
)

// openssl runs the real program in a folder.
func openssl(t *testing.T, in, arguments string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", strings.Fields(arguments)...)
	command.Dir = in
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", arguments, err, out)
	}
}

// remove removes files of a folder.
func remove(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

const password = "hush, a PFX"

// pfxFolder makes a folder with a PKCS#12 file for each role, by openssl.
func pfxFolder(t *testing.T, m *maker, cipher string, rootInside bool) (root, passwordFile string) {
	t.Helper()
	below, err := m.root.NewIntermediate(pki.Options{CommonName: "Issuing CA"})
	if err != nil {
		t.Fatal(err)
	}
	low := &maker{t, below}
	root = t.TempDir()
	passwordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := below.CertificatePEM()
	if rootInside {
		inside = join(m.root.CertificatePEM(), inside)
	}
	overwrite(t, root, layout{"ca.pem": m.root.CertificatePEM(), "chain": inside})
	for name, id := range map[string]pki.Identity{"server.pfx": serverID, "client.p12": clientID, "cli.pfx": cliID} {
		c := low.sound(id)
		leaf, _, _ := bytes.Cut(c.CertPEM, []byte("-----END CERTIFICATE-----\n"))
		overwrite(t, root, layout{"cert": append(leaf, "-----END CERTIFICATE-----\n"...), "key": c.KeyPEM})
		openssl(t, root, "pkcs12 -export "+cipher+" -in cert -inkey key -certfile chain -passout file:"+passwordFile+" -out "+name)
	}
	remove(t, root, "cert", "key", "chain")
	if rootInside {
		remove(t, root, "ca.pem")
	}
	return root, passwordFile
}

// TestPFX: PKCS#12 files of both generations of ciphers are read, with the authorities inside or beside them, and their holders
// accept each other. A wrong password, none, and one that cannot be read are told apart, and no error shows it.
func TestPFX(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	for name, test := range map[string]struct {
		cipher string
		inside bool
	}{
		"today's ciphers":                   {"", false},
		"3DES and RC2":                      {"-legacy", false},
		"the root inside":                   {"", true},
		"AES-128 for keys and certificates": {"-keypbe AES-128-CBC -certpbe AES-128-CBC -macalg sha1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, passwordFile := pfxFolder(t, m, test.cipher, test.inside)
			with := func(passwordFile string) (*folder.Source, error) {
				return folder.Read(t.Context(), root, folder.Options{PasswordFile: passwordFile, Requests: requests()})
			}
			s, err := with(passwordFile)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Issue(t.Context(), requests()...)
			if err != nil {
				t.Fatal(err)
			}
			connectAll(t, got)
			if notes := s.Warnings(); len(notes) > 0 {
				t.Errorf("warnings %q", notes)
			}
			for i, r := range requests() {
				if leaf, err := got[i].Leaf(); err != nil || leaf.VerifyHostname(r.Identity.Name()) != nil {
					t.Errorf("%s has %s", r.For(), got[i].Describe())
				}
			}
			other := filepath.Join(t.TempDir(), "other")
			if err := os.WriteFile(other, []byte("another hush"), 0o600); err != nil {
				t.Fatal(err)
			}
			for file, says := range map[string]string{
				other: "under another password than the one that was given: name a file that has its password with --password-file", "": "under a password, and none was given: name a file that has the password with --password-file",
			} {
				_, err := with(file)
				refused(t, err, root+"/server.pfx is "+says, root+"/client.p12 is "+says, root+"/cli.pfx is "+says)
				if err != nil && strings.Contains(err.Error(), "hush") {
					t.Error("the error shows the password")
				}
			}
			_, err = with(other + "-none")
			refused(t, err, other+"-none is unreadable (no such file or directory)")
		})
	}
}

// TestRootInOnePFX: an authority that lies in one PKCS#12 file alone is trusted by the holders of other files too.
func TestRootInOnePFX(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat()
	root := base.write(t)
	openssl(t, root, "pkcs12 -export -in "+serverCert+" -inkey "+serverKey+" -certfile "+caCert+" -passout pass: -out server.pfx")
	remove(t, root, serverCert, serverKey, caCert)
	_, got := mustRead(t, root, requests()...)
	connectAll(t, got)
	remove(t, root, "server.pfx")
	overwrite(t, root, layout{serverCert: base[serverCert], serverKey: base[serverKey]})
	_, _, err := read(t, root, requests()...)
	refused(t, err, root+" is without the certificate of an authority")
}

// TestPFXBeside: a PKCS#12 file without a password is read, its mode and that of the file of a password are looked at, and one
// that holds no key is named where its certificate is needed.
func TestPFXBeside(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	root := m.flat().write(t)
	openssl(t, root, "pkcs12 -export -in "+serverCert+" -inkey "+serverKey+" -passout pass: -out server.pfx")
	openssl(t, root, "pkcs12 -export -nokeys -in "+serverCert+" -passout pass: -out keyless.pfx")
	key := filepath.Join(root, serverKey)
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, root, serverCert, serverKey)
	pfx := filepath.Join(root, "server.pfx")
	if err := os.Chmod(pfx, 0o604); err != nil {
		t.Fatal(err)
	}
	passwordFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(passwordFile, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := folder.Read(t.Context(), root, folder.Options{PasswordFile: passwordFile, Requests: requests()})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(s.Warnings(), "\n")
	for _, says := range []string{pfx + " has a private key and can be read by every user (mode 0604)", passwordFile + ", the file of the password", "keyless.pfx is of no use"} {
		if !strings.Contains(notes, says) {
			t.Errorf("no warning says %q:\n%s", says, notes)
		}
	}
	remove(t, root, "server.pfx")
	_, _, err = read(t, root, requests()...)
	refused(t, err, root+"/keyless.pfx is of no use", "certificate for server.global.nomad is missing")
	overwrite(t, root, layout{serverKey: text})
	_, _, err = read(t, root, requests()...)
	refused(t, err, "certificate for server.global.nomad is missing")
}

// TestOpenSSLFiles: keys and certificates as openssl writes them are read: parameters before a key, text before a certificate, RSA,
// and a chain that openssl made.
func TestOpenSSLFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	run := func(arguments string) { t.Helper(); openssl(t, root, arguments) }
	run("ecparam -name secp384r1 -genkey -out ca.key")
	run("req -x509 -new -key ca.key -subj /CN=OpenSSL -days 30 -out ca.crt -addext basicConstraints=critical,CA:true -addext keyUsage=keyCertSign")
	for _, id := range []pki.Identity{serverID, clientID, cliID} {
		name := string(id.Role)
		extensions := "subjectAltName=DNS:" + id.Name() + ",DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
		if err := os.WriteFile(filepath.Join(root, "ext"), []byte(extensions), 0o600); err != nil {
			t.Fatal(err)
		}
		if id.Role == pki.Server {
			run("genrsa -traditional -out server.key 2048")
		} else {
			run("ecparam -name prime256v1 -genkey -out " + name + ".key")
		}
		run("req -new -key " + name + ".key -subj /CN=" + id.Name() + " -out " + name + ".csr")
		run("x509 -req -in " + name + ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 10 -extfile ext -text -out " + name + ".crt")
	}
	s, got := mustRead(t, root, requests()...)
	connectAll(t, got)
	for i, c := range got {
		text, err := os.ReadFile(filepath.Join(root, string(requests()[i].Identity.Role)+".crt"))
		if err != nil || !bytes.Equal(c.CertPEM, text) {
			t.Errorf("%s: not the bytes of the file, %v", requests()[i].For(), err)
		}
	}
	if a := s.Signer(); a == nil || a.String() != "OpenSSL" {
		t.Errorf("signer %v", a)
	}
	// A key whose first block is that of its parameters is one, also before the certificate in the same file.
	key, err := os.ReadFile(filepath.Join(root, "client.key"))
	if err != nil || !bytes.HasPrefix(key, []byte("-----BEGIN EC PARAMETERS")) {
		t.Fatalf("%v: %.40s", err, key)
	}
	overwrite(t, root, layout{"client.crt": join(key, got[2].CertPEM)})
	_, _, err = read(t, root, requests()...)
	refused(t, err, root+"/client.crt is a file that has the private key before the certificate")
}
