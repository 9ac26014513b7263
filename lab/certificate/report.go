package certificate

import "time"

// Report is what is said of everything that was read. Its JSON form is documented in docs/certificates.md.
type Report struct {
	// Judged is the moment at which lives were judged.
	Judged time.Time `json:"judged"`
	// Trusted are the names of the authorities by which chains were judged. Empty: none was given or found, and it is not known
	// who trusts the certificates.
	Trusted []string `json:"trusted"`
	Places  []Place  `json:"places"`
}

// Problems returns the number of problems in the whole report.
func (r Report) Problems() int {
	n := 0
	for _, p := range r.Places {
		n += len(p.Problems)
		for _, c := range p.Certificates {
			n += len(c.Problems)
		}
	}
	return n
}

// Place is a file or a port.
type Place struct {
	// Name is the path, or HOST:PORT.
	Name string `json:"name"`
	// Format is PEM, DER, PKCS#12 or TLS.
	Format string `json:"format"`
	// Mode is the file's mode in octal digits, such as "0600". Empty: it is no file.
	Mode string `json:"mode,omitempty"`
	// Keys are the private keys in it.
	Keys []Key `json:"keys,omitempty"`
	// Port says what a live port said. Nil: it is no port.
	Port *Port `json:"port,omitempty"`
	// Certificates are in the order in which they stand there. The intermediate authorities behind a certificate are not among
	// them, but in its Chain.
	Certificates []Certificate `json:"certificates,omitempty"`
	Problems     []Problem     `json:"problems,omitempty"`
}

// Key is a private key, without the key.
type Key struct {
	// Kind is such as "ECDSA P-256". Empty: it cannot be read.
	Kind string `json:"kind,omitempty"`
	// Of is the subject of the certificate that it belongs to, and In that certificate's place. Both are empty if there is none.
	Of string `json:"of,omitempty"`
	In string `json:"in,omitempty"`
}

// Port is what a live port said in the TLS handshake.
type Port struct {
	// Protocol is HTTPS or RPC.
	Protocol string `json:"protocol"`
	TLS      string `json:"tls"`
	// Asks is true if the port asks its callers for a certificate, and Accepts has the names of the authorities whose
	// certificates it then accepts.
	Asks    bool     `json:"asks_for_certificate"`
	Accepts []string `json:"accepts_authorities,omitempty"`
	// Refusal is the alert with which the caller was refused. Empty: it was not refused in the handshake. Under TLS 1.3 a caller
	// has the port's certificate before it is refused.
	Refusal string `json:"refusal,omitempty"`
}

// Kind is what a certificate is.
type Kind string

// The kinds. A certificate that names a role of Nomad is a holder's, even if it can sign.
const (
	Holder    Kind = "holder"
	Authority Kind = "authority"
)

// Certificate is what is said of one certificate.
type Certificate struct {
	Kind    Kind   `json:"kind"`
	Subject string `json:"subject"`
	// CommonName, DNSNames and IPAddresses are the certificate's own.
	CommonName  string   `json:"common_name,omitempty"`
	DNSNames    []string `json:"dns_names,omitempty"`
	IPAddresses []string `json:"ip_addresses,omitempty"`
	// Roles are whom Nomad takes the holder for, by any of the names. Empty: for nobody of Nomad's.
	Roles []Role `json:"roles,omitempty"`
	// Opens are the endpoints that the certificate opens to its holder. Empty: none.
	Opens     []Opening `json:"opens,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Issuer    string    `json:"issuer"`
	Chain     Chain     `json:"chain"`
	// KeyKind is the kind and size of the key, such as "RSA 2048". KeyIn is the place of the private key; empty: it was not read.
	KeyKind string `json:"key"`
	KeyIn   string `json:"key_in,omitempty"`
	// Purposes are the extended key usages in words. Empty: the certificate is limited to none.
	Purposes []string `json:"purposes,omitempty"`
	MaySign  bool     `json:"may_sign"`
	// Permits are the domains to which the names of what an authority signs are confined. Empty: they are not confined.
	Permits []string `json:"permits,omitempty"`
	// SHA256 and KeySHA256 are the fingerprints of the certificate and of its public key, in hexadecimal digits.
	SHA256    string    `json:"sha256"`
	KeySHA256 string    `json:"key_sha256"`
	Problems  []Problem `json:"problems,omitempty"`
	// Notes are worth knowing, and are no problems.
	Notes []string `json:"notes,omitempty"`
}

// ChainState says how far a certificate's issuers are known.
type ChainState string

// The states of a chain.
const (
	// Complete: it leads to one of the trusted authorities.
	Complete ChainState = "complete"
	// Incomplete: it leads to none of them; Chain.Missing is the issuer that is lacking, if one is.
	Incomplete ChainState = "incomplete"
	// TrustUnknown: no trusted authority is known.
	TrustUnknown ChainState = "trust unknown"
	// Root: the certificate signed itself.
	Root ChainState = "root"
)

// Chain is a certificate's path to an authority.
type Chain struct {
	State ChainState `json:"state"`
	// Through are the intermediate authorities that are sent along and that the path leads through.
	Through []string `json:"through,omitempty"`
	// To is the trusted authority at the end; empty if the chain is not complete.
	To string `json:"to,omitempty"`
	// Missing is the name of the issuer whose certificate is neither sent along nor trusted.
	Missing string `json:"missing,omitempty"`
}

// Effect is what Nomad does with a problem.
type Effect string

// The effects.
const (
	// Refused: peers refuse the certificate, or a name in it.
	Refused Effect = "refused"
	// NotStarted: no agent starts with it.
	NotStarted Effect = "agent does not start"
	// Unnoticed: Nomad works with it and logs nothing.
	Unnoticed Effect = "unnoticed"
)

// Problem is one thing wrong, and what to do.
type Problem struct {
	// ID is stable, such as "expired".
	ID     string `json:"id"`
	Effect Effect `json:"effect"`
	// What says what is wrong, and Remedy what to do about it, both as parts of a sentence.
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}
