package certificate_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"slices"
	"testing"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

// serverConfiguration is that of a server with every protection that certificates have a part in.
const serverConfiguration = `
data_dir = "/opt/nomad/data"
server {
  enabled          = true
  bootstrap_expect = 1
}
tls {
  http = true
  rpc  = true
  ca_file   = "/etc/nomad.d/tls/ca.pem"
  cert_file = "/etc/nomad.d/tls/server.pem"
  key_file  = "/etc/nomad.d/tls/server-key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}
`

// presented is a credential that is shown to a server.
type presented struct {
	name      string
	cert, key []byte
}

// presentedOf returns everything that this package's tests judge and that a caller can present, and the authorities of it all.
func presentedOf(t *testing.T, a *pki.Authority) (all []presented, authorities []byte) {
	t.Helper()
	server := pki.Identity{Role: pki.Server}
	for _, d := range append([]pki.Defect{{}}, pki.Defects()...) {
		if d == pki.LeafNotFirst() { // no program can present it: the key does not fit
			continue
		}
		c := issue(t, a, server, d)
		all = append(all, presented{d.Name(), c.CertPEM, c.KeyPEM})
	}
	for _, n := range nameCases() {
		if !permitted(n) {
			continue
		}
		c := named(t, a, n.cn, n.dns...)
		all = append(all, presented{n.name, c.CertPEM, c.KeyPEM})
	}
	orders, root := orderCases(t)
	roots := []*link{root}
	for _, o := range orders {
		if o.problem != "leaf-not-first" { // no program can present it: the key does not fit
			all = append(all, presented{o.name, pemOf(o.chain...), o.chain[0].keyPEM(t)})
		}
	}
	for _, c := range chainCases(t) {
		all = append(all, presented{c.name, pemOf(c.chain...), c.chain[0].keyPEM(t)})
		if !slices.Contains(roots, c.trusted) && c.name != "trust in an intermediate" {
			roots = append(roots, c.trusted)
		}
	}
	return all, append(a.CertificatePEM(), pemOf(roots...)...)
}

// permitted reports whether the constraints of an authority that every defect can be had of permit the names.
func permitted(n nameCase) bool {
	return !slices.Contains(n.dns, "web.example.com")
}

// TestOpensWhatARealServerOpens shows every certificate of this package's tests to a real server, at each endpoint: those that it
// accepts are those that are said to be open. Among the certificates are sound ones, so that each endpoint is seen open and closed.
func TestOpensWhatARealServerOpens(t *testing.T) {
	a := capable(t)
	all, authorities := presentedOf(t, a)
	own := issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{})
	own.CAPEM = authorities
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0), func(s *spec.Spec) {
		s.Configuration = &spec.Configuration{
			Server:    spec.AgentConfiguration{Files: agentconf.Files{agentconf.NewFile("server.hcl", []byte(serverConfiguration))}, Credential: &own},
			Authority: a,
		}
	})
	trusted, err := pki.DecodeCertificates(authorities)
	if err != nil {
		t.Fatal(err)
	}
	at, seen := inspect.Target(l.Servers()[0]), map[certificate.Endpoint]map[bool]int{}
	for _, p := range all {
		got := measured(t, at, probe.As(pki.Credential{Identity: own.Identity, CertPEM: p.cert, KeyPEM: p.key, CAPEM: authorities}))
		if said := saidToOpen(t, p, trusted); !slices.Equal(got, said) {
			t.Errorf("%s: the server accepts it at %q, and it is said to open %q", p.name, got, said)
		}
		for _, e := range certificate.Endpoints() {
			if seen[e] == nil {
				seen[e] = map[bool]int{}
			}
			seen[e][slices.Contains(got, e)]++
		}
	}
	t.Logf("%d certificates; open and closed: %v", len(all), seen)
	for e, n := range seen {
		if n[true] == 0 || n[false] == 0 {
			t.Errorf("%s was open to %d and closed to %d: it proves little", e, n[true], n[false])
		}
	}
}

// saidToOpen returns what the judge says, for agents of region global.
func saidToOpen(t *testing.T, p presented, trusted []*x509.Certificate) []certificate.Endpoint {
	t.Helper()
	r := certificate.Judge([]certificate.Input{decode(t, "it.pem", bytes.Clone(p.cert))}, certificate.Options{Now: time.Now(), Trusted: trusted})
	return certificate.OpenIn(r.Places[0].Certificates[0].Opens, pki.DefaultRegion)
}

// measured returns the endpoints at which the server accepts the caller.
func measured(t *testing.T, at probe.Target, as probe.Caller) []certificate.Endpoint {
	t.Helper()
	probes := map[certificate.Endpoint]probe.Probe{
		certificate.HTTPS:        probe.HTTP("/v1/status/leader?stale", as),
		certificate.RPC:          probe.RPCCall(probe.StatusLeader(), as),
		certificate.NodeRegister: probe.RPCCall(probe.RegisterNothing(), as),
		certificate.ServerOnly:   probe.RPCCall(probe.DequeueNothing(), as),
		certificate.Raft:         probe.Raft(as),
	}
	var open []certificate.Endpoint
	for _, e := range certificate.Endpoints() {
		switch o := probes[e].ObserveRetrying(t.Context(), at); {
		case o.Outcome == probe.Accepted:
			open = append(open, e)
		case !o.Outcome.Refused():
			t.Fatalf("%s: %s: %s %s", e, o.Outcome, o.Received, o.Err)
		}
	}
	return open
}
