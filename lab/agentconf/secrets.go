package agentconf

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf/settings"
)

// Secret is a line whose value is a secret.
type Secret struct {
	Line
	// Setting is its path, such as server.encrypt.
	Setting string
}

// discoverSecrets returns the arguments of go-discover that are secrets (github.com/hashicorp/go-discover, the help text
// of each provider).
func discoverSecrets() []string {
	return []string{
		"secret_access_key", "access_key_secret", "session_token", "api_key", "api_token", "auth_token", "token", "password",
		"client_secret", "secret_key", "secret_id",
	}
}

// pluginSecrets returns the names of secret options of plugins that Nomad does not know. Nomad's own drivers have none:
// the options of docker's auth block are a path and the name of a helper.
func pluginSecrets() []string {
	return []string{"token", "password", "secret", "secret_key", "client_secret", "api_key"}
}

// Secrets returns the lines with a secret. It recognizes them by the setting, so that comments, meta entries, headers and
// paths of files never count; nor do empty values. Redact, which hides secrets from logs, removes more.
func (f Files) Secrets() []Secret {
	var out []Secret
	table := settings.All()
	for i, t := range f.readable() {
		t.root.each(nil, func(names []string, p place) {
			if isSecret(table, names, p.item().val) {
				out = append(out, Secret{f[i].line(t, p), Path(names...)})
			}
		})
	}
	return out
}

// Paths returns the paths of all lines of the files, each once, in their order.
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

// each calls do for every place that is no block, with its path.
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
func isSecret(table settings.Table, names []string, v value) bool {
	texts, err := v.texts()
	if err != nil {
		texts = []string{v.text}
	}
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return strings.TrimSpace(text) == "" })
	setting, known := table.Find(names)
	if !known || len(texts) == 0 {
		return false
	}
	switch setting.Secret {
	case settings.Whole:
		return true
	case settings.InQuery:
		return slices.ContainsFunc(texts, joinsWithSecret)
	case settings.InAddress:
		return slices.ContainsFunc(texts, func(text string) bool { return userInfo.MatchString(text) })
	case settings.ByName:
		return slices.Contains(pluginSecrets(), strings.ToLower(names[len(names)-1]))
	default:
		return false
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
