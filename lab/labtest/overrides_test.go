package labtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestOverridesAndDefects: real agents of one role have the configuration and certificates that a Spec asks for. The lab becomes
// ready all the same, and so does the handle that another process opens.
func TestOverridesAndDefects(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1),
		spec.Set(pki.Client, "tls.http", "false"), spec.Set(pki.Server, "enable_debug", "true"),
		spec.CertificateRole(pki.Client, pki.Server), spec.DefectiveCertificates(pki.Server, pki.NoEKU()),
		spec.CertificateNames(pki.Server, "server.eu.nomad"), spec.TrustForeign(pki.Server))
	server, client := l.Servers()[0], l.Clients()[0]
	if shown, err := server.Certificate(t.Context()); err != nil || len(shown.ExtKeyUsage) != 0 || !slices.Contains(shown.DNSNames, "server.eu.nomad") {
		t.Errorf("the server shows purposes %v and names %v, %v", shown.ExtKeyUsage, shown.DNSNames, err)
	}
	if got := client.Identity(); got.Name() != "server.global.nomad" || client.Role() != pki.Client {
		t.Errorf("the %s holds a certificate of %s", client.Role(), got)
	}
	for _, n := range []*lab.Node{server, client} {
		debug, plain := debugOf(t, n)
		if isServer := n == server; debug != isServer || plain == isServer {
			t.Errorf("%s: debugging %v, plain HTTP %v", n.Name(), debug, plain)
		}
	}
	if conn, err := net.Dial("tcp", server.Gossip().String()); err != nil || client.Gossip().IsValid() {
		t.Errorf("serf of the server at %s: %v; of the client at %s", server.Gossip(), err, client.Gossip())
	} else {
		_ = conn.Close()
	}
	opened, err := lab.Open(t.Context(), labtest.Engine(t), l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(opened.ForeignAuthority().CertificatePEM(), l.ForeignAuthority().CertificatePEM()) {
		t.Error("the foreign authority is another one after Open")
	}
	if opened.GossipKey() == "" || opened.GossipKey() != l.GossipKey() {
		t.Error("the gossip key is another one after Open")
	}
	if s := opened.Status(t.Context()); !s.Ready || len(s.Trouble) > 0 {
		t.Errorf("ready %v, trouble %v", s.Ready, s.Trouble)
	}
	if !accepts(t, server, opened.ForeignAuthority(), l.Authority()) {
		t.Error("the server does not trust the foreign authority")
	}
}

// debugOf asks the agent whether enable_debug is on, and reports whether it was asked over plain HTTP.
func debugOf(t *testing.T, n *lab.Node) (debug, plain bool) {
	t.Helper()
	c, err := n.API()
	if err != nil {
		t.Fatal(err)
	}
	self, err := c.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	debug, _ = self.Config["EnableDebug"].(bool)
	return debug, strings.HasPrefix(c.Address(), "http://")
}

// accepts reports whether the agent answers a caller who has a certificate of signer and trusts the other authority.
func accepts(t *testing.T, n *lab.Node, signer, trusted *pki.Authority) bool {
	t.Helper()
	c, err := signer.Issue(pki.Identity{Role: pki.CLI})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := c.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted.CertificatePEM())
	caller := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: n.ServerName(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
	}}}
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "https://"+n.HTTP().String()+"/v1/status/leader", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := caller.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
