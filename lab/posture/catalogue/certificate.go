package catalogue

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

const (
	// minRemaining is the longest time that a certificate must remain valid.
	minRemaining = 24 * time.Hour
	// maxCertificateLife is the longest life of a certificate, with an hour for clock skew: what the CA/Browser
	// Forum's Baseline Requirements (6.3.2) allow, and a month more than `nomad tls cert create` gives.
	maxCertificateLife = 398*24*time.Hour + time.Hour
	// minRSABits is the shortest RSA key (NIST SP 800-131A; CA/Browser Forum 6.1.5).
	minRSABits = 2048
)

// trait is a property that no agent's certificate may have.
type trait struct {
	id, title string
	severity  posture.Severity
	why       string
	// settings are those that the check rests on beside tls.cert_file.
	settings []string
	// what names the property, as it follows "look for".
	what string
	// inLeaf reports whether the agent's certificate has it, and what was seen.
	inLeaf func(*x509.Certificate) (bool, string)
	// inAuthority does the same for an authority that the agent's certificate leads to. Nil: authorities do not
	// matter.
	inAuthority func(authority *x509.Certificate) (bool, string)
	// controlServer has a certificate with the property.
	controlServer controlServer
}

// certificates returns the checks of the agents' own certificates. An agent serves the same one on all its ports.
func (i Ingredients) certificates() []posture.Spec {
	return forBoth(func(role pki.Role) []posture.Spec {
		var all []posture.Spec
		for _, s := range append(i.namesOf(role), i.traits()...) {
			search := func(as probe.Caller) probe.Probe {
				return probe.WithSearch(getHealth(as), probe.Search{For: s.what + " in the agent's certificate", In: func(o probe.Observation) (bool, string, error) {
					if len(o.Served) == 0 {
						return false, "", errors.New("the agent showed no certificate")
					}
					there, saw := i.inChain(s, o.Served)
					return there, saw, nil
				}})
			}
			all = append(all, unlessStandIn(i.StandIns[role], posture.Spec{
				ID: "certificate-" + s.id, Title: "certificate " + s.title,
				Kind: posture.Safe, Severity: s.severity, Why: s.why,
				Settings: append([]string{tlsCertificate}, s.settings...),
				Want:     posture.Want{probe.Absent},
			}, i.certificateCaller().sends(search), i.certificateCaller().atControlServer(s.controlServer, getHealth, search)))
		}
		return all
	})
}

// unlessStandIn returns the spec with its probes. Where the agents' certificates are stand-ins, for the reason given,
// neither probe is sent.
func unlessStandIn(standIn string, s posture.Spec, try, control maybeProbe) posture.Spec {
	if standIn != "" {
		try, control = unavailable(standIn, try.probe), unavailable(standIn, control.probe)
	}
	return withProbes(s, try, control)
}

// inChain looks for the trait in the agent's certificate, and in the authorities that it leads to: those that the
// agent sends and the known ones of the cluster.
func (i Ingredients) inChain(s trait, served []*x509.Certificate) (there bool, saw string) {
	there, saw = s.inLeaf(served[0])
	if s.inAuthority == nil || there {
		return there, saw
	}
	known := slices.Concat(served[1:], i.Authorities)
	for _, a := range pki.LeadsTo(served[0], nil, known) {
		if bad, sawThere := s.inAuthority(a); bad {
			return true, "its authority " + pki.NameText(a.RawSubject) + ": " + sawThere
		}
	}
	return false, saw
}

