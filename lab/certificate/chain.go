package certificate

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"nomadlab.internal/lab/pki"
)

// located is a certificate with the place that it was read from.
type located struct {
	cert  *x509.Certificate
	place string
}

// judge judges certificates by what is known of all places.
type judge struct {
	now time.Time
	// trusted are the authorities that agents trust. Empty: not known.
	trusted []*x509.Certificate
	// known are all certificates that were read.
	known []located
}

// isLoopback reports whether the address is one of this machine's own.
func isLoopback(ip net.IP) bool { return ip.IsLoopback() }

// poolOf returns a pool of the certificates.
func poolOf(all []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool
}

// chainOf returns how far the issuers of a certificate are known, and what is wrong with the chain. sent are the certificates that
// its holder sends along. It does not judge the certificate's own life and purposes.
func (j judge) chainOf(c *x509.Certificate, sent []*x509.Certificate) (Chain, []Problem) {
	switch {
	case signedItself(c):
		return j.selfSigned(c)
	case j.isTrusted(c): // agents begin at what tls.ca_file has, whoever signed it
		return Chain{State: Complete, To: pki.NameText(c.RawSubject)}, nil
	}
	path := pathUp(c, slices.Concat(sent, j.trusted))
	if len(j.trusted) == 0 {
		chain := Chain{State: TrustUnknown, Through: subjects(path[1:])}
		if last := path[len(path)-1]; !signedItself(last) {
			chain.Missing = pki.NameText(last.RawIssuer)
		}
		return chain, nil
	}
	paths, err := c.Verify(x509.VerifyOptions{
		Roots: poolOf(j.trusted), Intermediates: poolOf(sent), CurrentTime: j.within(c), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if last := path[len(path)-1]; err != nil && !j.isCurrent(c) && isOver(err) && j.isTrusted(last) {
		// There is no moment at which all are valid. What is said of the certificate's own life is enough.
		return Chain{State: Complete, Through: subjects(path[1 : len(path)-1]), To: pki.NameText(last.RawSubject)}, nil
	}
	if err != nil {
		chain, p := j.refusal(c, path, err)
		return chain, []Problem{p}
	}
	found := paths[0]
	return Chain{State: Complete, Through: subjects(found[1 : len(found)-1]), To: pki.NameText(found[len(found)-1].RawSubject)}, j.usageOfIssuers(c, sent)
}

// isOver reports whether a chain is refused because one of its certificates is not valid at the moment.
func isOver(err error) bool {
	invalid, is := errors.AsType[x509.CertificateInvalidError](err)
	return is && invalid.Reason == x509.Expired
}

// isTrusted reports whether the certificate is one of the trusted authorities.
func (j judge) isTrusted(c *x509.Certificate) bool { return slices.ContainsFunc(j.trusted, c.Equal) }

// isCurrent reports whether the certificate is valid now.
func (j judge) isCurrent(c *x509.Certificate) bool { return j.within(c).Equal(j.now) }

// within returns now, or the nearest moment of the certificate's life, so that a certificate that is over can still be judged by its
// issuers.
func (j judge) within(c *x509.Certificate) time.Time {
	switch {
	case j.now.Before(c.NotBefore):
		return c.NotBefore
	case j.now.After(c.NotAfter):
		return c.NotAfter
	default:
		return j.now
	}
}

// selfSigned judges a certificate that names itself as its issuer. That of an authority is a root.
func (j judge) selfSigned(c *x509.Certificate) (Chain, []Problem) {
	own := pki.NameText(c.RawSubject)
	switch {
	case isAuthority(c):
		return Chain{State: Root}, nil
	case j.isTrusted(c):
		return Chain{State: Complete, To: own}, nil
	default:
		return Chain{State: Incomplete}, []Problem{{"self-signed", Refused,
			"it is signed with its own key, so it proves nothing about its names", "have it signed by the authority in the agents' tls.ca_file"}}
	}
}

// pathUp returns a certificate and its issuers upwards, as far as they are known.
func pathUp(c *x509.Certificate, known []*x509.Certificate) []*x509.Certificate {
	path := []*x509.Certificate{c}
	for range known {
		last := path[len(path)-1]
		next := slices.IndexFunc(known, func(a *x509.Certificate) bool { return !slices.ContainsFunc(path, a.Equal) && pki.Signed(a, last) })
		if next < 0 {
			break
		}
		path = append(path, known[next])
	}
	return path
}

// refusal says why a certificate leads to no trusted authority. path is what is known of its issuers.
func (j judge) refusal(c *x509.Certificate, path []*x509.Certificate, err error) (Chain, Problem) {
	chain := Chain{State: Incomplete, Through: subjects(path[1:])}
	last := path[len(path)-1]
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case isInvalid:
		chain.Through = subjects(slices.DeleteFunc(slices.Clone(path[1:]), j.isTrusted))
		return chain, invalidProblem(invalid)
	case !errors.As(err, new(x509.UnknownAuthorityError)):
		return chain, Problem{"chain-refused", Refused, "its chain is refused: " + err.Error(), "have it issued anew"}
	case slices.ContainsFunc(path, hasOldSignature):
		return chain, Problem{"old-signature", Refused, "a certificate of its chain is signed with SHA-1 or older, which Nomad never accepts",
			"have it signed with SHA-256"}
	}
	if at := slices.IndexFunc(path[1:], func(a *x509.Certificate) bool { return !maySignOthers(a) }); at >= 0 {
		return chain, mayNotSign(path[1+at])
	}
	issuer := pki.NameText(last.RawIssuer)
	if signedItself(last) {
		return chain, foreign(nameOf(last))
	}
	if slices.ContainsFunc(j.trusted, func(a *x509.Certificate) bool { return bytes.Equal(a.RawSubject, last.RawIssuer) }) {
		return chain, Problem{"other-authority-of-that-name", Refused,
			"it was signed by another authority that is also called " + ShortName(issuer) + ": the names are equal, the keys are not",
			"have it issued by the present authority, or put the other one's certificate into tls.ca_file of every agent"}
	}
	chain.Missing = issuer
	return chain, j.missing(c, last, ShortName(issuer))
}

// missing says what is known of an issuer that is neither sent along nor trusted.
func (j judge) missing(c, last *x509.Certificate, issuer string) Problem {
	at := slices.IndexFunc(j.known, func(k located) bool { return !k.cert.Equal(c) && pki.Signed(k.cert, last) })
	if at < 0 {
		return Problem{"issuer-missing", Refused,
			"its issuer " + issuer + " is neither sent along nor trusted",
			"if that is an intermediate authority, put its certificate behind this one in cert_file; if it is another root, have the certificate issued by the agents' own authority"}
	}
	between := j.known[at]
	all := make([]*x509.Certificate, 0, len(j.known))
	for _, k := range j.known {
		all = append(all, k.cert)
	}
	if len(pki.LeadsTo(between.cert, all, j.trusted)) == 0 {
		return foreign(issuer)
	}
	return Problem{"intermediate-missing", Refused,
		"its issuer " + issuer + " is not sent along, and agents know the root alone",
		"put the certificate in " + between.place + " behind this one in cert_file"}
}

// foreign is the problem of a certificate whose authority is known and not trusted.
func foreign(authority string) Problem {
	return Problem{"foreign", Refused, "it leads to " + authority + ", which is not among the trusted authorities",
		"have it issued by the agents' own authority, or put that authority into tls.ca_file of every agent"}
}

// invalidProblem says what crypto/x509, and so Nomad, refuses in a chain.
func invalidProblem(invalid x509.CertificateInvalidError) Problem {
	at := nameOf(invalid.Cert)
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName:
		return Problem{"outside-constraints", Refused,
			"it has a name that the name constraints of its authority exclude, so all of it is refused (" + invalid.Detail + ")",
			"issue it without that name, or make an authority that permits it"}
	case x509.TooManyIntermediates:
		return Problem{"path-too-long", Refused,
			"more authorities stand above it than one of them permits by its path length", "have it issued by an authority that stands nearer to the root"}
	case x509.NotAuthorizedToSign:
		return mayNotSign(invalid.Cert)
	case x509.Expired:
		return Problem{"issuer-not-valid", Refused,
			fmt.Sprintf("%s above it is valid from %s to %s", at, stamp(invalid.Cert.NotBefore), stamp(invalid.Cert.NotAfter)), "renew that authority, and what it has issued"}
	default:
		return Problem{"chain-refused", Refused, "its chain is refused: " + invalid.Error(), "have it issued anew"}
	}
}

