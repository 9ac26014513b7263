package pki_test

import (
	"net/netip"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
)

func TestIdentityNames(t *testing.T) {
	for _, tc := range []struct {
		id                    pki.Identity
		name, stem, cert, key string
	}{
		{pki.Identity{Role: pki.Server}, "server.global.nomad", "global-server-nomad", "global-server-nomad.pem", "global-server-nomad-key.pem"},
		{pki.Identity{Role: pki.Client, Region: "eu"}, "client.eu.nomad", "eu-client-nomad", "eu-client-nomad.pem", "eu-client-nomad-key.pem"},
		{pki.Identity{Role: pki.CLI, Region: "global"}, "cli.global.nomad", "global-cli-nomad", "global-cli-nomad.pem", "global-cli-nomad-key.pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := []string{tc.id.Name(), tc.id.String(), tc.id.FileStem(), tc.id.CertFile(), tc.id.KeyFile()}
			want := []string{tc.name, tc.name, tc.stem, tc.cert, tc.key}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestIdentityValidate(t *testing.T) {
	sound := pki.Identity{Role: pki.Client, Region: "eu-1", DNSNames: []string{"node_1.lab.test", "*.lab.test"}, IPs: addrs("10.0.0.1", "fd00::1")}
	for _, tc := range []struct {
		name   string
		change func(*pki.Identity)
		want   string // part of the error; empty: sound
	}{
		{"sound", func(*pki.Identity) {}, ""},
		{"no region", func(i *pki.Identity) { i.Region = "" }, ""},
		{"no role", func(i *pki.Identity) { i.Role = "" }, `role ""`},
		{"unknown role", func(i *pki.Identity) { i.Role = "SERVER" }, `role "SERVER"`},
		{"region of two labels", func(i *pki.Identity) { i.Region = "eu.west" }, `region "eu.west"`},
		{"region leaves the folder", func(i *pki.Identity) { i.Region = "../eu" }, `region "../eu"`},
		{"region with underscore", func(i *pki.Identity) { i.Region = "EU_1" }, ""},
		{"region with a blank", func(i *pki.Identity) { i.Region = "eu 1" }, "letters, digits, hyphens and underscores"},
		{"region too long", func(i *pki.Identity) { i.Region = strings.Repeat("a", 64) }, "longer than 63"},
		{"region ends with hyphen", func(i *pki.Identity) { i.Region = "eu-" }, "hyphen"},
		{"empty DNS name", func(i *pki.Identity) { i.DNSNames = []string{""} }, `DNS name ""`},
		{"trailing dot", func(i *pki.Identity) { i.DNSNames = []string{"lab.test."} }, "empty label"},
		{"bare wildcard", func(i *pki.Identity) { i.DNSNames = []string{"*"} }, `DNS name "*"`},
		{"inner wildcard", func(i *pki.Identity) { i.DNSNames = []string{"a.*.test"} }, `label "*"`},
		{"space", func(i *pki.Identity) { i.DNSNames = []string{"lab test"} }, `label "lab test"`},
		{"address among names", func(i *pki.Identity) { i.DNSNames = []string{"10.0.0.1"} }, "among the IPs"},
		{"name too long", func(i *pki.Identity) { i.DNSNames = []string{strings.Repeat("a.", 127) + "a"} }, "longer than 253"},
		{"no address", func(i *pki.Identity) { i.IPs = []netip.Addr{{}} }, "IP address"},
		{"address with zone", func(i *pki.Identity) { i.IPs = addrs("fe80::1%eth0") }, "without a zone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := sound
			tc.change(&id)
			checkError(t, id.Validate(), tc.want)
			_, err := newAuthority(t, pki.Options{}).Issue(id)
			checkError(t, err, tc.want)
		})
	}
}

func TestIdentityValidateTellsAllFaults(t *testing.T) {
	err := pki.Identity{Role: "boss", Region: "-", DNSNames: []string{"a..b"}}.Validate()
	for _, want := range []string{`role "boss"`, `region "-"`, `DNS name "a..b"`} {
		checkError(t, err, want)
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
