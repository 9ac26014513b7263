package certificate

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
	"unicode"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// describe returns what a certificate says of itself.
func describe(c *x509.Certificate, k Kind) Certificate {
	out := Certificate{
		Kind: k, Subject: pki.NameText(c.RawSubject), CommonName: printable(c.Subject.CommonName),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Issuer: pki.NameText(c.RawIssuer), KeyKind: pki.KeyKind(c),
		Purposes: purposesOf(c), MaySign: catalogue.CanSign(c), Permits: printableAll(c.PermittedDNSDomains),
		SHA256: fmt.Sprintf("%x", sha256.Sum256(c.Raw)), KeySHA256: fmt.Sprintf("%x", sha256.Sum256(c.RawSubjectPublicKeyInfo)),
		DNSNames: printableAll(c.DNSNames),
	}
	for _, ip := range c.IPAddresses {
		out.IPAddresses = append(out.IPAddresses, ip.String())
	}
	return out
}

// purposesOf returns the extended key usages in words.
func purposesOf(c *x509.Certificate) []string {
	words := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageAny: "everything", x509.ExtKeyUsageServerAuth: "TLS servers", x509.ExtKeyUsageClientAuth: "TLS clients",
		x509.ExtKeyUsageCodeSigning: "code signing", x509.ExtKeyUsageEmailProtection: "e-mail",
		x509.ExtKeyUsageTimeStamping: "time stamps", x509.ExtKeyUsageOCSPSigning: "OCSP",
	}
	var all []string
	for _, u := range c.ExtKeyUsage {
		word, known := words[u]
		if !known {
			word = fmt.Sprintf("purpose %d", u)
		}
		all = append(all, word)
	}
	for _, id := range c.UnknownExtKeyUsage {
		all = append(all, "purpose "+id.String())
	}
	return all
}

// printable replaces what is not printable, so that a name in a certificate can neither control a terminal nor add a line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func printableAll(texts []string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, printable(t))
	}
	return all
}

// span returns a duration in its two largest units: "6d 23h".
func span(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	}
}
