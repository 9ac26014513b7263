package pki

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
)

// Object identifiers, encoded (RFC 2315, X.690), with which a PKCS#12 file and a PKCS#7 file begin.
const (
	oidData       = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidSignedData = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	// oidWithin is the number of bytes of a file within which they stand.
	oidWithin = 64
)

// WrongFormat recognises the formats of certificates and keys that Nomad cannot read: PKCS#12, PKCS#7, DER, and a private key
// under a passphrase. It returns a sentence that names the format and the command of openssl that converts the file, or "" for
// any other text. path is the file's name in the command. The sentence shows nothing of the text.
func WrongFormat(text []byte, path string) string {
	out := strings.TrimSuffix(strings.TrimSuffix(path, ".p12"), ".pfx") + ".new.pem"
	say := func(what string, commands ...string) string {
		return fmt.Sprintf("it is %s, and Nomad reads only PEM without a passphrase: convert it with `%s`", what, strings.Join(commands, "` and `"))
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return wrongDER(text, path, out, say)
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return say("a private key under a passphrase", fmt.Sprintf("openssl pkey -in %s -out %s", ShellQuote(path), ShellQuote(out)))
		case block.Type == "PKCS7":
			return say("PKCS#7", fmt.Sprintf("openssl pkcs7 -print_certs -in %s -out %s", ShellQuote(path), ShellQuote(out)))
		}
	}
	return ""
}

// ShellQuote returns a text as one word of a POSIX shell, for a command in a remedy.
func ShellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// wrongDER is WrongFormat for a file that is not PEM.
func wrongDER(text []byte, path, out string, say func(what string, commands ...string) string) string {
	head := string(text[:min(len(text), oidWithin)])
	m := ReadMaterial(text)
	switch {
	case !bytes.HasPrefix(text, []byte{0x30}): // a SEQUENCE, as all of these are
		return ""
	case strings.Contains(head, oidSignedData):
		return say("PKCS#7 in DER", fmt.Sprintf("openssl pkcs7 -inform der -print_certs -in %s -out %s", ShellQuote(path), ShellQuote(out)))
	case strings.Contains(head, oidData):
		return say("a PKCS#12 file",
			fmt.Sprintf("openssl pkcs12 -in %s -nokeys -out %s", ShellQuote(path), ShellQuote(strings.TrimSuffix(out, ".new.pem")+".new-cert.pem")),
			fmt.Sprintf("openssl pkcs12 -in %s -nocerts -nodes -out %s", ShellQuote(path), ShellQuote(strings.TrimSuffix(out, ".new.pem")+".new-key.pem"))) +
			" (for an old file that OpenSSL 3 does not read add -legacy)"
	case len(m.Keys) > 0:
		return say("a private key in DER", fmt.Sprintf("openssl pkey -inform der -in %s -out %s", ShellQuote(path), ShellQuote(out)))
	case len(m.Certificates) > 0:
		return say("a certificate in DER", fmt.Sprintf("openssl x509 -inform der -in %s -out %s", ShellQuote(path), ShellQuote(out)))
	default:
		return ""
	}
}
