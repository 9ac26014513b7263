package nomadcli_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/pki"
)

// domain is that of the guide that TestGuideOfItsOwnDomain follows.
const domain = "nomad.hashicorp.mattiasfjellstrom.com"

// TestWithoutFlags has what Nomad makes without flags, for each role.
func TestWithoutFlags(t *testing.T) {
	m := newMachine(t)
	s := source(t, m, nomadcli.Options{})
	tests := []struct {
		request   authority.Request
		names, ip []string
	}{
		{request(pki.Server), []string{"server.global.nomad", "localhost"}, []string{"127.0.0.1"}},
		{request(pki.Client), []string{"client.global.nomad", "localhost"}, []string{"127.0.0.1"}},
		{request(pki.CLI), []string{"cli.global.nomad", "localhost"}, nil},
	}
	for _, test := range tests {
		c, leaf := issue(t, s, test.request)
		if diff := cmp.Diff(test.names, leaf.DNSNames); diff != "" {
			t.Errorf("%s: names\n%s", test.request.Identity, diff)
		}
		if diff := cmp.Diff(test.ip, texts(leaf)); diff != "" {
			t.Errorf("%s: addresses\n%s", test.request.Identity, diff)
		}
		if err := verify(t, c, test.names[0]); err != nil {
			t.Errorf("%s: %v", test.request.Identity, err)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore).Round(day); life != 365*day {
			t.Errorf("%s: it lasts %s, want a year", test.request.Identity, life)
		}
		if kind := pki.KeyKind(leaf); !strings.Contains(kind, "P-256") {
			t.Errorf("%s: key %s", test.request.Identity, kind)
		}
	}
	want := []string{
		"nomad tls ca create", "nomad tls cert create -server", "nomad tls cert create -client", "nomad tls cert create -cli",
	}
	if diff := cmp.Diff(want, s.Commands()); diff != "" {
		t.Error(diff)
	}
	if left := m.left(t); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestGuideOfItsOwnDomain follows a widely read guide to the letter: its certificates have no name that Nomad asks for. The control
// is the same authority with certificates that stay in the domain nomad.
func TestGuideOfItsOwnDomain(t *testing.T) {
	m := newMachine(t)
	o := nomadcli.Options{Domain: domain, AdditionalDomains: []string{domain}, NameConstraint: true, CertificateDomain: domain}
	guide := source(t, m, o)
	server, client, cli := request(pki.Server, domain), request(pki.Client, domain), request(pki.CLI, domain)
	c, leaf := issue(t, guide, server)
	if diff := cmp.Diff([]string{domain, "server.global." + domain, "localhost"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if err := verify(t, c, "server.global.nomad"); err == nil || !strings.Contains(err.Error(), "not server.global.nomad") {
		t.Errorf("Nomad asks for server.global.nomad, and the guide's certificate has it: %v", err)
	}
	if err := verify(t, c, domain); err != nil {
		t.Errorf("browsers: %v", err)
	}
	commands := []string{
		"nomad tls ca create -name-constraint=true -domain " + domain + " -additional-domain " + domain,
		"nomad tls cert create -server -domain " + domain + " -additional-dnsname " + domain,
	}
	if diff := cmp.Diff(commands, guide.Commands()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(commands, o.Commands(server)); diff != "" {
		t.Errorf("before they run:\n%s", diff)
	}
	files := []string{
		domain + "-agent-ca.pem", domain + "-agent-ca-key.pem",
		"global-server-" + domain + ".pem", "global-server-" + domain + "-key.pem",
		"global-client-" + domain + ".pem", "global-client-" + domain + "-key.pem",
		"global-cli-" + domain + ".pem", "global-cli-" + domain + "-key.pem",
	}
	if diff := cmp.Diff(files, guide.Files(server, client, cli)); diff != "" {
		t.Error(diff)
	}

	o.CertificateDomain = ""
	safe := source(t, m, o)
	c, leaf = issue(t, safe, server)
	if diff := cmp.Diff([]string{domain, "server.global.nomad", "localhost"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"server.global.nomad", domain} {
		if err := verify(t, c, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if have := authorityOf(t, c); !have.PermittedDNSDomainsCritical || !slices.Contains(have.PermittedDNSDomains, "nomad") {
		t.Errorf("constraints %q, critical: %v", have.PermittedDNSDomains, have.PermittedDNSDomainsCritical)
	}
	// One certificate of the guide's among safe ones.
	other := server
	other.Domain = domain
	c, _ = issue(t, safe, other)
	if err := verify(t, c, "server.global.nomad"); err == nil {
		t.Error("a request's own domain makes no difference")
	}
	if diff := cmp.Diff(files[:4], safe.Files(other)); diff != "" {
		t.Error(diff)
	}
	want := "nomad tls cert create -server -ca " + domain + "-agent-ca.pem -key " + domain + "-agent-ca-key.pem -additional-dnsname " + domain
	if got := safe.Commands()[1]; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAllFlags: each option shows in the certificates.
func TestAllFlags(t *testing.T) {
	m := newMachine(t)
	m.environment = []string{"NOMAD_REGION=elsewhere"} // Nomad would take it for the region
	s := source(t, m, nomadcli.Options{CommonName: "O'Neil's lab", TTL: 90 * day, LeafTTL: 36 * time.Hour})
	r := authority.Request{Node: "server-1", Identity: pki.Identity{
		Role: pki.Server, Region: "eu", DNSNames: []string{"server-1", "*.example.com", "localhost", "server.eu.nomad"},
		IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::1")},
	}}
	c, leaf := issue(t, s, r)
	if diff := cmp.Diff([]string{"server-1", "*.example.com", "server.eu.nomad", "localhost"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10.1.2.3", "127.0.0.1", "fd00::1"}, texts(leaf)); diff != "" {
		t.Error(diff)
	}
	if _, plain := issue(t, s, request(pki.Client)); !slices.Contains(plain.DNSNames, "client.global.nomad") {
		t.Errorf("a certificate of the default region has %q", plain.DNSNames)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore).Round(time.Hour); life != 2*day {
		t.Errorf("a certificate of 36 h lasts %s, want two days", life)
	}
	ca := authorityOf(t, c)
	if life := ca.NotAfter.Sub(ca.NotBefore).Round(day); life != 90*day {
		t.Errorf("the authority lasts %s", life)
	}
	if !strings.HasPrefix(ca.Subject.CommonName, "O'Neil's lab ") {
		t.Errorf("common name %q", ca.Subject.CommonName)
	}
	if !strings.HasPrefix(s.Commands()[0], `nomad tls ca create -common-name 'O'\''Neil'\''s lab' -country US `) {
		t.Error(s.Commands()[0])
	}
}

// TestSigner: what the signer issues leads to the same authority, and with a defect it does not pass.
func TestSigner(t *testing.T) {
	s := source(t, newMachine(t), nomadcli.Options{})
	c, _ := issue(t, s, request(pki.Server))
	for _, defect := range []pki.Defect{{}, pki.Foreign(), pki.IntermediateMissing()} {
		other, err := s.Signer().IssueDefective(pki.Identity{Role: pki.Server}, defect)
		if err != nil {
			t.Fatal(err)
		}
		other.CAPEM = c.CAPEM
		if err := verify(t, other, "server.global.nomad"); (err == nil) != (defect == pki.Defect{}) {
			t.Errorf("defect %s: %v", defect, err)
		}
	}
}

// TestFirstRequests: what New makes along is handed out once, and costs no second run.
func TestFirstRequests(t *testing.T) {
	m := newMachine(t)
	var requests []authority.Request
	for i := range 10 { // more than run side by side
		requests = append(requests, authority.Request{Node: fmt.Sprint("client-", i), Identity: pki.Identity{Role: pki.Client, DNSNames: []string{fmt.Sprint("client-", i)}}})
	}
	s, err := nomadcli.New(t.Context(), nomadcli.Options{}, m.run, requests...)
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	for round, runs := range []int32{1, 2} {
		all, err := s.Issue(t.Context(), requests...)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range all {
			leaf, err := c.Leaf()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(leaf.DNSNames, requests[i].Node) {
				t.Errorf("round %d: %s has the certificate of %q", round, requests[i].Node, leaf.DNSNames)
			}
			serials[leaf.SerialNumber.String()] = true
		}
		if got := m.runs.Load(); got != runs {
			t.Errorf("round %d: %d runs, want %d", round, got, runs)
		}
	}
	if len(serials) != 20 {
		t.Errorf("%d certificates, want 20", len(serials))
	}
}

// TestLoad: a source goes on with the authority of an earlier one.
func TestLoad(t *testing.T) {
	m := newMachine(t)
	first := source(t, m, nomadcli.Options{})
	c, _ := issue(t, first, request(pki.Server))
	dir := t.TempDir()
	if err := first.Signer().Save(dir); err != nil {
		t.Fatal(err)
	}
	certificate, key := read(t, dir, pki.CAFile), read(t, dir, pki.CAKeyFile)
	again, err := nomadcli.Load(nomadcli.Options{}, certificate, key, m.run)
	if err != nil {
		t.Fatal(err)
	}
	renewed, _ := issue(t, again, request(pki.Server))
	renewed.CAPEM = c.CAPEM
	if err := verify(t, renewed, "server.global.nomad"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"nomad tls cert create -server"}, again.Commands()); diff != "" {
		t.Error(diff)
	}

	other := source(t, m, nomadcli.Options{})
	if err := other.Signer().Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := nomadcli.Load(nomadcli.Options{}, certificate, read(t, dir, pki.CAKeyFile), m.run); err == nil {
		t.Error("an authority is loaded with another one's key")
	}
}

// TestIssueFromManyGoroutines is of use under the race detector.
func TestIssueFromManyGoroutines(t *testing.T) {
	s := source(t, newMachine(t), nomadcli.Options{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := s.Issue(t.Context(), request(pki.Server), request(pki.Client)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(s.Commands()); got != 9 {
		t.Errorf("%d commands, want 9", got)
	}
}
