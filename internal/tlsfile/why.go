package tlsfile

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// Chain is a certificate as its holder sends it, and the authorities by which a peer verifies it. The paths are for the remedy.
type Chain struct {
	// Certificates are the holder's own, and the intermediates that it sends along. There is at least one.
	Certificates []*x509.Certificate
	// Path is the file of the certificates.
	Path string
	// Authorities are those that the peer trusts.
	Authorities []*x509.Certificate
	// Bundle is the file of the authorities, in words.
	Bundle string
}

// Verify returns nil if the peer accepts the certificate for that usage and, unless it is empty, for that DNS name. It returns
// the errors of x509.Certificate.Verify, for which Why has words.
func (c Chain) Verify(usage x509.ExtKeyUsage, name string) error {
	_, err := c.Certificates[0].Verify(x509.VerifyOptions{
		Roots: Pool(c.Authorities), Intermediates: Pool(c.Certificates[1:]), KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: name,
	})
	return err
}

// Why returns in words what an error of Verify means, and what to do. ok is false for an error that it does not know, such as
// one of the name.
func (c Chain) Why(err error) (found, mend string, ok bool) {
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		found, mend = c.whyUnknown()
		return found, mend, true
	}
	invalid, is := errors.AsType[x509.CertificateInvalidError](err)
	if !is {
		return "", "", false
	}
	who := pki.NameText(invalid.Cert.RawSubject)
	switch invalid.Reason {
	case x509.Expired:
		return fmt.Sprintf("%s is valid from %s to %s, and it is %s", who, utc(invalid.Cert.NotBefore), utc(invalid.Cert.NotAfter), utc(time.Now())),
			"have a new one issued", true
	case x509.IncompatibleUsage:
		return "its extended key usage does not allow that",
			"have one issued for TLS server and client authentication, or without that extension", true
	case x509.CANotAuthorizedForThisName:
		return fmt.Sprintf("the name constraints of %s forbid one of its names (%s)", c.constrained(), invalid.Detail),
			"have it issued by an authority whose constraints permit the domain nomad and all other names, or without these names", true
	case x509.TooManyIntermediates:
		return fmt.Sprintf("there are more intermediates below %s than its path length allows", who),
			"have it issued by an authority that is nearer to the root, or the root made with a greater path length", true
	case x509.NotAuthorizedToSign:
		return fmt.Sprintf("%s may not sign certificates", who), "have it issued by an authority", true
	default:
		return "", "", false
	}
}

// whyUnknown says why a certificate leads to none of the authorities.
func (c Chain) whyUnknown() (found, mend string) {
	path := c.Up()
	last := path[len(path)-1]
	if at := slices.IndexFunc(path, hasOldSignature); at >= 0 {
		return fmt.Sprintf("%s is signed with %s, which Nomad never accepts, whether or not %s has its issuer %s",
			pki.NameText(path[at].RawSubject), strings.Replace(path[at].SignatureAlgorithm.String(), "SHA1", "SHA-1", 1), c.Bundle, pki.NameText(path[at].RawIssuer)), "have it signed anew with SHA-256"
	}
	switch {
	case len(path) == 1 && pki.Signed(last, last):
		return "it is signed with its own key, and by no authority", "have one issued by an authority of " + c.Bundle
	case pki.Signed(last, last):
		return fmt.Sprintf("it leads to %s, which is not trusted", pki.NameText(last.RawSubject)), "put the certificate of that authority into " + c.Bundle
	}
	return fmt.Sprintf("its issuer %s is missing", pki.NameText(last.RawIssuer)),
		fmt.Sprintf("put the certificate of that authority into %s, or behind the certificate in %s if it is below one of those", c.Bundle, c.Path)
}

// constrained names the authorities of the path that have name constraints.
func (c Chain) constrained() string {
	var out []string
	for _, a := range c.Up()[1:] {
		if len(a.PermittedDNSDomains)+len(a.ExcludedDNSDomains)+len(a.PermittedIPRanges)+len(a.ExcludedIPRanges) > 0 {
			out = append(out, pki.NameText(a.RawSubject))
		}
	}
	return strings.Join(out, " and ")
}

// Up returns the certificates from the holder's own upwards, as far as those of the chain and the authorities reach. The issuer
// of the last is not known, unless it is self-signed.
func (c Chain) Up() []*x509.Certificate {
	known := slices.Concat(c.Certificates[1:], c.Authorities)
	path := []*x509.Certificate{c.Certificates[0]}
	for range known {
		at := path[len(path)-1]
		next := slices.IndexFunc(known, func(a *x509.Certificate) bool { return !a.Equal(at) && pki.Signed(a, at) })
		if next < 0 {
			break
		}
		path = append(path, known[next])
	}
	return path
}

// hasOldSignature reports whether a certificate is signed with an algorithm that Go does not verify (crypto/x509,
// InsecureAlgorithmError). The signature of a self-signed certificate does not matter.
func hasOldSignature(c *x509.Certificate) bool {
	old := []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}
	return slices.Contains(old, c.SignatureAlgorithm) && !bytes.Equal(c.RawSubject, c.RawIssuer)
}

// Pool returns a pool of the certificates.
func Pool(all []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
