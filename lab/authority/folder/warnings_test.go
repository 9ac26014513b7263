package folder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
)

// TestWarnings: what only weakens is read, and said once, with its file. The same folder without it says nothing.
func TestWarnings(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat()
	server := m.sound(serverID)
	same, err := m.root.IssueForKey(clientID, server)
	if err != nil {
		t.Fatal(err)
	}
	both := serverID
	both.DNSNames = []string{"client.global.nomad"}
	other := newAuthority(t, pki.Options{CommonName: "Other CA"})
	for name, test := range map[string]struct {
		change layout
		mode   map[string]os.FileMode
		says   string
	}{
		"nothing":                            {},
		"a damaged file that is hidden":      {change: layout{".old.pem": base[serverCert][:300]}},
		"a hidden key that everybody reads":  {change: layout{".k.pem": base[serverKey]}, mode: map[string]os.FileMode{".k.pem": 0o644}},
		"a key that its group reads":         {mode: map[string]os.FileMode{serverKey: 0o640}},
		"a key that everybody reads":         {mode: map[string]os.FileMode{serverKey: 0o644}, says: "ROOT/" + serverKey + " has a private key and can be read by every user (mode 0644)"},
		"a certificate that everybody reads": {mode: map[string]os.FileMode{serverCert: 0o644}},
		"one key for two roles": {change: layout{serverCert: server.CertPEM, serverKey: server.KeyPEM, clientCert: same.CertPEM, clientKey: same.KeyPEM},
			says: "one private key serves ROOT/" + clientCert + " and ROOT/" + serverCert},
		"the authority's key":              {change: layout{"ca.key": keyOf(t, m.root)}, says: "ROOT/ca.key has the private key of the authority CN=Own CA"},
		"a certificate for both roles":     {change: pair(serverCert, serverKey, m.sound(both)), says: "ROOT/" + serverCert + " names server.global.nomad"},
		"an authority that nobody needs":   {change: layout{"other-ca.pem": other.CertificatePEM()}, says: "ROOT/other-ca.pem holds authorities to which no certificate in ROOT leads"},
		"a damaged file that nobody needs": {change: layout{"old.pem": base[serverCert][:300]}, says: "ROOT/old.pem is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := base.with(test.change).write(t)
			for file, mode := range test.mode {
				if err := os.Chmod(filepath.Join(root, file), mode); err != nil {
					t.Fatal(err)
				}
			}
			s, got := mustRead(t, root, requests()...)
			notes, says := strings.Join(s.Warnings(), "\n"), strings.ReplaceAll(test.says, "ROOT", root)
			if says == "" && notes != "" || says != "" && (!strings.HasPrefix(notes, says) || len(s.Warnings()) != 1) {
				t.Errorf("it says %q, want %q", notes, says)
			}
			for _, c := range got {
				if strings.Contains(string(c.CAPEM), string(other.CertificatePEM())) {
					t.Error("an authority to which nothing leads is trusted")
				}
			}
			connectAll(t, got)
		})
	}
}

// TestSharedKeys: a key that serves two certificates is said if they are for different roles. One that was renewed with its key,
// and has not reached every node, is not.
func TestSharedKeys(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	first := m.sound(serverID)
	forKey := func(id pki.Identity) pki.Credential {
		c, err := m.root.IssueForKey(id, first)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	renewed, client := forKey(serverID), forKey(clientID)
	root := layout{
		"ca.pem": m.root.CertificatePEM(), "server-1/c": first.CertPEM, "server-1/k": first.KeyPEM, "server-2/c": renewed.CertPEM, "server-2/k": renewed.KeyPEM,
		"client-1/c": client.CertPEM, "client-1/k": client.KeyPEM,
	}.write(t)
	servers := []authority.Request{{Node: "server-1", Identity: serverID}, {Node: "server-2", Identity: serverID}}
	s, _ := mustRead(t, root, servers...)
	if notes := s.Warnings(); len(notes) > 0 {
		t.Errorf("of servers: %q", notes)
	}
	s, _ = mustRead(t, root, append(servers, requests()[2])...)
	if notes := strings.Join(s.Warnings(), "\n"); !strings.Contains(notes, "one private key serves "+root+"/client-1/c and "+root+"/server-1/c") {
		t.Errorf("of servers and a client: %q", notes)
	}
}
