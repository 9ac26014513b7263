package pki

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// foreignName is the common name of the authority that signs a Foreign certificate.
	foreignName = "Foreign CA"
	// intermediateName is the common name of the authority below the one that issues.
	intermediateName = "Intermediate CA"
	// unpermittedAuthority is the common name of an authority that the one above it may not sign.
	unpermittedAuthority = "Intermediate CA too many"
	// crossSignedName is the common name of an authority that also another one has signed.
	crossSignedName = "Cross-signed CA"
	// unpermittedName lies in a top-level domain that is reserved (RFC 2606).
	unpermittedName = "outside-constraints.invalid"
	// farOff is how long ago an expired certificate ended, and how soon an early
	// one begins: beyond any clock fault that a lab injects.
	farOff = 24 * time.Hour
	// nearlyOverLife is what a nearly expired certificate has left: longer than any
	// test, and shorter than what its owner needs to notice.
	nearlyOverLife = 2 * time.Hour
	// decade is the life of a long-lived certificate.
	decade = 10 * 365 * 24 * time.Hour
	// weakBits is an RSA key length that has been too short since 2013
	// (NIST SP 800-131A), and the shortest that crypto/tls still accepts.
	weakBits = 1024
	// soundBits is the shortest RSA key length that is long enough.
	soundBits = 2048
)

// Defect is one thing wrong with an otherwise right certificate. It is a plain,
// comparable value: use it in tables, as a map key and with ==. The zero Defect
// means that nothing is wrong. A wrong role or region is not a Defect, but another
// Identity.
//
// A Defect's name says what is wrong with the certificate, not who must refuse it:
// a ClientAuthOnly certificate is good for a caller and bad for a listener. Some
// defects are not refused by anyone, and only reading the certificate finds them.
type Defect struct {
	name, why   string
	signer      signer
	validity    validity
	usage       usage
	key         keyKind
	unpermitted bool
	authority   bool
	roleAlone   bool
}

type signer int

const (
	byAuthority signer = iota
	byForeign
	bySelf
	byIntermediate
	byUnsentIntermediate
	byReversedChain
	byChainBeforeLeaf
	byTooLongPath
	byConstrained
	byCrossSigned
	byUnsentCrossSigned
)

type validity int

const (
	current validity = iota
	past
	future
	nearlyOver
	longLived
)

type usage int

const (
	serverAndClient usage = iota
	noUsage
	serverOnly
	clientOnly
	codeSigning
)

type keyKind int

const (
	p256 keyKind = iota
	shortRSA
	edwards
)

// Name returns a short, stable name, e.g. "not-yet-valid". Zero Defect: "sound".
func (d Defect) Name() string {
	if d == (Defect{}) {
		return "sound"
	}
	return d.name
}

// Why returns one sentence that says what is wrong and what should follow from it.
// Zero Defect: that nothing is wrong.
func (d Defect) Why() string {
	if d == (Defect{}) {
		return "Nothing is wrong with the certificate."
	}
	return d.why
}

// String returns Name.
func (d Defect) String() string { return d.Name() }

// Defects returns all defects in a fixed order, in a new slice.
func Defects() []Defect {
	return []Defect{
		Foreign(), SelfSigned(), Expired(), NotYetValid(),
		NoEKU(), ServerAuthOnly(), ClientAuthOnly(), CodeSigningOnly(),
		InsideConstraints(), OutsideConstraints(), IntermediateSent(), IntermediateMissing(),
		ChainReversed(), LeafNotFirst(), PathLengthExceeded(), CrossSigned(), CrossSignatureMissing(),
		WeakKey(), Ed25519(), CanSign(), LongLived(), NearlyExpired(), RoleAlone(),
	}
}

// DefectNamed returns the defect of that name, and the zero Defect for "sound" and "". The error lists all names.
func DefectNamed(name string) (Defect, error) {
	all := Defects()
	if name == "" || name == (Defect{}).Name() {
		return Defect{}, nil
	}
	for _, d := range all {
		if d.name == name {
			return d, nil
		}
	}
	return Defect{}, fmt.Errorf("no defect is named %q: there are %v", name, all)
}

// Foreign returns the defect of a certificate that another authority signed, made for
// this one certificate. All names are right. The holder keeps the lab's CA bundle, so
// it still trusts the agent to which it presents the certificate.
func Foreign() Defect {
	return Defect{name: "foreign", signer: byForeign,
		why: "Signed by an authority that no agent of the lab trusts, so it must be refused however right its names are."}
}

// SelfSigned returns the defect of a certificate that is signed with its own key.
func SelfSigned() Defect {
	return Defect{name: "self-signed", signer: bySelf,
		why: "Signed with its own key, so it proves nothing about its names and must be refused."}
}

// Expired returns the defect of a certificate that ended a day ago.
func Expired() Defect {
	return Defect{name: "expired", validity: past,
		why: "Its time is over; expiry is Nomad's only revocation (nomad#4900), so it must be refused."}
}

// NotYetValid returns the defect of a certificate that begins in a day. TLS has no
// alert of its own for it: the caller gets "expired certificate" (verified against
// Nomad 1.11.3).
func NotYetValid() Defect {
	return Defect{name: "not-yet-valid", validity: future,
		why: "Its time has not begun, so everyone whose clock is right must refuse it."}
}

