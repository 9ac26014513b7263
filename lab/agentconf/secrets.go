package agentconf

import (
	"slices"
	"strings"
)

// Secret is a line whose value is a secret.
type Secret struct {
	Line
	// Setting is its path, such as server.encrypt.
	Setting string
}

// secretSettings are the settings of Nomad 1.11.3 whose value is a secret, by path, in which * is any one name: the label of a
// block. Where blocks may have a label or none, both are there. (command/agent/config.go:507, :700, :1307;
// nomad/structs/config/consul.go:102, vault.go:101; the keyring's are those of go-kms-wrapping, as
// https://developer.hashicorp.com/nomad/docs/configuration/keyring has them.)
func secretSettings() []string {
	return []string{
		"server.encrypt", "acl.replication_token", "consul.token", "consul.auth", "consul.*.token", "consul.*.auth",
		"vault.token", "vault.*.token", "telemetry.circonus_api_token",
		"keyring.*.token", "keyring.*.secret_key", "keyring.*.session_token", "keyring.*.client_secret",
	}
}

// joinSettings are those whose text may be a query of go-discover, "provider=aws …", with a secret of a cloud in it.
func joinSettings() []string {
	return []string{
		"server.retry_join", "server.start_join", "server.server_join.retry_join", "server.server_join.start_join",
		"client.servers", "client.server_join.retry_join", "client.server_join.start_join",
	}
}

// discoverSecrets are the arguments of go-discover that are secrets (github.com/hashicorp/go-discover, the help text of each
// provider).
func discoverSecrets() []string {
	return []string{
		"secret_access_key", "access_key_secret", "session_token", "api_key", "api_token", "auth_token", "token", "password",
		"client_secret", "secret_key", "secret_id",
	}
}

// addressSettings are addresses, in which a password may stand: https://user:password@host.
func addressSettings() []string {
	return []string{"consul.address", "consul.*.address", "vault.address", "vault.*.address", "keyring.*.address"}
}

// pluginSecrets are what options of plugins that Nomad does not know are called where they are secrets. Nomad's own drivers
// have none: the options of docker's auth block are a path and the name of a helper.
func pluginSecrets() []string {
	return []string{"token", "password", "secret", "secret_key", "client_secret", "api_key"}
}

// Secrets are the lines of the files that hold a secret. A secret is known by its setting: what a comment, a meta entry, a
// header or the path of a file looks like makes none. A value that is empty is none either. Redact, which hides secrets from
// logs, takes away more.
func (f Files) Secrets() []Secret {
	var out []Secret
	for i, t := range f.readable() {
		t.root.each(nil, func(names []string, p place) {
			if isSecret(names, p.item().val) {
				out = append(out, Secret{f[i].line(t, p), Path(names...)})
			}
		})
	}
	return out
}

// Paths are the paths of all lines that stand in the files, each once and in their order.
func (f Files) Paths() []string {
	var out []string
	for _, t := range f.readable() {
		t.root.each(nil, func(names []string, _ place) {
			if path := Path(names...); !slices.Contains(out, path) {
				out = append(out, path)
			}
		})
	}
	return out
}

// each hands over every place that is no block, with its path.
func (b *body) each(above []string, do func(names []string, p place)) {
	for index, i := range b.items {
		names := append(slices.Clone(above), i.names...)
		inside := i.val.bodies()
		if len(inside) == 0 {
			do(names, place{b, index})
		}
		for _, inner := range inside {
			inner.each(names, do)
		}
	}
}

// isSecret reports whether the value of that setting is a secret.
func isSecret(names []string, v value) bool {
	texts, err := v.texts()
	if err != nil {
		texts = []string{v.text}
	}
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return strings.TrimSpace(text) == "" })
	switch {
	case len(texts) == 0:
		return false
	case isOneOf(names, secretSettings()...):
		return true
	case isOneOf(names, joinSettings()...):
		return slices.ContainsFunc(texts, joinsWithSecret)
	case isOneOf(names, addressSettings()...):
		return slices.ContainsFunc(texts, func(text string) bool { return userInfo.MatchString(text) })
	default:
		return len(names) > 3 && isOneOf(names[:3], "plugin.*.config") && slices.Contains(pluginSecrets(), strings.ToLower(names[len(names)-1]))
	}
}

// joinsWithSecret reports whether the text is a query of go-discover with a secret in it.
func joinsWithSecret(text string) bool {
	if !strings.Contains(text, "provider=") {
		return false
	}
	return slices.ContainsFunc(strings.Fields(text), func(argument string) bool {
		name, value, _ := strings.Cut(argument, "=")
		return strings.Trim(value, `"`) != "" && slices.Contains(discoverSecrets(), name)
	})
}
