package folder_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

const (
	serverCert, serverKey = "global-server-nomad.pem", "global-server-nomad-key.pem"
	clientCert, clientKey = "global-client-nomad.pem", "global-client-nomad-key.pem"
	cliCert, cliKey       = "global-cli-nomad.pem", "global-cli-nomad-key.pem"
	caCert                = "nomad-agent-ca.pem"
)

// wrong is one thing wrong with a folder that is read without it.
type wrong struct {
	change layout
	// says are parts of the error. ROOT stands for the folder.
	says []string
}

// pair returns the changes that put a credential into a certificate's and a key's file.
func pair(cert, key string, c pki.Credential) layout {
	return layout{cert: c.CertPEM, key: c.KeyPEM}
}

// encoded returns the first block of a PEM text as DER, or with another type.
func encoded(t *testing.T, text []byte, kind string) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	if kind == "" {
		return block.Bytes
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block.Bytes})
}

// faults returns what can be wrong with what the files hold.
func faults(m *maker, base layout) map[string]wrong {
	server, client := m.sound(serverID), m.sound(clientID)
	other := newAuthority(m.t, pki.Options{CommonName: "Other CA"})
	commonNameAlone, err := m.root.IssueTemplate(pki.Template{Holder: serverID, CommonName: "server.global.nomad", DNSNames: []string{"localhost"}})
	if err != nil {
		m.t.Fatal(err)
	}
	ofDefect := func(d pki.Defect, says ...string) wrong {
		return wrong{pair(serverCert, serverKey, m.issue(serverID, d)), append([]string{"ROOT/" + serverCert + " is "}, says...)}
	}
	return map[string]wrong{
		"no server's certificate":            {layout{serverCert: nil, serverKey: nil}, []string{"a certificate for server.global.nomad is missing", "ROOT/" + clientCert + " (client.global.nomad"}},
		"no client's certificate":            {layout{clientCert: nil, clientKey: nil}, []string{"a certificate for client.global.nomad is missing"}},
		"no key":                             {layout{serverKey: nil}, []string{"ROOT/" + serverCert + " is a certificate whose private key is missing"}},
		"another key":                        {layout{serverKey: server.KeyPEM}, []string{"ROOT/" + serverKey + " is not the key of ROOT/" + serverCert}},
		"another certificate":                {layout{clientCert: client.CertPEM}, []string{"ROOT/" + clientKey + " is not the key of ROOT/" + clientCert}},
		"another key in the same file":       {layout{serverCert: join(base[serverCert], server.KeyPEM), serverKey: nil}, []string{"ROOT/" + serverCert + " is a file whose private key is not that of its certificate"}},
		"several keys in one file":           {layout{serverKey: join(base[serverKey], base[clientKey])}, []string{"ROOT/" + serverKey + " is a file of several private keys"}},
		"another's key in the certificate's": {layout{serverCert: join(base[serverCert], base[clientKey]), serverKey: base[serverKey]}, []string{"ROOT/" + serverKey + " is a file of several private keys"}},
		"expired":                            ofDefect(pki.Expired(), "is valid from", "have a new one issued"),
		"not yet valid":                      ofDefect(pki.NotYetValid(), "is valid from"),
		"foreign":                            ofDefect(pki.Foreign(), "its issuer CN=Foreign CA is missing", "ROOT/"+caCert),
		"intermediate missing":               ofDefect(pki.IntermediateMissing(), "is missing"),
		"self-signed":                        ofDefect(pki.SelfSigned(), "not accepted by its peers: it is signed with its own key"),
		"for callers alone":                  ofDefect(pki.ClientAuthOnly(), "not accepted where its holder is called: its extended key usage"),
		"for listeners alone":                ofDefect(pki.ServerAuthOnly(), "not accepted where its holder calls: its extended key usage"),
		"for no TLS":                         ofDefect(pki.CodeSigningOnly(), "extended key usage"),
		"Ed25519":                            ofDefect(pki.Ed25519(), "a key of the kind Ed25519", "RSA and ECDSA"),
		"the user's, expired":                {pair(cliCert, cliKey, m.issue(cliID, pki.Expired())), []string{"ROOT/" + cliCert + " is not accepted by its peers"}},
		"a client's for a server":            {pair(serverCert, serverKey, client), []string{"ROOT/" + serverCert + " is for client.global.nomad", "server.global.nomad among its DNS names"}},
		"another region's":                   {pair(serverCert, serverKey, m.sound(pki.Identity{Role: pki.Server, Region: "eu"})), []string{"ROOT/" + serverCert + " is for server.eu.nomad"}},
		"a common name alone":                {pair(serverCert, serverKey, commonNameAlone), []string{"ROOT/" + serverCert + " is for server.global.nomad by its common name alone"}},
		"a chain with its issuer first":      {layout{serverCert: join(m.root.CertificatePEM(), base[serverCert])}, []string{"ROOT/" + serverCert + " is a chain in which", "is not the first"}},
		"the key first":                      {layout{serverCert: join(base[serverKey], base[serverCert]), serverKey: nil}, []string{"ROOT/" + serverCert + " is a file that has the private key before the certificate", "nomad#27660", "move the key behind"}},
		"a client's, the key first":          {layout{clientCert: join(base[clientKey], base[clientCert]), clientKey: nil}, []string{"ROOT/" + clientCert + " is a file that has the private key before"}},
		"no authority":                       {layout{caCert: nil}, []string{"ROOT is without the certificate of an authority", "CN=Own CA"}},
		"another authority":                  {layout{caCert: other.CertificatePEM()}, []string{"ROOT/" + serverCert, "ROOT/" + clientCert, "ROOT/" + cliCert, "its issuer CN=Own CA is missing", "ROOT/" + caCert}},
		"damaged certificate":                {layout{serverCert: bytes.Replace(base[serverCert], []byte("MII"), []byte("M!I"), 1)}, []string{"ROOT/" + serverCert + " is damaged"}},
		"damaged key":                        {layout{serverKey: encoded(m.t, base[serverCert], "EC PRIVATE KEY")}, []string{"ROOT/" + serverKey + " is a private key that cannot be read"}},
		"damaged authority":                  {layout{caCert: base[caCert][:len(base[caCert])/2]}, []string{"ROOT/" + caCert + " is damaged", "without the certificate of an authority"}},
		"a bundle with a damaged part":       {layout{caCert: join(base[caCert], []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))}, []string{"ROOT/" + caCert + " is damaged"}},
		"a certificate in DER":               {layout{serverCert: encoded(m.t, base[serverCert], "")}, []string{"ROOT/" + serverCert + " is a certificate in DER", "openssl x509 -inform der"}},
		"a key in DER":                       {layout{serverKey: encoded(m.t, base[serverKey], "")}, []string{"ROOT/" + serverKey + " is a private key in DER", "openssl pkey -inform der"}},
		"PKCS#7":                             {layout{caCert: encoded(m.t, base[caCert], "PKCS7")}, []string{"ROOT/" + caCert + " is PKCS#7", "openssl pkcs7"}},
		"a key under a passphrase":           {layout{serverKey: encoded(m.t, base[serverKey], "ENCRYPTED PRIVATE KEY")}, []string{"ROOT/" + serverKey + " is a private key under a passphrase", "openssl pkey -in"}},
		"several things": {layout{serverKey: server.KeyPEM, clientCert: m.issue(clientID, pki.Expired()).CertPEM, cliCert: encoded(m.t, base[cliCert], "")}, []string{
			"ROOT/" + serverKey + " is not the key of", "ROOT/" + clientKey + " is not the key of", "ROOT/" + clientCert + " is not accepted", "is valid from", "ROOT/" + cliCert + " is a certificate in DER",
		}},
	}
}

