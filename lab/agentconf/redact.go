package agentconf

import (
	"bytes"
	"regexp"
	"slices"
)

// redacted stands where a secret was.
const redacted = "<redacted>"

// gap is white space and comments, which may stand on both sides of "=" and ":".
const gap = `(?:\s|/\*.*?\*/|#[^\n]*\n|//[^\n]*\n)*`

var (
	// secretKey finds the name of a secret up to where its value begins, in HCL of
	// either version and in JSON; its group is the name. A name is secret by its
	// end (replication_token, circonus_api_token, client_secret), so token_ttl and
	// key_file are none. Only a key by that name alone is one, as in a keyring block:
	// tag_key is none. EncryptKey and LicenseEnv are what Nomad's own structs call
	// them (command/agent/config.go:700 and :728).
	secretKey = regexp.MustCompile(`(?is)(encrypt|encrypt_?key|\bkey|license|license_?env|token|secret|secret_?id|secret_?key|access_?key|api_?key|` +
		`private_?key|passw(?:or)?d|passphrase|auth|authorization|credentials?)` +
		`\\?"?` + gap + `[=:]` + gap)

	// userInfo finds the password in an address such as https://user:password@host.
	userInfo = regexp.MustCompile(`(://[^/\s:@"]*:)[^/\s"]+@`)

	// privateKey finds PEM, with its newlines as they are or as \n.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)

	// harmless are values that hold no secret, and tell what is off.
	harmless = regexp.MustCompile(`^(?:""|\\"\\"|true|false|null)$`)
)

// Redact returns the configuration with the values of its secrets replaced by
// "<redacted>", for logs and folders of evidence: gossip keys, tokens, passwords,
// licenses and the like, whatever their type, also in comments, in go-discover's join
// strings and in the user part of addresses; and private keys in PEM. Empty
// strings and booleans stay.
//
// It takes any text, valid or not: Nomad's HCL 1, HCL 2 or JSON. It works on
// the text, not on tokens, because no parser here reads everything that Nomad
// does: the HCL 2 lexer takes "%{" for a template, which is plain text to
// HCL 1, and loses its way in the rest of the file, where a secret would then be
// overlooked. So every name is looked at by itself, whatever stands around it.
// Where the end of a value is in doubt, Redact takes away too much.
//
// It knows secrets by their names: it cannot know one that was given an innocent
// name, in meta or in a plugin's own options.
func Redact(hcl []byte) []byte {
	var out bytes.Buffer
	shown := 0
	for _, secret := range secretSpans(hcl) {
		out.Write(hcl[shown:secret.from])
		out.WriteString(replacement(hcl[secret.from:secret.to]))
		shown = secret.to
	}
	out.Write(hcl[shown:])

	text := userInfo.ReplaceAll(out.Bytes(), []byte("${1}"+redacted+"@"))
	return privateKey.ReplaceAll(text, []byte(redacted))
}

// span is a part of a text: from is in it, to is the first byte after it.
type span struct{ from, to int }

// secretSpans returns where the values of secrets are, in order and without
// overlaps. The search goes on after each name, not after each value: a value that
// was measured wrongly must not hide the next name.
func secretSpans(text []byte) []span {
	var spans []span
	for at := 0; ; {
		found := secretKey.FindSubmatchIndex(text[at:])
		if found == nil {
			return merged(spans)
		}
		from := at + found[1]
		to := from + valueLength(text[from:])
		if from < to && !harmless.Match(text[from:to]) {
			spans = append(spans, span{from, to})
		}
		at += found[3]
	}
}

// merged sorts the spans, because a name in a comment comes after the name whose
// value it stands before, and joins those that overlap.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range spans {
		if last := len(out) - 1; last >= 0 && s.from < out[last].to {
			out[last].to = max(out[last].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// replacement keeps the kind of the value, so that what was HCL or JSON still is.
func replacement(value []byte) string {
	switch {
	case bytes.HasPrefix(value, []byte(`\"`)):
		return `\"` + redacted + `\"`
	case bytes.HasPrefix(value, []byte("<<")):
		return `"` + redacted + `"` + "\n"
	case bytes.IndexByte([]byte(`"[{`), value[0]) >= 0:
		return `"` + redacted + `"`
	}
	return redacted
}