// namesOf returns the traits of a role's certificate that are about its names. Nomad takes role and region from any
// name, the common name included (nomad/server.go:634, nomad/auth/auth.go:430).
func (i Ingredients) namesOf(role pki.Role) []trait {
	own := pki.Identity{Role: role, Region: i.region()}.Name()
	named := func(extra string) pki.Template {
		f := soundTemplate(role, i.region())
		f.DNSNames = append(f.DNSNames, extra)
		return f
	}
	other, severity, power := pki.Client, posture.Low, "one certificate for two roles cannot be taken from one of them alone"
	if role == pki.Client {
		other, severity, power = pki.Server, posture.Critical, "a client that is named as a server too reads root keys and speaks Raft"
	}
	second := string(other) + "." + i.region() + ".nomad"
	all := []trait{
		{
			id: "names-no-second-role", title: "names no other role", severity: severity,
			why:  "Nomad goes by any name in a certificate, so " + power + " (nomad/server.go:634)",
			what: "the name of another role", inLeaf: anyName(func(name string) bool {
				r, is := ParseRoleName(name)
				return is && r.Role != string(role)
			}),
			controlServer: presenting("whose certificate names "+second, named(second)),
		},
		{
			id: "names-no-second-region", title: "names no other region", severity: posture.High,
			why:  "a certificate that names two regions is let in by both, to Raft too (verified against Nomad 1.11.3)",
			what: "the name of another region", inLeaf: i.otherRegion,
			controlServer: presenting("whose certificate names another region", named(string(role)+".elsewhere.nomad")),
		},
		{
			id: "has-no-wildcard", title: "has no wildcard among its names", severity: posture.High,
			why:  "a caller with verify_server_hostname takes a wildcard for server.REGION.nomad, so its holder can pose as a server (crypto/x509 VerifyHostname)",
			what: "a wildcard", inLeaf: anyName(func(name string) bool { return strings.Contains(name, "*") }),
			controlServer: presenting("whose certificate has a wildcard", named("*."+i.region()+".nomad")),
		},
	}
	if role == pki.Client {
		all = append(all, trait{
			id: "names-its-own-role", title: "names its own role and region", severity: posture.Critical,
			why:  "a server's certificate on a client works without a warning, and gives the powers of a server to every root task there (verified against Nomad 1.11.3)",
			what: "the lack of the name " + own, inLeaf: func(c *x509.Certificate) (bool, string) {
				is := func(name string) bool {
					r, has := ParseRoleName(name)
					return name == own || has && i.anyRegion() && r.Role == string(role)
				}
				return !slices.ContainsFunc(names(c), is), "the names " + strings.Join(names(c), ", ")
			},
			controlServer: presenting("whose certificate does not name "+own, soundTemplate(other, i.region())),
		})
	}
	return all
}

// anyRegion reports whether agents may be of any region: the region of a cluster that this program did not start is
// known by its certificates alone.
func (i Ingredients) anyRegion() bool { return len(i.Peers) == 0 }

// otherRegion reports whether the certificate names a region other than its agent's, or, where agents may be of any
// region, more than one region.
func (i Ingredients) otherRegion(c *x509.Certificate) (bool, string) {
	var regions []string
	if !i.anyRegion() {
		regions = append(regions, i.region())
	}
	for _, name := range names(c) {
		if r, is := ParseRoleName(name); is && !slices.ContainsFunc(regions, r.InRegion) {
			regions = append(regions, r.Region)
		}
	}
	return len(regions) > 1, "the names " + strings.Join(names(c), ", ")
}

// traits returns the traits that are the same for both roles.
func (i Ingredients) traits() []trait {
	defective := func(title string, f pki.Defect) controlServer {
		template := soundTemplate(pki.Server, i.region())
		template.Defect = f
		return presenting(title, template)
	}
	return []trait{
		{
			id: "is-for-tls-alone", title: "is limited to TLS, as a server and as a client", severity: posture.Medium,
			why:  "a certificate without extended key usage is good for every purpose (RFC 5280, 4.2.1.12), and Nomad takes it (verified against Nomad 1.11.3)",
			what: "a purpose beside TLS", inLeaf: OtherPurpose,
			controlServer: defective("whose certificate is for every purpose", pki.NoEKU()),
		},
		{
			id: "has-a-strong-key", title: "has a key of at least 2048 bits of RSA, or of 256 of an elliptic curve, and so have its authorities", severity: posture.High,
			why:      "shorter keys can be broken (NIST SP 800-131A), and Nomad has no policy of its own (verified against Nomad 1.11.3)",
			settings: []string{"tls.key_file"},
			what:     "a key that is too short", inLeaf: ShortKey,
			inAuthority:   ShortKey,
			controlServer: defective("whose certificate has an RSA key of 1024 bits", pki.WeakKey()),
		},
		{
			id: "cannot-sign", title: "cannot sign others", severity: posture.Critical,
			why:  "the holder of a certificate that can sign issues itself any role (RFC 5280, 4.2.1.9)",
			what: "the right to sign certificates", inLeaf: func(c *x509.Certificate) (bool, string) {
				can := CanSign(c)
				return can, fmt.Sprintf("an authority: %t", can)
			},
			controlServer: defective("whose certificate can sign others", pki.CanSign()),
		},
		{
			id: "lasts-another-day", title: "lasts for another day, or a tenth of its life where that is less, and its authorities for a day", severity: posture.High,
			why:  "when it or one of its authorities ends the agent's peers refuse it, and nothing in its own log or health warns of it (verified against Nomad 1.11.3)",
			what: "an end that is near", inLeaf: func(c *x509.Certificate) (bool, string) { return EndsSoon(c, time.Now()) },
			inAuthority:   func(a *x509.Certificate) (bool, string) { return AuthorityEndsSoon(a, time.Now()) },
			controlServer: defective("whose certificate ends within two hours", pki.NearlyExpired()),
		},
		{
			id: "lives-at-most-13-months", title: "lives for at most 398 days", severity: posture.Medium,
			why:  "Nomad knows no revocation (nomad#4900), so a stolen certificate is good until it ends; 398 days is what the CA/Browser Forum allows (6.3.2), and Nomad's own tool gives 365",
			what: "a life of more than 398 days", inLeaf: LivesTooLong,
			controlServer: defective("whose certificate lives for ten years", pki.LongLived()),
		},
		{
			id: "names-a-host", title: "names localhost or 127.0.0.1 beside its role", severity: posture.Low,
			why:  "commands on the agent's own machine call it there unless NOMAD_ADDR says otherwise; where the certificate has neither name, they need -tls-server-name, or are run without verification (-tls-skip-verify); `nomad tls cert create` names both",
			what: "the lack of localhost and of 127.0.0.1", inLeaf: func(c *x509.Certificate) (bool, string) {
				saw := fmt.Sprintf("the names %s and %d addresses", strings.Join(c.DNSNames, ", "), len(c.IPAddresses))
				return c.VerifyHostname("localhost") != nil && !slices.ContainsFunc(c.IPAddresses, net.IP.IsLoopback), saw
			},
			controlServer: defective("whose certificate names a role alone", pki.RoleAlone()),
		},
	}
}

