package pki

// Foreign is signed by another authority, made for this one certificate, with all
// names right. The holder keeps the lab's CA bundle, so it still trusts the agent
// that it presents the certificate to.
func Foreign() Defect {
	return Defect{name: "foreign", signer: byStranger,
		why: "Signed by an authority that nobody in the lab trusts, so it must be refused however right its names are."}
}

// SelfSigned is signed with its own key.
func SelfSigned() Defect {
	return Defect{name: "self-signed", signer: bySelf,
		why: "Signed with its own key, so it proves nothing about its names and must be refused."}
}

// Expired ended a day ago.
func Expired() Defect {
	return Defect{name: "expired", validity: past,
		why: "Its time is over; expiry is Nomad's only revocation (nomad#4900), so it must be refused."}
}

// NotYetValid begins in a day. TLS has no alert of its own for it: the caller is
// told "expired certificate" (verified against Nomad 1.11.3).
func NotYetValid() Defect {
	return Defect{name: "not-yet-valid", validity: future,
		why: "Its time has not begun, so it must be refused by whoever has the right time."}
}

// NoEKU has no extended key usage at all. RFC 5280 (4.2.1.12) lets it be used for
// anything: Nomad 1.11.3 accepts it on every plane (verified for HTTP and RPC), so
// only reading the certificate tells.
func NoEKU() Defect {
	return Defect{name: "no-eku", usage: noUsage,
		why: "Limited to no purpose, which means good for every purpose; crypto/x509, and so Nomad, accepts it."}
}

// ServerAuthOnly may listen and may not call. An agent does both.
func ServerAuthOnly() Defect {
	return Defect{name: "server-auth-only", usage: serverOnly,
		why: "Good for a listener only, so it must be refused when its holder calls."}
}

// ClientAuthOnly may call and may not listen. An agent does both.
func ClientAuthOnly() Defect {
	return Defect{name: "client-auth-only", usage: clientOnly,
		why: "Good for a caller only, so it must be refused when its holder listens."}
}

// CodeSigningOnly is good for neither end of a connection.
func CodeSigningOnly() Defect {
	return Defect{name: "code-signing-only", usage: codeSigning,
		why: "Meant for signing code, so it must be refused at both ends of a connection."}
}

// OutsideConstraints bears, beside its right names, one that the authority may not
// sign for. It needs an authority with Options.PermittedDNS; of others,
// IssueFlawed returns ErrUnconstrained.
func OutsideConstraints() Defect {
	return Defect{name: "outside-constraints", outside: true,
		why: "Names a host that the authority's critical name constraints exclude, so all of it must be refused."}
}

// IntermediateSent is signed by an authority of its own below the authority, whose
// certificate is sent along: sound, where nothing else is wrong. It needs an
// authority with Options.Intermediates; of others, IssueFlawed returns ErrNotPermitted.
func IntermediateSent() Defect {
	return Defect{name: "intermediate-sent", signer: byIntermediate,
		why: "Signed by an intermediate authority that is sent along, so it must be accepted."}
}

// IntermediateMissing is IntermediateSent without the intermediate's certificate:
// the commonest fault of a certificate file. It needs what IntermediateSent needs.
func IntermediateMissing() Defect {
	return Defect{name: "intermediate-missing", signer: byUnsentIntermediate,
		why: "Signed by an intermediate authority that is not sent along, so nobody can follow it to the root and it must be refused."}
}

// WeakKey has an RSA key of 1024 bits. Nomad has no policy for the strength of
// keys: an agent works with it and is accepted (verified against Nomad 1.11.3).
func WeakKey() Defect {
	return Defect{name: "weak-key", key: shortRSA,
		why: "Its RSA key has 1024 bits, which are too few since 2013; Nomad accepts it, so only reading the certificate tells."}
}

// Ed25519 has a key of that kind. An agent does not start with it ("RSA and ECDSA
// only are supported"), and accepts it from a caller (verified against Nomad 1.11.3).
func Ed25519() Defect {
	return Defect{name: "ed25519", key: edwards,
		why: "A key of a sound kind that Nomad takes from callers and cannot start an agent with."}
}

// CanSign is itself an authority. An authority without Options.Intermediates takes
// the sting out of it: what it signs has one authority too many above it.
func CanSign() Defect {
	return Defect{name: "can-sign", authority: true,
		why: "May sign further certificates, so whoever has its key can make any role; Nomad does not look."}
}

// LongLived lasts ten years. It needs an authority that lasts as long, by
// Options.TTL; of others, IssueFlawed returns ErrNotPermitted.
func LongLived() Defect {
	return Defect{name: "long-lived", validity: endless,
		why: "Good for ten years; expiry is Nomad's only revocation (nomad#4900), so it could hardly ever be taken back."}
}

// NearlyExpired ends in two hours.
func NearlyExpired() Defect {
	return Defect{name: "nearly-expired", validity: nearlyOver,
		why: "Ends in two hours, and with it its holder's part in the cluster, unless somebody notices."}
}

// RoleAlone names a role and region, and neither a host nor an address.
func RoleAlone() Defect {
	return Defect{name: "role-alone", roleAlone: true,
		why: "Names a role and no host, so whoever calls its holder by a host's name or by an address cannot verify it."}
}
