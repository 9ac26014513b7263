package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Describe returns a text about the certificate, one property a line: subject, names,
// issuer, validity, purposes, fingerprint, and the authorities that its holder trusts.
// It shows no key. It is meant for evidence: of a damaged certificate it describes
// what can be read, and says what cannot.
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
	authorities, err := DecodeCertificates(c.CAPEM)
	if err != nil {
		row("trusts", err.Error())
	}
	for _, authority := range authorities {
		row("trusts", fmt.Sprintf("%s (until %s)", authority.Subject, stamp(authority.NotAfter)))
	}
	_ = table.Flush() // a strings.Builder returns no error
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

// keyName returns the kind of the key, and the length of an RSA key.
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

// oneLine replaces what is not printable, so that a name in a certificate can neither control a terminal nor add a line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// KeyKind returns the kind and size of the certificate's key, for example "ECDSA P-256" or "RSA 2048".
func KeyKind(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	default:
		return c.PublicKeyAlgorithm.String()
	}
}