// requiredRemaining returns how long a certificate must remain valid: a day, so that the operator has time to act, or
// a tenth of its life where it was issued for less than ten days. Such short certificates are renewed by a program.
func requiredRemaining(c *x509.Certificate) time.Duration {
	return min(minRemaining, c.NotAfter.Sub(c.NotBefore)/10)
}

// EndsSoon reports whether the certificate of an agent or a person ends within a day, or within a tenth of its life where that is
// less, and when it ends.
func EndsSoon(c *x509.Certificate, now time.Time) (bool, string) {
	return c.NotAfter.Sub(now) < requiredRemaining(c), fmt.Sprintf("it ends at %s, and was made for %s",
		c.NotAfter.UTC().Format(time.RFC3339), c.NotAfter.Sub(c.NotBefore).Round(time.Minute))
}

// AuthorityEndsSoon reports whether the certificate of an authority ends within a day, and when it ends.
func AuthorityEndsSoon(a *x509.Certificate, now time.Time) (bool, string) {
	return a.NotAfter.Sub(now) < minRemaining, "it ends at " + a.NotAfter.UTC().Format(time.RFC3339)
}

// LivesTooLong reports whether the certificate was made for more than 398 days, and for how many.
func LivesTooLong(c *x509.Certificate) (bool, string) {
	life := c.NotAfter.Sub(c.NotBefore)
	return life > maxCertificateLife, fmt.Sprintf("it lives for %.0f days", life.Hours()/24)
}

// anyName returns a search that finds a certificate one of whose names satisfies is.
func anyName(is func(string) bool) func(*x509.Certificate) (bool, string) {
	return func(c *x509.Certificate) (bool, string) {
		return slices.ContainsFunc(names(c), is), "the names " + strings.Join(names(c), ", ")
	}
}

// RoleName is what Nomad reads from a name such as server.global.nomad.
type RoleName = pki.RoleName

// ParseRoleName parses a name such as server.global.nomad; see pki.ParseRoleName.
func ParseRoleName(name string) (r RoleName, is bool) { return pki.ParseRoleName(name) }

// CanSign reports whether the certificate may sign other certificates.
func CanSign(c *x509.Certificate) bool { return c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0 }

// OtherPurpose reports whether the certificate is valid for a purpose other than TLS, and what it says of that.
func OtherPurpose(c *x509.Certificate) (bool, string) {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true, "no extended key usage, so it is for every purpose"
	}
	beside := len(c.UnknownExtKeyUsage) > 0 || slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u != x509.ExtKeyUsageServerAuth && u != x509.ExtKeyUsageClientAuth
	})
	return beside, fmt.Sprintf("a purpose beside TLS: %t", beside)
}

// ShortKey reports whether the certificate's key is too short, or of a kind that is not known to be strong, and what
// key it is.
func ShortKey(c *x509.Certificate) (bool, string) {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() < minRSABits, fmt.Sprintf("an RSA key of %d bits", key.N.BitLen())
	case *ecdsa.PublicKey:
		bits := key.Curve.Params().BitSize
		return bits < 256, fmt.Sprintf("an elliptic curve of %d bits", bits)
	case ed25519.PublicKey:
		return false, "an Ed25519 key"
	default:
		return true, fmt.Sprintf("a key of the kind %T", key)
	}
}
