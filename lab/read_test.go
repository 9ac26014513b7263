package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

const wholeDocument = `
name: demo
nomad: {version: 1.11.3}
subnet: 10.9.0.0/24
log_level: TRACE
certificates:
  {ttl: 36h30m, dns_names: [nomad.example], ips: [192.0.2.1],
   flaws: [{role: client, flaw: no-eku}], names: [{dns_names: ["*.global.nomad"]}], roles: [{role: client, as: server}],
   trust_foreign: [server]}
regions:
  - {name: eu, datacenter: rack-1, servers: 5, clients: 0}
  - name: us
weaken: [tls.http]
settings:
  - {role: client, path: limits.https_handshake_timeout, value: '"0s"'}
  - {path: enable_debug, value: "true"}
  - {path: tls.http}
joiners:
  - {name: x, role: server, region: us, certificate_role: client, certificate_region: eu, gossip: other}
`

func wholeSpec() lab.Spec {
	return lab.Spec{
		Name: "demo", Nomad: lab.Nomad{Version: "1.11.3"}, Subnet: "10.9.0.0/24", LogLevel: "TRACE",
		Certificates: lab.Certificates{
			TTL: 36*time.Hour + 30*time.Minute, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1"},
			Flaws: []lab.CertificateFlaw{{Role: pki.Client, Flaw: "no-eku"}}, Names: []lab.ExtraNames{{DNSNames: []string{"*.global.nomad"}}},
			Roles: []lab.OtherRole{{Role: pki.Client, As: pki.Server}}, TrustForeign: []pki.Role{pki.Server},
		},
		Regions: []lab.Region{{Name: "eu", Datacenter: "rack-1", Servers: new(5), Clients: new(0)}, {Name: "us"}},
		Weaken:  []lab.Weakness{lab.NoHTTPTLS},
		Settings: []lab.Setting{
			{Role: pki.Client, Path: "limits.https_handshake_timeout", Value: `"0s"`}, {Path: "enable_debug", Value: "true"}, {Path: "tls.http"},
		},
		Joiners: []lab.Joiner{{
			Name: "x", Role: pki.Server, Region: "us", CertificateRole: pki.Client, CertificateRegion: "eu", Gossip: lab.OtherKey,
		}},
	}
}

func TestDecodeSpec(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want lab.Spec
	}{
		"every field":      {wholeDocument, wholeSpec()},
		"nothing":          {"", lab.Spec{}},
		"a comment":        {"# nothing yet\n", lab.Spec{}},
		"clients: 0":       {"regions: [{clients: 0}]", lab.Spec{Regions: []lab.Region{{Clients: new(0)}}}},
		"clients left out": {"regions: [{servers: 1}]", lab.Spec{Regions: []lab.Region{{Servers: new(1)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lab.DecodeSpec(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoClientsIsNotTheDefaultOfClients: a lab without clients must be possible to ask for.
func TestNoClientsIsNotTheDefaultOfClients(t *testing.T) {
	for text, want := range map[string]int{"regions: [{clients: 0}]": 0, "regions: [{servers: 1}]": 2} {
		spec, err := lab.DecodeSpec(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := *spec.WithDefaults().Regions[0].Clients; got != want {
			t.Errorf("%s: %d clients, want %d", text, got, want)
		}
	}
}

func TestDecodeSpecNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct{ text, right, want string }{
		"unknown field":        {"name: demo\nclients: 3\n", "name: demo\n", "[2:1] unknown field \"clients\""},
		"unknown inner field":  {"regions:\n  - name: eu\n    server: 3\n", "regions:\n  - name: eu\n    servers: 3\n", "[3:5] unknown field \"server\""},
		"wrong type":           {"regions:\n  - servers: three\n", "regions:\n  - servers: 3\n", "[2:14]"},
		"duration without day": {"certificates:\n  ttl: 7 days\n", "certificates:\n  ttl: 168h\n", `"7 days"`},
		"no YAML":              {"name: demo\nregions: [\n", "name: demo\nregions: []\n", "[2:10]"},
		"twice":                {"name: a\nname: b\n", "name: a\n", "[2:1]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lab.DecodeSpec(strings.NewReader(c.text))
			if !errors.Is(err, lab.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that wraps ErrInvalid and says %q", err, c.want)
			}
			if _, err := lab.DecodeSpec(strings.NewReader(c.right)); err != nil {
				t.Errorf("put right, still refused: %v", err)
			}
		})
	}
}

func TestReadSpec(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yaml")
	if _, err := lab.ReadSpec(path); !errors.Is(err, lab.ErrInvalid) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("title: demo\n")
	if _, err := lab.ReadSpec(path); !errors.Is(err, lab.ErrInvalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file with an error: %v, want one that names the file", err)
	}
	write(wholeDocument)
	got, err := lab.ReadSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wholeSpec(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
