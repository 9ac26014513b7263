package folder_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/pki"
)

// shape is a way in which a user keeps files.
type shape struct {
	files layout
	// cert is the file of each request's certificate, in the order of requests.
	cert [3]string
	// trust are the files of authorities, together.
	trust []string
}

// shapes returns the ways, by their names.
func shapes(m *maker) map[string]shape {
	cli, server, client := m.sound(cliID), m.sound(serverID), m.sound(clientID)
	ca := m.root.CertificatePEM()
	below, err := m.root.NewIntermediate(pki.Options{CommonName: "Issuing CA"})
	if err != nil {
		m.t.Fatal(err)
	}
	low := &maker{m.t, below}
	lowServer, lowClient := low.sound(serverID), low.sound(clientID)
	other := newAuthority(m.t, pki.Options{CommonName: "Other CA"})
	otherClient := (&maker{m.t, other}).sound(clientID)
	nameless, err := m.root.IssueTemplate(pki.Template{Holder: cliID, CommonName: "somebody"})
	if err != nil {
		m.t.Fatal(err)
	}
	return map[string]shape{
		"names of nomad tls": {m.flat(), [3]string{"global-cli-nomad.pem", "global-server-nomad.pem", "global-client-nomad.pem"}, []string{"nomad-agent-ca.pem"}},
		"names of cfssl, the user's certificate without a name": {layout{
			"nomad-ca.pem": ca, "cli.pem": nameless.CertPEM, "cli-key.pem": nameless.KeyPEM, "cli.csr": []byte("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"),
			"server.pem": server.CertPEM, "server-key.pem": server.KeyPEM, "client.pem": client.CertPEM, "client-key.pem": client.KeyPEM, "cfssl.json": []byte(`{}`),
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"nomad-ca.pem"}},
		"names that say nothing": {layout{
			"1.txt": ca, "2": cli.CertPEM, "3": cli.KeyPEM, "4": server.KeyPEM, "5": server.CertPEM, "6": client.CertPEM, "z": client.KeyPEM,
		}, [3]string{"2", "5", "6"}, []string{"1.txt"}},
		"a folder for each role": {layout{
			"server/agent.crt": server.CertPEM, "server/agent.key": server.KeyPEM, "server/ca.crt": ca, "client/agent.crt": client.CertPEM, "client/agent.key": client.KeyPEM, "client/ca.crt": ca,
			"cli/cli.crt": cli.CertPEM, "cli/cli.key": cli.KeyPEM, "cli/ca.crt": ca,
		}, [3]string{"cli/cli.crt", "server/agent.crt", "client/agent.crt"}, []string{"server/ca.crt"}},
		"a folder for each node": {layout{
			"server-1/tls.crt": server.CertPEM, "server-1/tls.key": server.KeyPEM, "client-1/tls.crt": client.CertPEM, "client-1/tls.key": client.KeyPEM,
			"me/tls.crt": cli.CertPEM, "me/tls.key": cli.KeyPEM, "ca/ca.crt": ca,
		}, [3]string{"me/tls.crt", "server-1/tls.crt", "client-1/tls.crt"}, []string{"ca/ca.crt"}},
		"certificate and key in one file, the certificate first": {layout{
			"ca.pem": ca, "server.pem": join(server.CertPEM, server.KeyPEM), "client.pem": join(client.CertPEM, client.KeyPEM), "cli.pem": join(cli.KeyPEM, cli.CertPEM),
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"ca.pem"}},
		"a bundle of several authorities": {layout{
			"bundle.pem": join(other.CertificatePEM(), ca), "server.pem": server.CertPEM, "server-key.pem": server.KeyPEM,
			"client.pem": otherClient.CertPEM, "client-key.pem": otherClient.KeyPEM, "cli.pem": cli.CertPEM, "cli-key.pem": cli.KeyPEM,
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"bundle.pem"}},
		"an authority a file": {layout{
			"ca-1.pem": ca, "ca-2.pem": other.CertificatePEM(), "server.pem": server.CertPEM, "server-key.pem": server.KeyPEM,
			"client.pem": otherClient.CertPEM, "client-key.pem": otherClient.KeyPEM, "cli.pem": cli.CertPEM, "cli-key.pem": cli.KeyPEM,
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"ca-1.pem", "ca-2.pem"}},
		"an authority a file, without line ends": {layout{
			"ca-1.pem": bytes.TrimRight(ca, "\n"), "ca-2.pem": other.CertificatePEM(), "server.pem": server.CertPEM, "server-key.pem": server.KeyPEM,
			"client.pem": otherClient.CertPEM, "client-key.pem": otherClient.KeyPEM, "cli.pem": cli.CertPEM, "cli-key.pem": cli.KeyPEM,
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"ca-1.pem", "ca-2.pem"}},
		"names of certbot": {layout{
			"ca.pem": ca, "server/cert.pem": certOf(m.t, lowServer), "server/fullchain.pem": lowServer.CertPEM, "server/chain.pem": below.CertificatePEM(), "server/privkey.pem": lowServer.KeyPEM,
			"client/cert.pem": certOf(m.t, lowClient), "client/fullchain.pem": lowClient.CertPEM, "client/chain.pem": below.CertificatePEM(), "client/privkey.pem": lowClient.KeyPEM,
			"user/cert.pem": cli.CertPEM, "user/privkey.pem": cli.KeyPEM,
		}, [3]string{"user/cert.pem", "server/fullchain.pem", "client/fullchain.pem"}, []string{"ca.pem"}},
		"the chain in the certificate's file": {layout{
			"ca.pem": ca, "server.pem": lowServer.CertPEM, "server-key.pem": lowServer.KeyPEM, "client.pem": lowClient.CertPEM, "client-key.pem": lowClient.KeyPEM,
			"cli.pem": cli.CertPEM, "cli-key.pem": cli.KeyPEM,
		}, [3]string{"cli.pem", "server.pem", "client.pem"}, []string{"ca.pem"}},
	}
}