// maySignOthers reports whether crypto/x509 accepts what the certificate has signed (CheckSignatureFrom).
func maySignOthers(c *x509.Certificate) bool {
	return pki.MaySign(c) && (c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0)
}

// mayNotSign is the problem of a certificate that was signed by one that may not sign.
func mayNotSign(by *x509.Certificate) Problem {
	return Problem{"issuer-may-not-sign", Refused, nameOf(by) + " above it may not sign certificates", "have it issued by an authority (CA:TRUE, with keyCertSign)"}
}

// usageOfIssuers finds issuers whose own extended key usage excludes TLS callers, although the certificate's does not.
func (j judge) usageOfIssuers(c *x509.Certificate, sent []*x509.Certificate) []Problem {
	if !isFor(c, x509.ExtKeyUsageClientAuth) {
		return nil
	}
	_, err := c.Verify(x509.VerifyOptions{
		Roots: poolOf(j.trusted), Intermediates: poolOf(sent), CurrentTime: j.within(c), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		return nil
	}
	return []Problem{{"issuer-not-for-callers", Refused, "an authority above it is limited to purposes that exclude TLS callers", "have it issued by an authority without an extended key usage"}}
}

// nameOf returns the name of a certificate in short.
func nameOf(c *x509.Certificate) string { return ShortName(pki.NameText(c.RawSubject)) }

// hasOldSignature reports whether a certificate is signed with an algorithm that Go does not verify (crypto/x509,
// InsecureAlgorithmError). A root's own signature does not matter.
func hasOldSignature(c *x509.Certificate) bool {
	old := []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}
	return slices.Contains(old, c.SignatureAlgorithm) && !signedItself(c)
}

// signedItself reports whether the certificate names itself as its issuer.
func signedItself(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// isAuthority reports whether the certificate is an authority's. One that names a role of Nomad is its holder's, even if it can
// sign.
func isAuthority(c *x509.Certificate) bool { return pki.MaySign(c) && !namesRole(c) }

// subjects returns the names of the certificates.
func subjects(all []*x509.Certificate) []string {
	var names []string
	for _, c := range all {
		names = append(names, pki.NameText(c.RawSubject))
	}
	return names
}

// stamp returns a moment to the second, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