// TestRefused: each folder with one thing wrong is refused before anything starts, and each file is named. The same folder
// without it is read, before and after.
func TestRefused(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat()
	for name, test := range faults(m, base) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := base.write(t)
			mustRead(t, root, requests()...)
			overwrite(t, root, test.change)
			_, _, err := read(t, root, requests()...)
			says := replaced(test.says, root)
			refused(t, err, says...)
			if err != nil && (strings.Contains(err.Error(), "BEGIN") || bytes.Contains([]byte(err.Error()), base[serverKey][40:60])) {
				t.Errorf("the error shows a key: %v", err)
			}
			back := layout{}
			for path := range test.change {
				back[path] = base[path]
			}
			overwrite(t, root, back)
			mustRead(t, root, requests()...)
			// Without the requests it is Issue that refuses.
			overwrite(t, root, test.change)
			if s, err := folder.Read(t.Context(), root, folder.Options{}); err == nil {
				_, err = s.Issue(t.Context(), requests()...)
				refused(t, err, says...)
			}
		})
	}
}

// overwrite writes the files, or removes those without a text.
func overwrite(t *testing.T, root string, files layout) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if text == nil {
			continue
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNotRefused: what does no harm is read.
func TestNotRefused(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat()
	client := m.sound(clientID)
	for name, change := range map[string]layout{
		"keys under each other's names":         {serverKey: base[clientKey], clientKey: base[serverKey]},
		"no usage":                              pair(serverCert, serverKey, m.issue(serverID, pki.NoEKU())),
		"the user's with the key first":         {cliCert: join(base[cliKey], base[cliCert]), cliKey: nil},
		"the user's with an Ed25519 key":        pair(cliCert, cliKey, m.issue(cliID, pki.Ed25519())),
		"a chain":                               pair(serverCert, serverKey, m.issue(serverID, pki.IntermediateSent())),
		"a certificate that can sign":           pair(serverCert, serverKey, m.issue(serverID, pki.CanSign())),
		"a certificate that begins later":       pair("a-new.pem", "a-new-key.pem", m.issue(serverID, pki.NotYetValid())),
		"other files":                           {"README.md": []byte("0 is not DER"), "serial.srl": []byte("01"), "empty": {}, "x.csr": encoded(t, base[serverCert], "CERTIFICATE REQUEST")},
		"hidden files":                          {".old.pem": base[serverCert][:300]},
		"an old certificate beside the new one": {"client-old.pem": m.issue(clientID, pki.Expired()).CertPEM, "client-new.pem": client.CertPEM, "client-new-key.pem": client.KeyPEM},
		"a damaged file that nobody needs":      {"old.pem": base[serverCert][:300]},
		"no line end":                           {caCert: bytes.TrimRight(base[caCert], "\n"), serverCert: bytes.TrimRight(base[serverCert], "\n")},
		"lines of Windows":                      {serverCert: bytes.ReplaceAll(base[serverCert], []byte("\n"), []byte("\r\n"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := base.write(t)
			overwrite(t, root, change)
			_, got := mustRead(t, root, requests()...)
			connectAll(t, got)
		})
	}
}

// TestNoFolder: what is no folder with certificates is refused. The control is a folder with them.
func TestNoFolder(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	root := m.flat().write(t)
	mustRead(t, root, requests()...)
	for path, says := range map[string]string{
		filepath.Join(root, "none"):               " is missing",
		filepath.Join(root, serverCert):           " is a file, and no folder",
		filepath.Join(root, serverCert, "none"):   " is unreadable (not a directory)",
		layout{"README": []byte("soon")}.write(t): " is without any certificate of an agent",
		t.TempDir(): " is without any certificate of an agent",
		layout{caCert: m.root.CertificatePEM()}.write(t): " is without any certificate of an agent",
	} {
		_, err := folder.Read(t.Context(), path, folder.Options{})
		refused(t, err, path+says)
	}
}

// TestNamedByWhatTheyHold: what is wrong is told of files whose names say nothing, or less than they should.
func TestNamedByWhatTheyHold(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	server, other, client := m.sound(serverID), m.sound(serverID), m.sound(clientID)
	base := layout{
		"ca": m.root.CertificatePEM(), "server/tls.pem": server.CertPEM, "server/private.pem": server.KeyPEM, "x/1": client.CertPEM, "x/2": client.KeyPEM,
	}
	eu := m.sound(pki.Identity{Role: pki.Client, Region: "eu"})
	for name, test := range map[string]wrong{
		"sound":                         {},
		"another key":                   {layout{"server/private.pem": other.KeyPEM}, []string{"ROOT/server/private.pem is not the key of ROOT/server/tls.pem"}},
		"another region's":              {pair("x/1", "x/2", eu), []string{"ROOT/x/1 is for client.eu.nomad"}},
		"a client's as a node's own":    {layout{"server-1/c": client.CertPEM, "server-1/k": client.KeyPEM}, []string{"ROOT/server-1/c is for client.global.nomad"}},
		"a client's in servers' folder": {layout{"server/tls.pem": client.CertPEM, "server/private.pem": client.KeyPEM}, []string{"ROOT/server/tls.pem is for client.global.nomad"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := base.with(test.change).write(t)
			_, got, err := read(t, root, requests()...)
			if test.says != nil {
				refused(t, err, replaced(test.says, root)...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			connectAll(t, got)
		})
	}
}

// TestLinksAndDevices: files by links are read, also as Kubernetes lays them out. Links that lead nowhere or in a circle, pipes and
// files without an end are named, and keep nobody waiting.
func TestLinksAndDevices(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat()
	away := base.write(t)
	rest := base.with(layout{serverCert: nil})
	for name, test := range map[string]struct {
		put  func(at string) error
		says string
	}{
		"a link":                    {func(at string) error { return os.Symlink(filepath.Join(away, serverCert), at) }, ""},
		"a link that leads nowhere": {func(at string) error { return os.Symlink("none", at) }, " is a link that leads nowhere"},
		"a link to itself":          {func(at string) error { return os.Symlink(at, at) }, " is unreadable (too many levels of symbolic links)"},
		"a pipe":                    {func(at string) error { return syscall.Mkfifo(at, 0o600) }, " is no regular file"},
		"a device without an end":   {func(at string) error { return os.Symlink("/dev/zero", at) }, " is no regular file"},
		"a huge file":               {func(at string) error { return os.WriteFile(at, make([]byte, 5<<20), 0o600) }, " is a file that has more than 4 MB"},
		"a folder":                  {func(at string) error { return os.Mkdir(at, 0o700) }, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := rest.write(t)
			at := filepath.Join(root, serverCert)
			if err := test.put(at); err != nil {
				t.Fatal(err)
			}
			_, got, err := read(t, root, requests()...)
			if test.says == "" {
				if err != nil || !bytes.Equal(got[1].CertPEM, base[serverCert]) {
					t.Errorf("it is refused: %v", err)
				}
				return
			}
			if test.says != "missing" {
				test.says = at + test.says
			}
			refused(t, err, test.says)
			overwrite(t, root, layout{serverCert: base[serverCert]})
			mustRead(t, root, requests()...)
		})
	}
	t.Run("Kubernetes", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		for name, text := range base {
			err := errors.Join(os.MkdirAll(filepath.Join(root, "..2026"), 0o700), os.WriteFile(filepath.Join(root, "..2026", name), text, 0o600), os.Symlink("..data/"+name, filepath.Join(root, name)))
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("..2026", filepath.Join(root, "..data")); err != nil {
			t.Fatal(err)
		}
		s, got := mustRead(t, root, requests()...)
		if len(s.Warnings()) > 0 || !bytes.Equal(got[1].CertPEM, base[serverCert]) {
			t.Errorf("warnings %q", s.Warnings())
		}
		link := filepath.Join(t.TempDir(), "tls")
		if err := os.Symlink(root, link); err != nil {
			t.Fatal(err)
		}
		mustRead(t, link, requests()...)
	})
}

// TestEndsWithItsContext: an interrupted run reads no further, and says so instead of blaming the folder.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	root := newMaker(t).flat().write(t)
	s, _ := mustRead(t, root, requests()...)
	ctx, end := context.WithCancel(t.Context())
	end()
	if _, err := folder.Read(ctx, root, folder.Options{}); !errors.Is(err, context.Canceled) || errors.Is(err, spec.ErrInvalid) {
		t.Errorf("Read: %v", err)
	}
	if _, err := s.Issue(ctx, authority.Request{Identity: cliID}); !errors.Is(err, context.Canceled) {
		t.Errorf("Issue: %v", err)
	}
}
