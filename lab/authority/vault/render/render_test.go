package render_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
)

func newNode(published bool) render.Node {
	return render.Node{
		Identity:  pki.Identity{Role: pki.Server, DNSNames: []string{"server1"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
		Published: published, Folder: "/opt/nomad", ConfigFolder: "/etc/consul-template.d", Address: "https://10.0.0.9:8200", VaultCA: "/opt/vault-ca.pem",
		Command: []string{"nomad", "agent", "-config", "/etc/nomad.d"},
	}
}

// TestThePublishedTemplates compares them with the guide's text; of cli.crt.tpl and cli.key.tpl the guide has a space more.
func TestThePublishedTemplates(t *testing.T) {
	n := newNode(true)
	const agent = `{{ with secret "pki_int/issue/nomad-cluster" "common_name=server.global.nomad" "ttl=24h" "alt_names=localhost" "ip_sans=127.0.0.1"}}` + "\n"
	want := []render.Template{
		{Source: "/opt/nomad/templates/agent.crt.tpl", Destination: "/opt/nomad/agent-certs/agent.crt", Perms: "0700", Text: agent + "{{ .Data.certificate }}\n{{ end }}\n"},
		{Source: "/opt/nomad/templates/agent.key.tpl", Destination: "/opt/nomad/agent-certs/agent.key", Perms: "0700", Text: agent + "{{ .Data.private_key }}\n{{ end }}\n"},
		{Source: "/opt/nomad/templates/ca.crt.tpl", Destination: "/opt/nomad/agent-certs/ca.crt",
			Text: `{{ with secret "pki_int/issue/nomad-cluster" "common_name=server.global.nomad" "ttl=24h"}}` + "\n{{ .Data.issuing_ca }}\n{{ end }}\n"},
		{Source: "/opt/nomad/templates/cli.crt.tpl", Destination: "/opt/nomad/cli-certs/cli.crt",
			Text: `{{ with secret "pki_int/issue/nomad-cluster" "ttl=24h"}}` + "\n{{ .Data.certificate }}\n{{ end }}\n"},
		{Source: "/opt/nomad/templates/cli.key.tpl", Destination: "/opt/nomad/cli-certs/cli.key",
			Text: `{{ with secret "pki_int/issue/nomad-cluster" "ttl=24h"}}` + "\n{{ .Data.private_key }}\n{{ end }}\n"},
	}
	if got := n.Templates(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheSafeTemplates(t *testing.T) {
	want := []render.Template{
		{Source: "/opt/nomad/templates/agent.pem.tpl", Destination: "/opt/nomad/agent-certs/agent.pem", Perms: "0600",
			Text: `{{ with pkiCert "pki_int/issue/global-server-nomad" "common_name=server.global.nomad" "ttl=24h" "alt_names=localhost,server1" "ip_sans=127.0.0.1,10.0.0.1" }}` +
				"{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}\n"},
		{Source: "/opt/nomad/templates/ca.crt.tpl", Destination: "/opt/nomad/agent-certs/ca.crt", Perms: "0644",
			Text: `{{ with secret "pki/cert/ca" }}{{ .Data.certificate }}{{ end }}` + "\n"},
	}
	if got := newNode(false).Templates(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestRolesAreApart: in the safe form no two roles or regions share a role or a policy; in the published one all do.
func TestRolesAreApart(t *testing.T) {
	roles, policies := map[string]bool{}, map[string]bool{}
	for _, role := range []pki.Role{pki.Server, pki.Client, pki.CLI} {
		for _, region := range []string{"", "eu"} {
			id := pki.Identity{Role: role, Region: region}
			roles[render.Role(id, false)], policies[render.Policy(id, false)] = true, true
			if render.Role(id, true) != "nomad-cluster" || render.Policy(id, true) != "tls-policy" {
				t.Errorf("%s: published %s %s", id, render.Role(id, true), render.Policy(id, true))
			}
		}
	}
	if len(roles) != 6 || len(policies) != 6 {
		t.Errorf("%d roles and %d policies, want 6", len(roles), len(policies))
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		published bool
		has, not  []string
	}{
		"published": {true, []string{
			"  destination = \"/opt/nomad/cli-certs/cli.key\"\n}", "  perms       = 0700\n", "renew_token  = true", "unwrap_token = false",
		}, []string{"grace", "syslog", "systemctl", "token        =", "attempts"}},
		"safe": {false, []string{"attempts    = 0\n", "  perms       = 0600\n"}, []string{"cli-certs", "token        ="}},
	} {
		t.Run(name, func(t *testing.T) {
			config := newNode(c.published).Config()
			for _, line := range append(c.has,
				`command       = ["nomad", "agent", "-config", "/etc/nomad.d"]`, `ca_cert = "/opt/vault-ca.pem"`,
				"\nreload_signal = \"SIGNULL\"\nkill_signal   = \"SIGTERM\"\n", "  reload_signal = \"SIGHUP\"\n  kill_signal   = \"SIGTERM\"\n", `denylist = ["VAULT_TOKEN"]`) {
				if !strings.Contains(config, line) {
					t.Errorf("it lacks %q:\n%s", line, config)
				}
			}
			for _, line := range c.not {
				if strings.Contains(config, line) {
					t.Errorf("it has %q:\n%s", line, config)
				}
			}
		})
	}
}

func TestServerConfig(t *testing.T) {
	plain := render.Server{Address: "127.0.0.1:8200", DataFolder: "/data"}.Config()
	secure := render.Server{Address: "127.0.0.1:8200", DataFolder: "/data", CertFile: "/c.pem", KeyFile: "/k.pem"}.Config()
	if !strings.Contains(plain, "tls_disable = true") || !strings.Contains(plain, `"http://127.0.0.1:8200"`) {
		t.Errorf("without a certificate:\n%s", plain)
	}
	if strings.Contains(secure, "tls_disable") || !strings.Contains(secure, `"https://127.0.0.1:8200"`) || !strings.Contains(secure, `"/k.pem"`) {
		t.Errorf("with a certificate:\n%s", secure)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{24 * time.Hour: "24h", 90 * time.Minute: "5400s", time.Minute: "60s"} {
		if got := render.Duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
