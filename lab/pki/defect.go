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
	// strangerName is the authority that signs a Foreign certificate, named so
	// that evidence cannot be misread.
	strangerName = "Foreign CA"
	// outsideName lies in a top-level domain that nobody owns (RFC 2606).
	outsideName = "outside-constraints.invalid"
	// farOff is how long ago an expired certificate ended, and how soon an early
	// one begins: beyond any clock fault that a lab injects.
	farOff = 24 * time.Hour
	// dyingLife is what a nearly expired certificate has left: longer than any
	// test, and shorter than what its owner needs to notice.
	dyingLife = 2 * time.Hour
	// decade is the life of a long-lived one.
	decade = 10 * 365 * 24 * time.Hour
	// weakBits is the longest RSA key that is too short for everybody since 2013
	// (NIST SP 800-131A), and the shortest that crypto/tls still takes.
	weakBits = 1024
	// soundBits is the least that is long enough.
	soundBits = 2048
)

// Defect is one thing wrong with an otherwise right certificate. It is a plain,
// comparable value: use it in tables, as a map key and with ==. The zero Defect
// means sound. The wrong role and the wrong region are not defects but other
// identities.
//
// Names say what is wrong with the certificate, not who must refuse it: a
// ClientAuthOnly certificate is good for a caller and bad for a listener. Some
// need not be refused by anybody, and only reading the certificate finds them.
type Defect struct {
	name, why string
	signer    signer
	validity  validity
	usage     usage
	key       keyKind
	outside   bool
	authority bool
	roleAlone bool
}

type signer int

const (
	byAuthority signer = iota
	byStranger
	bySelf
	byIntermediate
	byUnsentIntermediate
)

type validity int

const (
	current validity = iota
	past
	future
	nearlyOver
	endless
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

// Name is a short, stable name, e.g. "not-yet-valid". Zero Defect: "sound".
func (f Defect) Name() string {
	if f == (Defect{}) {
		return "sound"
	}
	return f.name
}

// Why says in one sentence what is wrong and what should follow from it.
// Zero Defect: that nothing is.
func (f Defect) Why() string {
	if f == (Defect{}) {
		return "Nothing is wrong with the certificate."
	}
	return f.why
}

// String is Name.
func (f Defect) String() string { return f.Name() }

// Defects are all defects, in a fixed order, in a slice of the caller's own.
func Defects() []Defect {
	return []Defect{
		Foreign(), SelfSigned(), Expired(), NotYetValid(),
		NoEKU(), ServerAuthOnly(), ClientAuthOnly(), CodeSigningOnly(),
		OutsideConstraints(), IntermediateSent(), IntermediateMissing(),
		WeakKey(), Ed25519(), CanSign(), LongLived(), NearlyExpired(), RoleAlone(),
	}
}

// FlawNamed returns the defect of that name, for "sound" and "" the zero one. The error lists the names that there are.
func DefectNamed(name string) (Defect, error) {
	all := Defects()
	if name == "" || name == (Defect{}).Name() {
		return Defect{}, nil
	}
	for _, f := range all {
		if f.name == name {
			return f, nil
		}
	}
	return Defect{}, fmt.Errorf("no defect is named %q: there are %v", name, all)
}

// apply returns a copy of a sound template with the defect in it. Who signs is for
// the authority to see to, and the key is made before the template is.
func (f Defect) apply(sound *x509.Certificate, now time.Time) *x509.Certificate {
	t := *sound
	life := t.NotAfter.Sub(t.NotBefore)
	switch f.validity {
	case past:
		t.NotAfter = now.Add(-farOff)
		t.NotBefore = t.NotAfter.Add(-life)
	case future:
		t.NotBefore = now.Add(farOff)
		t.NotAfter = t.NotBefore.Add(life)
	case nearlyOver:
		t.NotAfter = now.Add(dyingLife)
		t.NotBefore = t.NotAfter.Add(-life) // else it would be a certificate that is made for so short a life
	case endless:
		t.NotAfter = now.Add(decade)
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
	if f.roleAlone {
		t.DNSNames = slices.DeleteFunc(slices.Clone(t.DNSNames), func(name string) bool { return !strings.HasSuffix(name, ".nomad") })
		t.IPAddresses = nil
	}
	if f.authority {
		t.IsCA, t.KeyUsage = true, t.KeyUsage|x509.KeyUsageCertSign
	}
	return &t
}

// newKey makes the certificate's key, of the kind that the defect wants.
func (f Defect) newKey() (crypto.Signer, error) {
	switch f.key {
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
