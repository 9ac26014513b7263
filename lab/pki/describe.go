package pki

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Describe tells in words, a line each, what the certificate says: subject, names,
// issuer, validity, purposes, fingerprint, and whom its holder trusts. It shows no
// key, and reads a certificate that is damaged as far as it can, saying so: it is
// meant for evidence, where half an answer beats none.
func (c Credential) Describe() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(label, value string) { _, _ = fmt.Fprintf(table, "%s\t%s\n", label, oneLine(value)) }
	row("holder", c.Identity.String())
	if leaf, err := c.Leaf(); err != nil {
		row("certificate", err.Error())
	} else {
		describeLeaf(leaf, row)
	}
	authorities, err := decodeCertificates(c.CAPEM)
	if err != nil {
		row("trusts", err.Error())
	}
	for _, authority := range authorities {
		row("trusts", fmt.Sprintf("%s (until %s)", authority.Subject, stamp(authority.NotAfter)))
	}
	_ = table.Flush() // A strings.Builder takes everything.
	return text.String()
}

func describeLeaf(leaf *x509.Certificate, row func(label, value string)) {
	addresses := make([]string, 0, len(leaf.IPAddresses))
	for _, ip := range leaf.IPAddresses {
		addresses = append(addresses, ip.String())
	}
	purposes := make([]string, 0, len(leaf.ExtKeyUsage))
	for _, purpose := range leaf.ExtKeyUsage {
		purposes = append(purposes, purposeName(purpose))
	}
	row("subject", leaf.Subject.String())
	row("DNS names", orElse(leaf.DNSNames, "none"))
	row("IP addresses", orElse(addresses, "none"))
	row("issuer", leaf.Issuer.String())
	row("serial", fmt.Sprintf("%x", leaf.SerialNumber))
	row("valid", fmt.Sprintf("%s to %s", stamp(leaf.NotBefore), stamp(leaf.NotAfter)))
	row("purposes", orElse(purposes, "not limited (no extended key usage)"))
	row("key", fmt.Sprintf("%s, signed with %s", keyName(leaf), leaf.SignatureAlgorithm))
	if leaf.IsCA {
		row("authority", "it may itself sign certificates")
	}
	row("SHA-256", fmt.Sprintf("%x", sha256.Sum256(leaf.Raw)))
}

// keyName is the kind of the key, with the length of an RSA key, which tells a weak one.
func keyName(leaf *x509.Certificate) string {
	if key, is := leaf.PublicKey.(*rsa.PublicKey); is {
		return fmt.Sprintf("RSA of %d bits", key.N.BitLen())
	}
	return leaf.PublicKeyAlgorithm.String()
}

func purposeName(purpose x509.ExtKeyUsage) string {
	switch purpose {
	case x509.ExtKeyUsageServerAuth:
		return "server authentication"
	case x509.ExtKeyUsageClientAuth:
		return "client authentication"
	case x509.ExtKeyUsageCodeSigning:
		return "code signing"
	case x509.ExtKeyUsageAny:
		return "any"
	default:
		return fmt.Sprintf("other (%d)", purpose)
	}
}

func orElse(values []string, empty string) string {
	if len(values) == 0 {
		return empty
	}
	return strings.Join(values, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// oneLine keeps a stranger's certificate from steering a terminal or forging lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
