package catalogue

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// publicKeys returns the gossip keys of public documentation, guides and tests, by where they stand.
func publicKeys() []knownKey {
	var all []knownKey
	for where, keys := range map[string][]string{
		"Nomad's documentation": {
			"+p7iF56z0EWoSIvhpYHWXZrSAAtnjR9l6XHRzHqQKlg=", "4YwLQm6ZMwYgfldNBT5P76tAWMdcBmu+FPYRvCxvsHc=",
			"IisA4F7Mu/RwGfBZelcsFzMlJ4+twnO5Z7eoTzD0T6c=", "4kRkFQfcc3LU0BazP1ca+z==", "YgZOXLMhC7TtZqeghMT8+w==",
			"HD5Y61iE+neTxd1n6TnXhCPViPIUq5QpWq8WW8012XA=", "AOUfjGff+MrTBzNU7NCOTmYajKRkGv8r2ToxheWd+jk=",
		},
		"Nomad's own tests": {
			"sHck3WL6cxuhuY7Mso9BHA==", "HS5lJ+XuTlYKWaeGYyG+/A==", "wH1Bn9hlJ0emgWB1JttVRA==",
			"tbLJg26ZJyJ9pK3qhc9jig==", "4leC33rgtXKIVUr9Nr0snQ==", "p7s7A+4mFt+M41NS3nB3APheQS9YaePLguvnNn/c1t4=",
		},
		"Consul's documentation": {
			"pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=", "X4SYOinf2pTAcAHRhpj7dA==",
			"YwgWlBvicJN17UOYcutXLpJSZsw5aWpLEEWqgK635zA=",
		},
		"a gist of Consul's keyring": {
			"r+pUD3yH8bZVHxPrBwmI2g==", "xGO97pQcfaG6I/lVzMoqFA==",
		},
		"serf's own files": {
			"1FzgH8LsTtr0Wopn4934OQ==", "5K9OtfP7efFrNKe5WCQvXvnaXJ5cWP0SvXiwe0kkjM4=",
			"T9jncgl9mbLus+baTTa7q7nPSUrXwbDi2dhbtqir37s=", "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=",
			"ZWTL+bgjHyQPhJRKcFe3ccirc2SFHmc/Nw67l8NQfdk=", "WbL6oaTPom+7RG7Q/INbJWKy09OLar/Hf2SuOAdoQE4=",
		},
		"memberlist's own tests": {
			"4W6DGn2VQVqDEceOdmuRTQ==", "XhX/w702/JKKK7/7OtM9Ww==", "Hi16ZXu2lNCRVwtr20khAg==",
		},
		"a public guide or repository": {
			"cg8StVXbQJ0gPvMd9o7VCg==", "Do7GerAsNtzK527dxRZJwpJANdS2NTFbKJIxIod84u0=",
			"WHvDRJKnCA3UyCUQv0wclfZM5XABgXXnn4qYxQhQBJE=", "xJlxYdp+WJMZfA3MIdJQgwnoHW8GP9gi1Wl/zh2yofE=",
			"uFO39ExWFLHFf/TwnOPdkhROaowqnfyKyaMht/BC/A8=", "7w+zkhqa+YD4GSKXjRWETBIT8hs53Sr/w95oiVxq5Qc=",
			"FR4lbrVWs0qhsfDyWzDoFXJUCdFyegJlKLsslwkOw/w=", "OJVXXkKdwifyqc9BrDe1VQ==",
			"Z51b6PgKU1MZ75NCZOTGGoc0LP2OF3qvF6sjxHyQCYk=", "uDBV4e+LbFW3019YKPxIrg==", "AaABbB+CcCdDdEeeFFfggG==",
		},
	} {
		for _, key := range keys {
			all = append(all, knownKey{label: where, key: key})
		}
	}
	for _, k := range knownKeys() {
		all = append(all, knownKey{label: "public instructions: " + k.label, key: k.key})
	}
	return all
}

// WhyGuessable returns why a gossip key can be guessed: it is public, or no random source made it. It returns "" for
// other keys, and for a text that is no gossip key, with which no agent starts. It does not recognize a key that was
// derived from a password by a hash.
//
// The probability that it rejects a random key is below one in four million for 16 bytes, and below one in a thousand
// million for 24 or 32 bytes; the package's tests compute it.
func WhyGuessable(key string) string {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) < 16 {
		return ""
	}
	for _, k := range publicKeys() {
		if known, err := base64.StdEncoding.DecodeString(k.key); err == nil && bytes.Equal(known, raw) {
			return "it stands in " + k.label
		}
	}
	return guessable(raw)
}

// guessable returns what shows that no random source made the key. A key of n bytes is made by hand if it
//   - has at most n/2 different bytes, or its base64 at most n/2 different letters;
//   - is a sequence whose steps have at most (n-1)/2 different values;
//   - repeats a part that is at most half of it;
//   - is text: printable characters, tabs and line ends alone;
//   - has a base64 of small letters, of capitals or of digits alone, or with words in it.
func guessable(raw []byte) string {
	n := len(raw)
	letters := strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "=")
	steps := make([]byte, n-1)
	for i := range steps {
		steps[i] = raw[i+1] - raw[i]
	}
	switch {
	case different(raw) <= n/2:
		return fmt.Sprintf("it has %d different bytes among %d", different(raw), n)
	case different([]byte(letters)) <= n/2:
		return fmt.Sprintf("its base64 has %d different letters", different([]byte(letters)))
	case different(steps) <= (n-1)/2:
		return "its bytes are a sequence"
	case period(raw) <= n/2:
		return fmt.Sprintf("it repeats after %d bytes", period(raw))
	case isPrintable(raw):
		return "it is text"
	case isOf(letters, 'a', 'z'), isOf(letters, 'A', 'Z'), isOf(letters, '0', '9'):
		return "it was typed: its base64 has letters of one kind alone"
	case hasWords(letters):
		return "it was typed: its base64 has words in it"
	default:
		return ""
	}
}

// words returns words that people type in place of a key.
func words() []string {
	return []string{
		"nomad", "gossip", "encrypt", "secret", "consul", "cluster", "server", "production", "password", "private", "changeme", "hashicorp",
		"example", "company", "default", "testing",
	}
}

// hasWords reports whether a key's base64 contains words, ignoring case, that are unlikely by chance: one of at least
// eight letters, or two of ten together.
func hasWords(letters string) bool {
	const long, together = 8, 10
	found, most, sum := 0, 0, 0
	for _, w := range words() {
		if strings.Contains(strings.ToLower(letters), w) {
			found, most, sum = found+1, max(most, len(w)), sum+len(w)
		}
	}
	return most >= long || found > 1 && sum >= together
}

// different returns the number of different bytes.
func different(raw []byte) int {
	seen := map[byte]bool{}
	for _, b := range raw {
		seen[b] = true
	}
	return len(seen)
}

// period returns after how many bytes the text repeats; its length if it does not.
func period(raw []byte) int {
	for p := 1; p < len(raw); p++ {
		if bytes.Equal(raw[p:], raw[:len(raw)-p]) {
			return p
		}
	}
	return len(raw)
}

func isPrintable(raw []byte) bool {
	for _, b := range raw {
		if (b < ' ' || b > '~') && b != '\t' && b != '\n' && b != '\r' {
			return false
		}
	}
	return true
}

func isOf(letters string, from, to rune) bool {
	return strings.IndexFunc(letters, func(r rune) bool { return r < from || r > to }) < 0
}