// certOf returns a credential's certificate without its chain.
func certOf(t *testing.T, c pki.Credential) []byte {
	t.Helper()
	leaf, err := c.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	return pki.EncodeCertificates([]*x509.Certificate{leaf})
}

// TestLayouts: whatever the layout, each request gets the certificate that is for it, with the bytes of its file, and the three
// accept each other in real TLS connections.
func TestLayouts(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	for name, test := range shapes(m) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := mustRead(t, test.files.write(t), requests()...)
			var trust []byte
			for _, file := range test.trust {
				trust = append(append(trust, bytes.TrimRight(test.files[file], "\n")...), '\n')
			}
			for i, c := range got {
				if !bytes.Equal(c.CertPEM, test.files[test.cert[i]]) {
					t.Errorf("%s has another certificate than that of %s", requests()[i].For(), test.cert[i])
				}
				if !bytes.Equal(c.CAPEM, trust) {
					t.Errorf("%s trusts %s", requests()[i].For(), c.CAPEM)
				}
			}
			connectAll(t, got)
			if notes := s.Warnings(); len(notes) > 0 {
				t.Errorf("it warns: %q", notes)
			}
			if s.Signer() != nil {
				t.Error("it has a signer, and no authority's key is there")
			}
		})
	}
}

// connectAll connects the client and the user to the server, the server to itself, and the user to the client.
func connectAll(t *testing.T, got []pki.Credential) {
	t.Helper()
	cli, server, client := got[0], got[1], got[2]
	for _, pair := range [][2]pki.Credential{{cli, server}, {client, server}, {server, server}, {cli, client}} {
		if err := connect(t.Context(), pair[0], pair[1]); err != nil {
			t.Errorf("%s calls %s: %v", pair[0], pair[1], err)
		}
	}
}

