package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// InsideConstraints returns the "defect" of a certificate all of whose names are permitted by the name constraints of an authority
// above it: it must be accepted. It needs an authority with Options.PermittedDNS or Options.Intermediates; without both,
// IssueDefective returns ErrUnconstrained.
func InsideConstraints() Defect {
	return Defect{name: "inside-constraints", signer: byConstrained,
		why: "Has only names that an authority's critical name constraints permit, so it must be accepted."}
}

// OutsideConstraints returns the defect of a certificate that has, beside its right names, one that an authority above it may not
// sign for. It needs what InsideConstraints needs.
func OutsideConstraints() Defect {
	return Defect{name: "outside-constraints", signer: byConstrained, unpermitted: true,
		why: "Names a host that the authority's critical name constraints exclude, so all of it must be refused."}
}

// IntermediateSent returns the "defect" of a certificate that an intermediate authority
// signed, whose own certificate is sent along: it must be accepted. It needs an
// authority with Options.Intermediates; without, IssueDefective returns ErrNotPermitted.
func IntermediateSent() Defect {
	return Defect{name: "intermediate-sent", signer: byIntermediate,
		why: "Signed by an intermediate authority that is sent along, so it must be accepted."}
}

// IntermediateMissing returns IntermediateSent without the intermediate's certificate:
// the commonest fault of a certificate file. It needs what IntermediateSent needs.
func IntermediateMissing() Defect {
	return Defect{name: "intermediate-missing", signer: byUnsentIntermediate,
		why: "Signed by an intermediate authority that is not sent along, so no verifier can follow it to the root and it must be refused."}
}

// ChainReversed returns IntermediateSent with the root sent too, and before the intermediate. TLS 1.2 wants each certificate to be
// followed by its issuer's (RFC 5246, 7.4.2), and TLS 1.3 wants any order to be accepted (RFC 8446, 4.4.2): Nomad accepts it
// (verified against Nomad 1.11.3). It needs what IntermediateSent needs.
func ChainReversed() Defect {
	return Defect{name: "chain-reversed", signer: byReversedChain,
		why: "Its chain is sent from the root's side, in the wrong order; crypto/x509, and so Nomad, finds the issuers in any order."}
}

// LeafNotFirst returns IntermediateSent with the intermediate's certificate before the holder's own. An agent does not start with
// such a file ("private key does not match public key"), and a caller that sends it is refused, as its signature is not of the
// first certificate's key (verified against Nomad 1.11.3). It needs what IntermediateSent needs.
func LeafNotFirst() Defect {
	return Defect{name: "leaf-not-first", signer: byChainBeforeLeaf,
		why: "Stands behind its authority's certificate, which is then taken for the holder's own and does not belong to the key, so it must be refused."}
}

// PathLengthExceeded returns the defect of a certificate below one authority more than the path length of those above permits.
func PathLengthExceeded() Defect {
	return Defect{name: "path-length-exceeded", signer: byTooLongPath,
		why: "Signed by an authority that the path length of the one above it does not permit, so it must be refused."}
}

// CrossSigned returns the "defect" of a certificate of another authority, for which the agents' own authority has made a
// certificate too, which is sent along: it is accepted, like everything else of that authority. It needs what IntermediateSent
// needs.
func CrossSigned() Defect {
	return Defect{name: "cross-signed", signer: byCrossSigned,
		why: "Signed by another authority, for which the agents' own has signed a certificate that is sent along, so it is accepted, as is all that the other authority signs."}
}

// CrossSignatureMissing returns CrossSigned with the other authority's self-signed certificate sent along, instead of the one that
// the agents' own authority has signed. It needs what IntermediateSent needs.
func CrossSignatureMissing() Defect {
	return Defect{name: "cross-signature-missing", signer: byUnsentCrossSigned,
		why: "Sends the certificate of its authority that no agent trusts, and not the one that the agents' authority has signed, so it must be refused."}
}

// signerOf returns the authority that signs a certificate with the defect. The holder of a sound one sends its chain along.
func (a *Authority) signerOf(template *x509.Certificate, d Defect, now time.Time) (*Authority, error) {
	switch d.signer {
	case byForeign:
		return NewAuthority(Options{CommonName: foreignName, Now: a.now})
	case byIntermediate, byUnsentIntermediate, byReversedChain, byChainBeforeLeaf:
		return a.intermediate(now)
	case byTooLongPath:
		return a.onePastPathLength(now)
	case byConstrained:
		return a.constrained(template.DNSNames, now)
	case byCrossSigned, byUnsentCrossSigned:
		return a.crossSigned(now)
	default:
		return a, nil
	}
}

