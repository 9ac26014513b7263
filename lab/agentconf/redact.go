package agentconf

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// redacted replaces a secret.
const redacted = "<redacted>"

var (
	// word is a name as HCL, JSON and go-discover's strings write it.
	word = regexp.MustCompile(`[\w-]+`)

	// secretName is the end of the name of a secret. A name is secret by its end (replication_token, circonus_api_token,
	// client_secret), so token_ttl and key_file are none. Only a key by that name alone is one, as in a keyring block, and those
	// that say what they open: tag_key is none. EncryptKey and LicenseEnv are what Nomad's own structs call them
	// (command/agent/config.go:700 and :728).
	secretName = regexp.MustCompile(`(?i)(?:encrypt|encrypt[_-]?key|^key|license|license[_-]?env|token|secret|secret[_-]?id|` +
		`(?:secret|access|api|private|auth|shared|signing|account|master|encryption|gossip)[_-]?key|` +
		`passw(?:or)?d|passphrase|(?:^|[_-])(?:pass|pwd)|auth|authorization|credential)s?$`)

	// userInfo finds the password in an address such as https://user:password@host.
	userInfo = regexp.MustCompile(`(://[^/\s:@"]*:)[^/\s"]+@`)

	// privateKey finds PEM, with its newlines as they are or as \n.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)

	// harmless are values that contain no secret, and show what is off.
	harmless = regexp.MustCompile(`^(?:""|''|\\"\\"|true|false|null)$`)
)

// Redact returns the configuration with its secrets replaced by "<redacted>", for logs and evidence: gossip keys, tokens,
// passwords, licenses and the like, whatever their type, also in comments, in go-discover's join strings and in the user
// part of addresses; and private keys in PEM. Empty strings and booleans stay.
//
// It accepts any text, valid or not, in HCL 1, HCL 2 or JSON. It works on the text, not on tokens, because no parser
// reads everything that Nomad reads: the HCL 2 lexer takes "%{", which is plain text to HCL 1, for a template, and then
// misreads the rest of the file, where it would miss a secret. So every name is checked by itself. If the end of a value
// is not certain, Redact removes too much.
//
// It recognizes secrets by their names, and so misses a secret with a harmless name, in meta or in a plugin's own
// options.
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

// RedactValue returns the literal of a setting as Redact leaves it. The values in client.chroot_env are paths, whatever
// their names, such as /etc/passwd.
func RedactValue(path, value string) string {
	name := path[strings.LastIndex(path, ".")+1:]
	if strings.HasPrefix(strings.ToLower(path), "client.chroot_env.") {
		name = "path"
	}
	text, whole := strings.CutPrefix(string(Redact([]byte(name+" = "+value))), name+" = ")
	if !whole {
		return `"` + redacted + `"`
	}
	return text
}

// span is a part of a text: from is in it, to is the first byte after it.
type span struct{ from, to int }

// secretSpans returns where the values of secrets are, in order and without overlaps. The search continues after each
// name, not after each value: a value that was measured wrongly must not hide the next name. If measuring takes too long,
// as with nested values without an end, the rest of the text is one span.
func secretSpans(text []byte) []span {
	var spans []span
	budget := measured * (len(text) + 1)
	for _, at := range word.FindAllIndex(text, -1) {
		if !secretName.Match(text[at[0]:at[1]]) {
			continue
		}
		if budget < 0 {
			return merged(append(spans, span{at[1], len(text)}))
		}
		from, looked, is := valueStart(text, at[1])
		budget -= looked
		if !is {
			continue
		}
		to := from + valueLength(text[from:])
		budget -= to - from
		if from < to && !harmless.Match(text[from:to]) {
			spans = append(spans, span{from, to})
		}
	}
	return merged(spans)
}

// measured is how often each byte of a text may be read in order to measure values.
const measured = 8

// valueStart returns where the value begins behind a name that ends at a place: behind the quote of the name and an
// equals sign or colon, with white space and comments around it. is is false if there is no value. looked is how many
// bytes were read.
func valueStart(text []byte, at int) (from, looked int, is bool) {
	if bytes.HasPrefix(text[at:], []byte(`\"`)) {
		at += 2
	} else if bytes.HasPrefix(text[at:], []byte(`"`)) || bytes.HasPrefix(text[at:], []byte("'")) {
		at++
	}
	at, looked = skipGap(text, at)
	if at >= len(text) || text[at] != '=' && text[at] != ':' {
		return at, looked, false
	}
	from, more := skipGap(text, at+1)
	return from, looked + more, true
}

// skipGap is the place behind white space and comments, and how many bytes it took to find it. A comment without an end is
// none.
func skipGap(text []byte, at int) (behind, looked int) {
	for at < len(text) {
		rest := text[at:]
		n := -1
		switch {
		case bytes.IndexByte([]byte(" \t\r\n\f\v"), rest[0]) >= 0:
			n = 0
		case bytes.HasPrefix(rest, []byte("/*")):
			if n = bytes.Index(rest[2:], []byte("*/")); n >= 0 {
				n += 3
			}
		case rest[0] == '#', bytes.HasPrefix(rest, []byte("//")):
			n = bytes.IndexByte(rest, '\n')
		}
		if n < 0 {
			if rest[0] == '#' || rest[0] == '/' {
				looked += len(rest)
			}
			return at, looked
		}
		at, looked = at+n+1, looked+n+1
	}
	return at, looked
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
	case bytes.IndexByte([]byte(`"[{`), value[0]) >= 0 && len(value) > 1:
		return `"` + redacted + `"`
	}
	return redacted
}
