package regress

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

func otherFaults() []lineFault {
	all := []pki.Role{pki.Server, pki.Client}
	return []lineFault{
		{
			id: "forgets-withdrawn-roles", title: "memory of a role that was withdrawn lasts minutes at most", severity: posture.Medium,
			why:      "a client goes by what it remembers of an ACL role for that long, also after the role was narrowed or deleted (client/acl.go:286)",
			what:     "an acl.role_ttl of more than " + longestMemory.String(),
			roles:    []pki.Role{pki.Client},
			settings: []string{"acl.role_ttl"}, wrong: longMemory, decoy: `acl { role_ttl = "24h" }`,
		},
		{
			id: "calls-to-vault-are-safe", title: "calls to Vault go by TLS that is verified", severity: posture.High,
			why: "jobs' tokens and secrets pass there: without verification whoever is in between has them " +
				"(client/allocrunner/taskrunner/template/template.go:932; nomad/structs/config/vault.go:86)",
			what:     "a Vault that is not verified, or called in the clear over the network",
			roles:    all,
			settings: []string{"vault.tls_skip_verify", "vault.address"}, wrong: vaultCall, decoy: `vault { tls_skip_verify = true }`,
		},
		{
			id: "calls-to-consul-are-safe", title: "calls to Consul go by TLS that is verified, or to this machine", severity: posture.High,
			why: "the agent's token and those of jobs pass there: without verification whoever is in between has them " +
				"(nomad/structs/config/consul.go:383)",
			what:     "a Consul that is not verified, or called in the clear over the network",
			roles:    all,
			settings: []string{"consul.verify_ssl", "consul.ssl", "consul.address"}, wrong: consulCall, decoy: `consul { ssl = true verify_ssl = false }`,
		},
		{
			id: "pages-run-no-foreign-scripts", title: "pages run no script of other sites, and stand in no page of theirs", severity: posture.Medium,
			why:      "a script on these pages has its visitor's ACL token, and a page around them has the visitor's clicks (nomad/structs/config/ui.go:106; command/agent/http.go:677)",
			what:     "a content_security_policy that lets other sites in",
			roles:    all,
			settings: []string{"ui.content_security_policy.default_src", "ui.content_security_policy.script_src", "ui.content_security_policy.frame_ancestors", "ui.content_security_policy.form_action"},
			wrong:    openPolicy, decoy: `ui { enabled = true content_security_policy { script_src = ["*"] } }`,
		},
	}
}

// longestMemory is the longest that a client may go by what it remembers, as for tokens and policies (catalogue, forgetful).
const longestMemory = 5 * time.Minute

func longMemory(files agentconf.Files, setting string) string {
	if d, err := time.ParseDuration(files.Text(setting)); err == nil && d > longestMemory {
		return "it is more than " + longestMemory.String()
	}
	return ""
}

// isLoopback reports whether an address, with a port or without, is one of the machine itself.
func isLoopback(address string) bool {
	host, _, _ := strings.Cut(address, "/")
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

func vaultCall(files agentconf.Files, setting string) string {
	if setting == "vault.tls_skip_verify" {
		return onTrue("whoever answers there is believed")(files, setting)
	}
	if rest, plain := strings.CutPrefix(strings.ToLower(files.Text(setting)), "http://"); plain && !isLoopback(rest) {
		return "it is called in the clear"
	}
	return ""
}

// consulCall finds what is wrong with how Consul is called: by TLS where ssl is on, or the address begins with https.
func consulCall(files agentconf.Files, setting string) string {
	scheme, rest, has := strings.Cut(strings.ToLower(files.Text("consul.address")), "://")
	if !has {
		scheme, rest = "", scheme
	}
	ssl, _ := files.Flag("consul.ssl")
	byTLS := ssl || scheme == "https"
	switch setting {
	case "consul.verify_ssl":
		if verify, err := files.Flag(setting); byTLS && err == nil && !verify {
			return "whoever answers there is believed"
		}
	case "consul.address":
		if !byTLS && scheme != "unix" && !isLoopback(rest) {
			return "it is called in the clear"
		}
	}
	return ""
}

// openPolicy finds a source that is every site, or what lets scripts in that stand in a page or are made by one.
func openPolicy(files agentconf.Files, setting string) string {
	all, err := files.Texts(setting)
	if err != nil {
		return ""
	}
	open := []string{"*", "http:", "https:"}
	if strings.HasSuffix(setting, "script_src") {
		open = append(open, "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:")
	}
	for _, source := range all {
		if slices.Contains(open, strings.ToLower(source)) {
			return source + " lets in more than these pages"
		}
	}
	return ""
}