// connect makes a mutual TLS connection, in which both write.
func connect(ctx context.Context, caller, agent pki.Credential) error {
	cert, err := agent.TLSCertificate()
	if err != nil {
		return err
	}
	pool, err := agent.Pool()
	if err != nil {
		return err
	}
	config, err := caller.ClientTLS(agent.Identity.Name())
	if err != nil {
		return err
	}
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() {
		s := tls.Server(far, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		err := s.HandshakeContext(ctx)
		if err == nil {
			_, err = s.Write([]byte{1})
		}
		served <- err
		_ = far.Close()
	}()
	c := tls.Client(near, config)
	_, err = c.Read(make([]byte, 1))
	_ = near.Close()
	if refusal := <-served; refusal != nil {
		return refusal
	}
	return err
}

// TestChainBeside: an intermediate in a file of its own is added behind the certificate, whose own bytes stay. Where agents trust
// the intermediate itself, nothing is added.
func TestChainBeside(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	below, err := m.root.NewIntermediate(pki.Options{CommonName: "Issuing CA"})
	if err != nil {
		t.Fatal(err)
	}
	low := &maker{t, below}
	files := layout{}
	for name, id := range map[string]pki.Identity{"server": serverID, "client": clientID, "cli": cliID} {
		c := low.sound(id)
		chain, err := c.Chain()
		if err != nil {
			t.Fatal(err)
		}
		text := append([]byte("# "+name+"\n"), pki.EncodeCertificates(chain[:1])...)
		if id.Role == pki.Client {
			text = bytes.TrimRight(text, "\n")
		}
		files[name+".crt"], files[name+".key"] = text, c.KeyPEM
	}
	for name, test := range map[string]struct {
		files layout
		added bool
	}{
		"root and intermediate":              {layout{"ca.crt": m.root.CertificatePEM(), "intermediate.crt": below.CertificatePEM()}, true},
		"the intermediate alone":             {layout{"ca.crt": below.CertificatePEM()}, false},
		"both in one bundle":                 {layout{"ca.crt": join(below.CertificatePEM(), m.root.CertificatePEM())}, false},
		"root, and the bundle with the root": {layout{"chain.crt": join(below.CertificatePEM(), m.root.CertificatePEM()), "root.crt": m.root.CertificatePEM()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := mustRead(t, files.with(test.files).write(t), requests()...)
			for i, file := range []string{"cli.crt", "server.crt", "client.crt"} {
				rest, own := bytes.CutPrefix(got[i].CertPEM, files[file])
				if added := bytes.Equal(bytes.TrimLeft(rest, "\n"), below.CertificatePEM()); !own || added != test.added || !added && len(rest) > 0 {
					t.Errorf("%s: its own bytes %t, the intermediate added %t, want %t", file, own, added, test.added)
				}
			}
			for _, c := range got {
				trusted, err := c.Authorities()
				if err != nil || len(trusted) > 2 {
					t.Errorf("%d authorities are trusted, %v", len(trusted), err)
				}
			}
			connectAll(t, got)
			if noted := strings.Contains(strings.Join(s.Warnings(), "\n"), "lacks the certificate of its issuer CN=Issuing CA"); noted != test.added {
				t.Errorf("warnings %q", s.Warnings())
			}
		})
	}
	t.Run("root alone", func(t *testing.T) {
		t.Parallel()
		root := files.with(layout{"ca.crt": m.root.CertificatePEM()}).write(t)
		_, _, err := read(t, root, requests()...)
		refused(t, err, root+"/server.crt is not accepted", root+"/client.crt is not accepted", root+"/cli.crt is not accepted", "its issuer CN=Issuing CA is missing", root+"/ca.crt")
	})
}

// TestNodesGetTheirOwn: a node's own folder or file comes before the role's; nodes without one get different keys while there are
// any, and the same one when they ask again.
func TestNodesGetTheirOwn(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	files := layout{"ca.pem": m.root.CertificatePEM()}
	for _, at := range []string{"server-1/x", "server-2", "rack-a/s", "rack-b/s", "server"} {
		c := m.sound(serverID)
		files[at+".pem"], files[at+"-key.pem"] = c.CertPEM, c.KeyPEM
	}
	ask := func(nodes ...string) (out []authority.Request) {
		for _, node := range nodes {
			out = append(out, authority.Request{Node: node, Identity: serverID})
		}
		return out
	}
	all := ask("server-1", "server-2", "server-3", "server-4", "server-5", "server-6")
	s, got := mustRead(t, files.write(t), all...)
	for i, want := range []string{"server-1/x.pem", "server-2.pem"} {
		if !bytes.Equal(got[i].CertPEM, files[want]) {
			t.Errorf("%s does not have %s", all[i].Node, want)
		}
	}
	keys := map[string]int{}
	for _, c := range got {
		keys[string(c.KeyPEM)]++
	}
	if len(keys) != 5 || keys[string(files["server-1/x-key.pem"])] != 1 || keys[string(files["server-2-key.pem"])] != 1 {
		t.Errorf("6 nodes have %d keys, want all 5, and each own key once", len(keys))
	}
	again, err := s.Issue(t.Context(), ask("server-5", "server-3")...)
	if err != nil || !bytes.Equal(again[0].CertPEM, got[4].CertPEM) || !bytes.Equal(again[1].CertPEM, got[2].CertPEM) {
		t.Errorf("asked again, nodes get other certificates: %v", err)
	}
	without := files.with(layout{"rack-a/s.pem": nil, "rack-b/s.pem": nil, "server.pem": nil}).write(t)
	_, _, err = read(t, without, all[:3]...)
	refused(t, err, "the certificate of server-3 is missing", without+"/server-3")
	mustRead(t, without, all[:2]...)
}

// TestEachRoleTrustsItsOwn: a role's folder may have other authorities than another's.
func TestEachRoleTrustsItsOwn(t *testing.T) {
	t.Parallel()
	m, other := newMaker(t), &maker{t, newAuthority(t, pki.Options{CommonName: "Clients' CA"})}
	cli, server, client := m.sound(cliID), m.sound(serverID), other.sound(clientID)
	both := join(m.root.CertificatePEM(), other.root.CertificatePEM())
	files := layout{
		"server/c": server.CertPEM, "server/k": server.KeyPEM, "server/ca": both, "client/c": client.CertPEM, "client/k": client.KeyPEM, "client/ca": m.root.CertificatePEM(),
		"cli/c": cli.CertPEM, "cli/k": cli.KeyPEM, "ca": both,
	}
	_, got := mustRead(t, files.write(t), requests()...)
	for i, want := range []string{"ca", "server/ca", "client/ca"} {
		if !bytes.Equal(got[i].CAPEM, files[want]) {
			t.Errorf("%s does not trust %s", requests()[i].For(), want)
		}
	}
	connectAll(t, got)
	root := files.with(layout{"server/ca": m.root.CertificatePEM()}).write(t)
	_, _, err := read(t, root, requests()...)
	refused(t, err, root+"/client/c is not accepted by its peers: its issuer CN=Clients' CA is missing", root+"/server/ca")
}

// TestNoNodeGetsAnUnsoundOne: of several certificates for a role, nodes share those that peers accept. One that was renewed with
// its key counts once.
func TestNoNodeGetsAnUnsoundOne(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	first, second := m.sound(serverID), m.sound(serverID)
	renewed, err := m.root.IssueForKey(serverID, first)
	if err != nil {
		t.Fatal(err)
	}
	foreign, later := m.issue(serverID, pki.Foreign()), m.issue(serverID, pki.NotYetValid())
	both := serverID
	both.DNSNames = []string{"client.global.nomad"}
	wide := m.sound(both)
	files := layout{"ca.pem": m.root.CertificatePEM(), "d.pem": renewed.CertPEM}
	for name, c := range map[string]pki.Credential{"a": foreign, "b": later, "c": first, "e": second, "f": wide} {
		files[name+".pem"], files[name+"-key.pem"] = c.CertPEM, c.KeyPEM
	}
	var asked []authority.Request
	for _, node := range []string{"server-1", "server-2", "server-3", "server-4"} {
		asked = append(asked, authority.Request{Node: node, Identity: serverID})
	}
	s, got := mustRead(t, files.write(t), asked...)
	keys := map[string]int{}
	for _, c := range got {
		keys[string(c.KeyPEM)]++
	}
	if keys[string(first.KeyPEM)] != 2 || keys[string(second.KeyPEM)] != 2 {
		t.Errorf("the first key is at %d nodes, the second at %d, want 2 and 2", keys[string(first.KeyPEM)], keys[string(second.KeyPEM)])
	}
	if notes := s.Warnings(); len(notes) > 0 {
		t.Errorf("warnings %q", notes)
	}
}

// TestUsersCertificate: the user gets the certificate that is most the user's own, even if it does not work: nothing replaces it
// in silence.
func TestUsersCertificate(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	nameless := func() pki.Credential {
		c, err := m.root.IssueTemplate(pki.Template{Holder: cliID, CommonName: "somebody"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	files := layout{"ca.pem": m.root.CertificatePEM()}
	order := []string{"z", "my-admin", "all", "w", "v"}
	for at, c := range []pki.Credential{m.sound(cliID), nameless(), nameless(), m.sound(clientID), m.sound(serverID)} {
		files[order[at]+".pem"], files[order[at]+"-key.pem"] = c.CertPEM, c.KeyPEM
	}
	asked := authority.Request{Identity: cliID}
	for at, want := range order {
		_, got := mustRead(t, files.write(t), asked)
		if !bytes.Equal(got[0].CertPEM, files[want+".pem"]) {
			t.Errorf("%d: it is not %s, but that of %s", at, want, got[0].Describe())
		}
		files = files.with(layout{want + ".pem": nil, want + "-key.pem": nil})
	}
	ended := m.issue(cliID, pki.Expired())
	root := m.flat().with(pair(cliCert, cliKey, ended)).write(t)
	_, _, err := read(t, root, asked)
	refused(t, err, root+"/"+cliCert+" is not accepted")
}

// TestUserWithoutACertificate: the user gets an agent's, a client's before a server's, and a warning.
func TestUserWithoutACertificate(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	files := m.flat().with(layout{cliID.CertFile(): nil, cliID.KeyFile(): nil})
	s, got := mustRead(t, files.write(t), requests()...)
	if !bytes.Equal(got[0].CertPEM, files[clientID.CertFile()]) || !strings.Contains(strings.Join(s.Warnings(), "\n"), "gets that of an agent") {
		t.Errorf("it has the certificate %s, warnings %q", got[0].Describe(), s.Warnings())
	}
	connectAll(t, got)
	files = files.with(layout{clientID.CertFile(): nil, clientID.KeyFile(): nil})
	if _, got = mustRead(t, files.write(t), requests()[:2]...); !bytes.Equal(got[0].CertPEM, files[serverID.CertFile()]) {
		t.Errorf("it has the certificate %s", got[0].Describe())
	}
}

// TestRegions: each region's agents get their own.
func TestRegions(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	files := layout{"ca.pem": m.root.CertificatePEM()}
	var asked []authority.Request
	for _, region := range []string{"eu", "us"} {
		for _, role := range []pki.Role{pki.Server, pki.Client} {
			id := pki.Identity{Role: role, Region: region}
			c := m.sound(id)
			files[id.CertFile()], files[id.KeyFile()] = c.CertPEM, c.KeyPEM
			asked = append(asked, authority.Request{Node: region + "-" + string(role) + "-1", Identity: id})
		}
	}
	_, got := mustRead(t, files.write(t), asked...)
	for i, c := range got {
		if leaf, err := c.Leaf(); err != nil || leaf.VerifyHostname(asked[i].Identity.Name()) != nil {
			t.Errorf("%s: %s", asked[i].Node, c.Describe())
		}
	}
	root := files.with(layout{"us-client-nomad.pem": nil}).write(t)
	_, _, err := read(t, root, asked...)
	refused(t, err, root+"/eu-client-nomad.pem is for client.eu.nomad", "client.us.nomad")
}

// TestRegionsOfTheirOwn: clients call no server of another region, so they need not trust its authority; servers do.
func TestRegionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	makers := map[string]*maker{"eu": {t, newAuthority(t, pki.Options{CommonName: "EU CA"})}, "us": {t, newAuthority(t, pki.Options{CommonName: "US CA"})}}
	both := join(makers["eu"].root.CertificatePEM(), makers["us"].root.CertificatePEM())
	files := layout{}
	var asked []authority.Request
	for region, m := range makers {
		for role, trusted := range map[pki.Role][]byte{pki.Server: both, pki.Client: m.root.CertificatePEM()} {
			id, at := pki.Identity{Role: role, Region: region}, region+"/"+string(role)
			c := m.sound(id)
			files[at+"/c"], files[at+"/k"], files[at+"/ca"] = c.CertPEM, c.KeyPEM, trusted
			asked = append(asked, authority.Request{Node: region + "-" + string(role) + "-1", Identity: id})
		}
	}
	mustRead(t, files.write(t), asked...)
	root := files.with(layout{"us/server/ca": makers["us"].root.CertificatePEM()}).write(t)
	_, _, err := read(t, root, asked...)
	refused(t, err, root+"/eu/server/c is not accepted by its peers: its issuer CN=EU CA is missing", root+"/us/server/ca")
}

// TestKeyBeside: of several files with the key, that in the certificate's folder is the agent's.
func TestKeyBeside(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	c := m.sound(serverID)
	files := layout{"a/backup.pem": append([]byte("# backup\n"), c.KeyPEM...), "b/c.pem": c.CertPEM, "b/k.pem": c.KeyPEM, "ca.pem": m.root.CertificatePEM()}
	asked := authority.Request{Node: "server-1", Identity: serverID}
	for _, want := range []string{"b/k.pem", "a/backup.pem"} {
		if _, got := mustRead(t, files.write(t), asked); !bytes.Equal(got[0].KeyPEM, files[want]) {
			t.Errorf("the key is not that of %s", want)
		}
		files = files.with(layout{want: nil})
	}
}

// TestSigner: an authority with its key signs what agents accept, also below a root whose key is away. Without the key, or with
// the key of an authority that signed nothing here, there is none.
func TestSigner(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	below, err := m.root.NewIntermediate(pki.Options{CommonName: "Issuing CA"})
	if err != nil {
		t.Fatal(err)
	}
	low := (&maker{t, below}).flat().with(layout{"nomad-agent-ca.pem": m.root.CertificatePEM()})
	middle, err := m.root.NewIntermediate(pki.Options{CommonName: "Middle CA", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	lowest, err := middle.NewIntermediate(pki.Options{CommonName: "Lowest CA"})
	if err != nil {
		t.Fatal(err)
	}
	deep := (&maker{t, lowest}).flat().with(layout{"nomad-agent-ca.pem": m.root.CertificatePEM()})
	other := newAuthority(t, pki.Options{CommonName: "Other CA"})
	for name, test := range map[string]struct {
		files layout
		has   string
	}{
		"the root's key":                    {m.flat().with(layout{"any.pem": keyOf(t, m.root)}), "Own CA"},
		"no key":                            {m.flat(), ""},
		"a stranger's key":                  {m.flat().with(layout{"other.pem": other.CertificatePEM(), "other-key.pem": keyOf(t, other)}), ""},
		"the intermediate's key":            {low.with(layout{"issuing-key.pem": keyOf(t, below)}), "Issuing CA"},
		"the key of one two below the root": {deep.with(layout{"issuing-key.pem": keyOf(t, lowest)}), "Lowest CA"},
		"the root's key, above an issuer":   {low.with(layout{"root-key.pem": keyOf(t, m.root)}), "Own CA"},
		"authority and key in one file":     {m.flat().with(layout{"nomad-agent-ca.pem": join(m.root.CertificatePEM(), keyOf(t, m.root))}), "Own CA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := mustRead(t, test.files.write(t), requests()...)
			a := s.Signer()
			if (a == nil) != (test.has == "") {
				t.Fatalf("signer %v, want %q", a, test.has)
			}
			for _, c := range got {
				if bytes.Contains(c.CAPEM, []byte("PRIVATE KEY")) {
					t.Error("a node gets the key of the authority")
				}
			}
			if a == nil {
				return
			}
			fresh, err := a.Issue(clientID)
			if err != nil || a.String() != test.has {
				t.Fatalf("%s issues: %v", a, err)
			}
			if !bytes.Equal(fresh.CAPEM, m.root.CertificatePEM()) {
				t.Errorf("what the signer issues trusts %s", fresh.CAPEM)
			}
			if err := connect(t.Context(), fresh, got[1]); err != nil {
				t.Errorf("a server does not accept what the signer issues: %v", err)
			}
			if err := connect(t.Context(), (&maker{t, other}).sound(clientID), got[1]); err == nil {
				t.Error("a server accepts what a stranger issues")
			}
		})
	}
}

// TestIssuesNoFurtherNames: the identity says what the certificate has, and not what was asked for.
func TestIssuesNoFurtherNames(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	asked := serverID
	asked.DNSNames = []string{"server-1.lab.test"}
	_, got := mustRead(t, m.flat().write(t), authority.Request{Node: "server-1", Identity: asked, RSA: true})
	if c := got[0]; len(c.Identity.DNSNames) > 0 {
		t.Errorf("the identity has %q", c.Identity.DNSNames)
	}
	if leaf, err := got[0].Leaf(); err != nil || leaf.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("%v, %v", leaf, err)
	}
}

// TestAtOnce: several goroutines may ask at once, and each node still gets its own key.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	files := layout{"ca.pem": m.root.CertificatePEM()}
	for at := range 8 {
		c := m.sound(serverID)
		files[fmt.Sprintf("%d.pem", at)], files[fmt.Sprintf("%d-key.pem", at)] = c.CertPEM, c.KeyPEM
	}
	s, err := folder.Read(t.Context(), files.write(t), folder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	keys := make([]string, 8)
	for at := range keys {
		wait.Go(func() {
			got, err := s.Issue(t.Context(), authority.Request{Node: fmt.Sprintf("server-%d", at+1), Identity: serverID})
			if err != nil {
				t.Error(err)
				return
			}
			keys[at] = string(got[0].KeyPEM)
			s.Warnings()
		})
	}
	wait.Wait()
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 8 {
		t.Error("two nodes have one key")
	}
}