// NoEKU returns the defect of a certificate without any extended key usage. RFC 5280
// (4.2.1.12) lets it be used for anything: Nomad 1.11.3 accepts it on every plane
// (verified for HTTP and RPC), so only reading the certificate finds it.
func NoEKU() Defect {
	return Defect{name: "no-eku", usage: noUsage,
		why: "Limited to no purpose, which means good for every purpose; crypto/x509, and so Nomad, accepts it."}
}

// ServerAuthOnly returns the defect of a certificate whose holder may listen and not
// call. An agent does both.
func ServerAuthOnly() Defect {
	return Defect{name: "server-auth-only", usage: serverOnly,
		why: "Good for a listener only, so it must be refused when its holder calls."}
}

// ClientAuthOnly returns the defect of a certificate whose holder may call and not
// listen. An agent does both.
func ClientAuthOnly() Defect {
	return Defect{name: "client-auth-only", usage: clientOnly,
		why: "Good for a caller only, so it must be refused when its holder listens."}
}

// CodeSigningOnly returns the defect of a certificate that is good for neither end of
// a connection.
func CodeSigningOnly() Defect {
	return Defect{name: "code-signing-only", usage: codeSigning,
		why: "Meant for signing code, so it must be refused at both ends of a connection."}
}

// WeakKey returns the defect of a certificate with an RSA key of 1024 bits. Nomad has
// no policy for the strength of keys: an agent works with it and is accepted (verified
// against Nomad 1.11.3).
func WeakKey() Defect {
	return Defect{name: "weak-key", key: shortRSA,
		why: "Its RSA key has 1024 bits, which are too few since 2013; Nomad accepts it, so only reading the certificate tells."}
}

// Ed25519 returns the defect of a certificate with an Ed25519 key. An agent does not
// start with it ("RSA and ECDSA only are supported"), and accepts it from a caller
// (verified against Nomad 1.11.3).
func Ed25519() Defect {
	return Defect{name: "ed25519", key: edwards,
		why: "A key of a sound kind that Nomad takes from callers and cannot start an agent with."}
}

// CanSign returns the defect of a certificate that is itself an authority. It does no
// harm below an authority without Options.Intermediates: what it signs then has one
// authority too many above it.
func CanSign() Defect {
	return Defect{name: "can-sign", authority: true,
		why: "May sign further certificates, so its key can make a certificate for any role; Nomad does not look."}
}

// LongLived returns the defect of a certificate that lasts ten years. It needs an
// authority that lasts as long, by Options.TTL; without, IssueDefective returns
// ErrNotPermitted.
func LongLived() Defect {
	return Defect{name: "long-lived", validity: longLived,
		why: "Good for ten years; expiry is Nomad's only revocation (nomad#4900), so it could hardly ever be taken back."}
}

// NearlyExpired returns the defect of a certificate that ends in two hours.
func NearlyExpired() Defect {
	return Defect{name: "nearly-expired", validity: nearlyOver,
		why: "Ends in two hours, and with it its holder's part in the cluster, unless it is noticed."}
}

// RoleAlone returns the defect of a certificate that names a role and region, and no
// host or address.
func RoleAlone() Defect {
	return Defect{name: "role-alone", roleAlone: true,
		why: "Names a role and no host, so a caller who uses a host name or an address cannot verify it."}
}

// apply returns a copy of a sound template with the defect in it, but for the signer
// and the key: the authority chooses these.
func (d Defect) apply(sound *x509.Certificate, now time.Time) *x509.Certificate {
	t := *sound
	life := t.NotAfter.Sub(t.NotBefore)
	switch d.validity {
	case past:
		t.NotAfter = now.Add(-farOff)
		t.NotBefore = t.NotAfter.Add(-life)
	case future:
		t.NotBefore = now.Add(farOff)
		t.NotAfter = t.NotBefore.Add(life)
	case nearlyOver:
		t.NotAfter = now.Add(nearlyOverLife)
		t.NotBefore = t.NotAfter.Add(-life) // as if it had been issued for a whole life, and had grown old
	case longLived:
		t.NotAfter = now.Add(decade)
	}
	switch d.usage {
	case noUsage:
		t.ExtKeyUsage = nil
	case serverOnly:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case clientOnly:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case codeSigning:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	}
	if d.unpermitted {
		t.DNSNames = append(slices.Clone(t.DNSNames), unpermittedName)
	}
	if d.roleAlone {
		t.DNSNames = slices.DeleteFunc(slices.Clone(t.DNSNames), func(name string) bool { return !strings.HasSuffix(name, ".nomad") })
		t.IPAddresses = nil
	}
	if d.authority {
		t.IsCA, t.KeyUsage = true, t.KeyUsage|x509.KeyUsageCertSign
	}
	return &t
}

// newKey makes the certificate's key, of the kind that the defect asks for.
func (d Defect) newKey() (crypto.Signer, error) {
	switch d.key {
	case shortRSA:
		key, err := rsa.GenerateKey(rand.Reader, weakBits)
		if err != nil {
			return nil, fmt.Errorf("make an RSA key of %d bits: %w", weakBits, err)
		}
		return key, nil
	case edwards:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make an Ed25519 key: %w", err)
		}
		return key, nil
	default:
		return newKey()
	}
}
