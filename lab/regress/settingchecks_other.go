package regress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// otherSettingChecks returns the checks of calls to other services, of cipher suites, of the web UI and of ACL roles.
func otherSettingChecks() []settingCheck {
	all := []pki.Role{pki.Server, pki.Client}
	return []settingCheck{
		{
			id: "forgets-withdrawn-roles", title: "memory of a role that was withdrawn lasts minutes at most", severity: posture.Medium,
			why:      "a client goes by what it remembers of an ACL role for that long, also after the role was narrowed or deleted (client/acl.go:286)",
			what:     "an acl.role_ttl of more than " + longestMemory.String(),
			settings: []string{"acl.role_ttl"}, wrong: longMemory, control: `acl { role_ttl = "24h" }`,
		},
		{
			id: "calls-to-vault-are-safe", title: "calls to Vault go by TLS that is verified", severity: posture.High,
			why: "jobs' tokens and secrets pass there: without verification a caller in between has them " +
				"(client/allocrunner/taskrunner/template/template.go:932; nomad/structs/config/vault.go:86)",
			what:     "a Vault that is not verified, or called in the clear over the network",
			roles:    all,
			settings: []string{"vault.tls_skip_verify", "vault.address"}, wrong: vaultCall, control: `vault { tls_skip_verify = true }`,
		},
		{
			id: "calls-to-consul-are-safe", title: "calls to Consul go by TLS that is verified, or to this machine", severity: posture.High,
			why: "the agent's token and those of jobs pass there: without verification a caller in between has them " +
				"(nomad/structs/config/consul.go:383)",
			what:     "a Consul that is not verified, or called in the clear over the network",
			roles:    all,
			settings: []string{"consul.verify_ssl", "consul.ssl", "consul.address"}, wrong: consulCall, control: `consul { ssl = true verify_ssl = false }`,
		},
		{
			id: "calls-to-transit-are-safe", title: "calls to Vault's transit engine go by TLS that is verified", severity: posture.High,
			why: "the token for the key that the root keys are wrapped with passes there: without verification a caller in between has it " +
				"(nomad/encrypter.go; go-kms-wrapping, transit)",
			what:     "a transit engine that is not verified, or called in the clear over the network",
			roles:    []pki.Role{pki.Server},
			settings: []string{"keyring.transit.tls_skip_verify", "keyring.transit.address"}, wrong: transitCall,
			control: `keyring "transit" { tls_skip_verify = "true" }`,
		},
		{
			id: "lists-no-weak-suites", title: "list of cipher suites has no weak one, whatever key an agent has", severity: posture.High,
			why: "an agent speaks those suites of its list that are for its key; the lab has a key of its own in its place " +
				"(helper/tlsutil/config.go:29)",
			what:     "a cipher suite in CBC mode, or without forward secrecy",
			roles:    all,
			settings: []string{cipherSuites}, wrong: weakSuite, lacks: keyIsKnown,
			control: `tls { rpc = true tls_cipher_suites = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_GCM_SHA256" }`,
		},
		{
			id: "pages-run-no-foreign-scripts", title: "pages run no script of other sites, and stand in no page of theirs", severity: posture.Medium,
			why:      "a script on these pages has its visitor's ACL token, and a page around them has the visitor's clicks (nomad/structs/config/ui.go:106; command/agent/http.go:677)",
			what:     "a content_security_policy that allows other sites",
			roles:    all,
			settings: []string{"ui.content_security_policy.default_src", "ui.content_security_policy.script_src", "ui.content_security_policy.frame_ancestors", "ui.content_security_policy.form_action"},
			wrong:    openPolicy, control: `ui { enabled = true content_security_policy { script_src = ["*"] } }`,
		},
	}
}

// longestMemory is the longest time that a client may use a role that it remembers, as for tokens and policies (catalogue,
// forgetful).
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
		return onTrue("it believes every answer")(files, setting)
	}
	if rest, plain := strings.CutPrefix(strings.ToLower(files.Text(setting)), "http://"); plain && !isLoopback(rest) {
		return "it is called in the clear"
	}
	return ""
}

// transitCall is vaultCall for Vault as the key service. There may be several such blocks with names, and Nomad calls each.
func transitCall(files agentconf.Files, setting string) string {
	for _, line := range files.Lookup(setting) {
		text := strings.ToLower(strings.Trim(line.Value, `"`))
		rest, plain := strings.CutPrefix(text, "http://")
		switch address := strings.HasSuffix(setting, "address"); {
		case address && plain && !isLoopback(rest):
			return fmt.Sprintf("%s:%d: it is called in the clear", line.File, line.Number)
		case !address && !slices.Contains([]string{"false", "0", "f", ""}, text) && !onLoopback(files):
			return fmt.Sprintf("%s:%d: it believes every answer", line.File, line.Number)
		}
	}
	return ""
}

// onLoopback reports whether each transit engine is called on the machine itself, without TLS.
func onLoopback(files agentconf.Files) bool {
	all := files.Lookup("keyring.transit.address")
	return len(all) > 0 && !slices.ContainsFunc(all, func(line agentconf.Line) bool {
		rest, plain := strings.CutPrefix(strings.ToLower(strings.Trim(line.Value, `"`)), "http://")
		return !plain || !isLoopback(rest)
	})
}

// cipherSuites is the path of the list of cipher suites.
const cipherSuites = "tls.tls_cipher_suites"

// keyIsKnown returns why agents themselves show which suites they speak: they have their own key.
func keyIsKnown(u userFiles) string {
	if !u.ownCredential {
		return ""
	}
	return "the agents have your certificate, and show which suites they speak with its key"
}

// weakSuite finds a suite of TLS 1.2 in CBC mode or without forward secrecy, if agents speak that version.
func weakSuite(files agentconf.Files, setting string) string {
	if !flag(files, "tls.http") && !flag(files, "tls.rpc") || strings.EqualFold(strings.TrimSpace(files.Text("tls.tls_min_version")), "tls13") {
		return ""
	}
	for suite := range strings.SplitSeq(files.Text(setting), ",") {
		switch suite = strings.TrimSpace(suite); {
		case strings.Contains(suite, "_CBC_"):
			return suite + " is in CBC mode"
		case strings.HasPrefix(suite, "TLS_RSA_"):
			return suite + " has no forward secrecy"
		}
	}
	return ""
}

// consulCall finds calls to Consul that are not verified or not encrypted. They go by TLS if ssl is on, or the address begins
// with https.
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
			return "it believes every answer"
		}
	case "consul.address":
		if !byTLS && scheme != "unix" && !isLoopback(rest) {
			return "it is called in the clear"
		}
	}
	return ""
}

// openPolicy finds a source that allows every site, or scripts that are in a page or made by one.
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
			return source + " allows more than these pages"
		}
	}
	return ""
}
