package certificate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/posture/catalogue"
)

// namesRole reports whether a name of the certificate has the form of a role of Nomad, in capitals too.
func namesRole(c *x509.Certificate) bool {
	return slices.ContainsFunc(namesOf(c), func(name string) bool {
		_, is := catalogue.ParseRoleName(name)
		return is
	})
}

// holder judges the certificate of an agent, a person or a program.
func (j judge) holder(c *x509.Certificate, sent []*x509.Certificate) Certificate {
	out := describe(c, Holder)
	out.Roles = RolesOf(c)
	chain, chainProblems := j.chainOf(c, sent)
	out.Chain = chain
	if slices.ContainsFunc(sent, signedItself) {
		out.Notes = append(out.Notes, "a root is sent along: it proves nothing to anyone, and does no harm")
	}
	out.Problems = slices.Concat(j.lifeProblems(c), chainProblems, purposeProblems(c, isAgents(out.Roles)), keyProblems(c, isAgents(out.Roles)), nameProblems(c))
	if len(c.UnhandledCriticalExtensions) > 0 && len(chainProblems) == 0 {
		chainProblems = []Problem{{"critical-extension", Refused, "it has a critical extension that Go, and so Nomad, does not know: " + c.UnhandledCriticalExtensions[0].String(),
			"issue one without it"}}
		out.Problems = append(out.Problems, chainProblems...)
	}
	if refusedAsCaller(c, j.now, chainProblems) {
		return out
	}
	out.Opens = OpeningsOf(c)
	if len(out.Roles) == 0 {
		out.Notes = append(out.Notes, "it names no role of Nomad, so it opens the HTTP API alone")
	}
	return out
}

// refusedAsCaller reports whether TLS itself refuses the certificate when its holder calls.
func refusedAsCaller(c *x509.Certificate, now time.Time, chain []Problem) bool {
	_, unusable := unusableKey(c)
	return unusable || len(chain) > 0 || now.Before(c.NotBefore) || now.After(c.NotAfter) || !isFor(c, x509.ExtKeyUsageClientAuth)
}

// lifeProblems returns what is wrong with the certificate's life.
func (j judge) lifeProblems(c *x509.Certificate) []Problem {
	var all []Problem
	soon, _ := catalogue.EndsSoon(c, j.now)
	long, days := catalogue.LivesTooLong(c)
	switch {
	case j.now.After(c.NotAfter):
		all = append(all, Problem{"expired", Refused, fmt.Sprintf("it ended at %s, %s ago", stamp(c.NotAfter), span(j.now.Sub(c.NotAfter))), "issue a new one"})
	case j.now.Before(c.NotBefore):
		all = append(all, Problem{"not-yet-valid", Refused, fmt.Sprintf("it begins at %s, in %s; callers are told that it has expired", stamp(c.NotBefore), span(c.NotBefore.Sub(j.now))),
			"wait, set the clock of the machine that issued it right, or issue a new one"})
	case soon:
		all = append(all, Problem{"ends-soon", Unnoticed, fmt.Sprintf("it ends in %s, and nothing in the agent's log or health warns of that", span(c.NotAfter.Sub(j.now))),
			"renew it now, and reload the agent with SIGHUP"})
	}
	if long {
		all = append(all, Problem{"long-lived", Unnoticed, days + ", and Nomad knows no revocation (nomad#4900): a stolen one stays good until then",
			"issue it for at most 398 days, better for less"})
	}
	return all
}

// isFor reports whether the extended key usages allow a purpose. Without any, all are allowed (RFC 5280, 4.2.1.12).
func isFor(c *x509.Certificate, purpose x509.ExtKeyUsage) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, purpose) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// purposeProblems returns what is wrong with the certificate's purposes. An agent listens and calls.
func purposeProblems(c *x509.Certificate, agents bool) []Problem {
	const remedy = "issue one for TLS server and client authentication"
	calls, listens := isFor(c, x509.ExtKeyUsageClientAuth), isFor(c, x509.ExtKeyUsageServerAuth)
	beside, _ := catalogue.OtherPurpose(c)
	switch {
	case !calls && !listens:
		return []Problem{{"not-for-tls", Refused, "its purposes exclude TLS, so both ends of a connection refuse it", remedy}}
	case !calls && agents:
		return []Problem{{"not-for-callers", Refused, "it is for listeners alone: agents refuse its holder as a caller, and an agent calls others", remedy}}
	case !listens && agents:
		return []Problem{{"not-for-listeners", Refused, "it is for callers alone: callers refuse an agent that presents it", remedy}}
	case beside && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0:
		return []Problem{{"no-purpose", Unnoticed, "it has no extended key usage, which makes it good for every purpose", remedy}}
	case beside:
		return []Problem{{"other-purpose", Unnoticed, "it is good for more than TLS: " + strings.Join(purposesOf(c), ", "), remedy + " alone"}}
	default:
		return nil
	}
}

// keyProblems returns what is wrong with the certificate's key and its right to sign.
func keyProblems(c *x509.Certificate, agents bool) []Problem {
	var all []Problem
	if _, is := c.PublicKey.(ed25519.PublicKey); is && agents {
		all = append(all, Problem{"ed25519", NotStarted, "its key is of the kind Ed25519, and Nomad starts with RSA and ECDSA alone; it accepts the key from a caller",
			"issue one with an ECDSA P-256 key"})
	}
	if what, is := unusableKey(c); is {
		return append(all, Problem{"unusable-key", Refused, "it has " + what + ", with which Go, and so Nomad, makes no connection", "issue one with an ECDSA P-256 key, or RSA of 2048 to 8192 bits"})
	}
	if short, what := catalogue.ShortKey(c); short {
		all = append(all, weakKey(what))
	}
	if catalogue.CanSign(c) {
		all = append(all, Problem{"can-sign", Unnoticed, "it may itself sign certificates, so its key makes a certificate of any role",
			"issue one that is no authority (CA:FALSE, without keyCertSign)"})
	}
	return all
}

// mostRSA is the longest RSA key that Go verifies in a handshake, in bits (crypto/tls, checkKeySize).
const mostRSA = 8192

// unusableKey reports whether Go's TLS cannot use the certificate's key, whoever trusts it, and which key it is.
func unusableKey(c *x509.Certificate) (what string, is bool) {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("an RSA key of %d bits", key.N.BitLen()), key.N.BitLen() > mostRSA
	case *ecdsa.PublicKey:
		return "an ECDSA key on " + key.Params().Name, key.Curve == elliptic.P224() // TLS 1.3 has no signature for it (RFC 8446, 4.2.3)
	default:
		return "", false
	}
}

func weakKey(what string) Problem {
	return Problem{"weak-key", Unnoticed, "it has " + what + ", which can be broken; Nomad has no policy of its own",
		"issue one with an ECDSA P-256 key, or RSA of at least 2048 bits"}
}