// intermediate returns an authority that holders must send along: one below this one that lasts as long, or this one, if it may
// sign leaf certificates alone and agents do not trust it itself.
func (a *Authority) intermediate(now time.Time) (*Authority, error) {
	if a.cert.MaxPathLenZero && len(a.chain) > 0 && !hasCertificate(a.trust, a.cert) {
		return a, nil
	}
	return a.NewIntermediate(Options{CommonName: intermediateName, TTL: a.end().Sub(now), Now: a.now})
}

// onePastPathLength returns an authority below one that may sign leaf certificates alone, which has signed it nevertheless.
func (a *Authority) onePastPathLength(now time.Time) (*Authority, error) {
	last, o := a, Options{CommonName: intermediateName, TTL: a.end().Sub(now), Now: a.now}.withDefaults()
	if !a.cert.MaxPathLenZero {
		var err error
		if last, err = a.NewIntermediate(o); err != nil {
			return nil, err
		}
	}
	o.CommonName = unpermittedAuthority
	return makeAuthority(o, last)
}

// constrained returns an authority with name constraints that permit the names: this one, or one below it.
func (a *Authority) constrained(names []string, now time.Time) (*Authority, error) {
	switch {
	case len(a.permittedDNS()) > 0:
		return a, nil
	case a.cert.MaxPathLenZero:
		return nil, ErrUnconstrained
	}
	domains := make([]string, 0, len(names))
	for _, name := range names {
		domains = append(domains, strings.TrimPrefix(name, "*."))
	}
	return a.NewIntermediate(Options{CommonName: intermediateName, TTL: a.end().Sub(now), Now: a.now, PermittedDNS: domains})
}

// crossSigned returns another authority, of which this one has signed a certificate beside its self-signed one. The latter is the
// last of its chain.
func (a *Authority) crossSigned(now time.Time) (*Authority, error) {
	o := Options{CommonName: crossSignedName, TTL: a.end().Sub(now), Now: a.now}.withDefaults()
	other, err := NewAuthority(o)
	if err != nil {
		return nil, err
	}
	if a.cert.MaxPathLenZero {
		return nil, a.signsLeavesAlone()
	}
	template, err := authorityTemplate(o, other.key.Public())
	if err != nil {
		return nil, err
	}
	crossed, err := signCertificate(template, a.cert, other.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	signer := chainedAuthority(append([]*x509.Certificate{crossed}, a.chain...), a.trust, other.key, o)
	signer.selfSigned = other.cert
	return signer, nil
}

// chainWith returns what the holder of a certificate with the defect sends, which is not always what leads to a trusted authority.
func (d Defect) chainWith(leaf *x509.Certificate, signer *Authority) []*x509.Certificate {
	chain := append([]*x509.Certificate{leaf}, signer.chain...)
	switch d.signer {
	case byUnsentIntermediate:
		return slices.Delete(chain, 1, 2)
	case byReversedChain:
		above := signer.path()
		slices.Reverse(above)
		return append([]*x509.Certificate{leaf}, above...)
	case byChainBeforeLeaf:
		chain[0], chain[1] = chain[1], chain[0]
	case byUnsentCrossSigned:
		chain[1] = signer.selfSigned
	}
	return chain
}

// proves returns an error if the certificate of a signer that the defect asks for is not what the defect says: what is to be
// accepted must be valid, and what is to be refused must be so for the one reason.
func (d Defect) proves(leaf *x509.Certificate, signer *Authority, now time.Time) error {
	switch err := signer.verify(leaf, now); {
	case d.unpermitted && !isReason(err, x509.CANotAuthorizedForThisName):
		return fmt.Errorf("authority %q permits even %s", signer, unpermittedName)
	case d.signer == byTooLongPath && !isReason(err, x509.TooManyIntermediates):
		return fmt.Errorf("authority %q has no path length that this certificate exceeds: %w", signer, errors.Join(ErrNotPermitted, err))
	case d.unpermitted, d.signer == byTooLongPath, d.signer < byIntermediate:
		return nil
	default:
		return err
	}
}
