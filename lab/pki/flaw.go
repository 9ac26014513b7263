package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

const (
	// strangerName is the authority that signs a Foreign certificate, named so
	// that evidence cannot be misread.
	strangerName = "Foreign CA"
	// outsideName lies in a top-level domain that nobody owns (RFC 2606).
	outsideName = "outside-constraints.invalid"
	// farOff is how long ago an expired certificate ended, and how soon an early
	// one begins: beyond any clock fault that a lab injects.
	farOff = 24 * time.Hour
)

// Flaw is one thing wrong with an otherwise right certificate. It is a plain,
// comparable value: use it in tables, as a map key and with ==. The zero Flaw
// means sound. The wrong role and the wrong region are not flaws but other
// identities.
//
// Names say what is wrong with the certificate, not who must refuse it: a
// ClientAuthOnly certificate is good for a caller and bad for a listener.
type Flaw struct {
	name, why string
	signer    signer
	validity  validity
	usage     usage
	outside   bool
}

type signer int

const (
	byAuthority signer = iota
	byStranger
	bySelf
)

type validity int

const (
	current validity = iota
	past
	future
)

type usage int

const (
	serverAndClient usage = iota
	noUsage
	serverOnly
	clientOnly
	codeSigning
)

// Name is a short, stable name, e.g. "not-yet-valid". Zero Flaw: "sound".
func (f Flaw) Name() string {
	if f == (Flaw{}) {
		return "sound"
	}
	return f.name
}

// Why says in one sentence what is wrong and what should follow from it.
// Zero Flaw: that nothing is.
func (f Flaw) Why() string {
	if f == (Flaw{}) {
		return "Nothing is wrong with the certificate."
	}
	return f.why
}

// String is Name.
func (f Flaw) String() string { return f.Name() }

// Flaws are all flaws, in a fixed order, in a slice of the caller's own.
func Flaws() []Flaw {
	return []Flaw{
		Foreign(), SelfSigned(), Expired(), NotYetValid(),
		NoEKU(), ServerAuthOnly(), ClientAuthOnly(), CodeSigningOnly(),
		OutsideConstraints(),
	}
}

// Foreign is signed by another authority, made for this one certificate, with all
// names right. The holder keeps the lab's CA bundle, so it still trusts the agent
// that it presents the certificate to.
func Foreign() Flaw {
	return Flaw{name: "foreign", signer: byStranger,
		why: "Signed by an authority that nobody in the lab trusts, so it must be refused however right its names are."}
}

// SelfSigned is signed with its own key.
func SelfSigned() Flaw {
	return Flaw{name: "self-signed", signer: bySelf,
		why: "Signed with its own key, so it proves nothing about its names and must be refused."}
}

// Expired ended a day ago.
func Expired() Flaw {
	return Flaw{name: "expired", validity: past,
		why: "Its time is over; expiry is Nomad's only revocation (nomad#4900), so it must be refused."}
}

// NotYetValid begins in a day. TLS has no alert of its own for it: the caller is
// told "expired certificate" (verified against Nomad 1.11.3).
func NotYetValid() Flaw {
	return Flaw{name: "not-yet-valid", validity: future,
		why: "Its time has not begun, so it must be refused by whoever has the right time."}
}

// NoEKU has no extended key usage at all. RFC 5280 (4.2.1.12) lets it be used for
// anything: Nomad 1.11.3 accepts it on every plane (verified for HTTP and RPC), so
// only reading the certificate tells.
func NoEKU() Flaw {
	return Flaw{name: "no-eku", usage: noUsage,
		why: "Limited to no purpose, which means good for every purpose; crypto/x509, and so Nomad, accepts it."}
}

// ServerAuthOnly may listen and may not call. An agent does both.
func ServerAuthOnly() Flaw {
	return Flaw{name: "server-auth-only", usage: serverOnly,
		why: "Good for a listener only, so it must be refused when its holder calls."}
}

// ClientAuthOnly may call and may not listen. An agent does both.
func ClientAuthOnly() Flaw {
	return Flaw{name: "client-auth-only", usage: clientOnly,
		why: "Good for a caller only, so it must be refused when its holder listens."}
}

// CodeSigningOnly is good for neither end of a connection.
func CodeSigningOnly() Flaw {
	return Flaw{name: "code-signing-only", usage: codeSigning,
		why: "Meant for signing code, so it must be refused at both ends of a connection."}
}

// OutsideConstraints bears, beside its right names, one that the authority may not
// sign for. It needs an authority with Options.PermittedDNS; of others,
// IssueFlawed returns ErrUnconstrained.
func OutsideConstraints() Flaw {
	return Flaw{name: "outside-constraints", outside: true,
		why: "Names a host that the authority's critical name constraints exclude, so all of it must be refused."}
}

// apply returns a copy of a sound template with the flaw in it. Who signs is for
// the authority to see to.
func (f Flaw) apply(sound *x509.Certificate, now time.Time) *x509.Certificate {
	t := *sound
	life := t.NotAfter.Sub(t.NotBefore)
	switch f.validity {
	case past:
		t.NotAfter = now.Add(-farOff)
		t.NotBefore = t.NotAfter.Add(-life)
	case future:
		t.NotBefore = now.Add(farOff)
		t.NotAfter = t.NotBefore.Add(life)
	}
	switch f.usage {
	case noUsage:
		t.ExtKeyUsage = nil
	case serverOnly:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case clientOnly:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case codeSigning:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	}
	if f.outside {
		t.DNSNames = append(slices.Clone(t.DNSNames), outsideName)
	}
	return &t
}
