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
	// spareTime is the most that a certificate must last.
	minRemaining = 24 * time.Hour
	// longestLife is the longest life of a certificate, and an hour for clocks that lag: what the CA/Browser Forum's Baseline
	// Requirements (6.3.2) allow, and a month more than `nomad tls cert create` gives.
	maxCertificateLife = 398*24*time.Hour + time.Hour
	// fewestBits is the least length of an RSA key (NIST SP 800-131A; CA/Browser Forum 6.1.5).
	minRSABits = 2048
)

// sight is something that is to be in no agent's certificate.
type trait struct {
	id, title string
	severity  posture.Severity
	why       string
	// more are the settings that the promise rests on beside that of the certificate.
	settings []string
	// what is the thing, as it follows "look for".
	what string
	// in says whether it is in the agent's certificate.
	inLeaf func(*x509.Certificate) (bool, string)
	// above says whether it is in an authority that the agent's certificate leads to. Nil: authorities are not looked at.
	inAuthority func(authority *x509.Certificate) (bool, string)
	// control server has it.
	controlServer controlServer
}

// certificates are what the agents' own certificates say. A server serves one and the same on all its ports.
func (i Ingredients) certificates() []posture.Spec {
	return forBoth(func(role pki.Role) []posture.Spec {
		var all []posture.Spec
		for _, s := range append(i.namesOf(role), i.traits()...) {
			search := func(as probe.Caller) probe.Probe {
				return probe.Searching(getHealth(as), probe.Search{For: s.what + " in the agent's certificate", In: func(o probe.Observation) (bool, string, error) {
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

// ofTheirOwn is tried, for a look at certificates or authorities: not where others stand in for those that are asked about.
func unlessStandIn(standIn string, s posture.Spec, try, control maybeProbe) posture.Spec {
	if standIn != "" {
		try, control = unavailable(standIn, try.probe), unavailable(standIn, control.probe)
	}
	return withProbes(s, try, control)
}

// inChain looks at the agent's certificate, and at the authorities that it leads to: those that it sends along, and those of
// the cluster that are known.
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

// namesOf are what the names of a role's certificate must not say. Nomad takes role and region from any of them, the
// common name included (nomad/server.go:634, nomad/auth/auth.go:430).
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
			why:  "verify_server_hostname of whoever calls the agent takes a wildcard for server.REGION.nomad, so its holder can pose as a server (crypto/x509 VerifyHostname)",
			what: "a wildcard", inLeaf: anyName(func(name string) bool { return strings.Contains(name, "*") }),
			controlServer: presenting("whose certificate has a wildcard", named("*."+i.region()+".nomad")),
		},
	}
	if role == pki.Client {
		all = append(all, trait{
			id: "names-its-own-role", title: "names its own role and region", severity: posture.Critical,
			why:  "a server's certificate on a client works without a word, and hands the powers of a server to every root task there (verified against Nomad 1.11.3)",
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

// anyRegion reports whether agents may be of any region: of a cluster that somebody else brought up it is known by their
// certificates alone.
func (i Ingredients) anyRegion() bool { return len(i.Peers) == 0 }

// otherRegion finds a certificate with a name of another region than its agent's; where that may be any, one of two regions.
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

// traits are what no agent's certificate must be, whatever its role.
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
			what: "a purpose beside TLS", inLeaf: otherPurpose,
			controlServer: defective("whose certificate is for every purpose", pki.NoEKU()),
		},
		{
			id: "has-a-strong-key", title: "has a key of at least 2048 bits of RSA, or of 256 of an elliptic curve, and so have its authorities", severity: posture.High,
			why:  "shorter keys can be broken (NIST SP 800-131A), and Nomad has no policy of its own (verified against Nomad 1.11.3)",
			settings: []string{"tls.key_file"},
			what: "a key that is too short", inLeaf: ShortKey,
			inAuthority:         ShortKey,
			controlServer: defective("whose certificate has an RSA key of 1024 bits", pki.WeakKey()),
		},
		{
			id: "cannot-sign", title: "cannot sign others", severity: posture.Critical,
			why:  "whoever has the key of a certificate that can sign makes itself any role (RFC 5280, 4.2.1.9)",
			what: "the right to sign certificates", inLeaf: func(c *x509.Certificate) (bool, string) {
				can := CanSign(c)
				return can, fmt.Sprintf("an authority: %t", can)
			},
			controlServer: defective("whose certificate can sign others", pki.CanSign()),
		},
		{
			id: "lasts-another-day", title: "lasts for another day, or a tenth of its life where that is less, and its authorities for a day", severity: posture.High,
			why:  "when it or one of its authorities ends the agent's peers refuse it, and nothing in its own log or its health tells so beforehand (verified against Nomad 1.11.3)",
			what: "an end that is near", inLeaf: endsSoon,
			inAuthority: func(a *x509.Certificate) (bool, string) {
				return time.Until(a.NotAfter) < minRemaining, "it ends at " + a.NotAfter.UTC().Format(time.RFC3339)
			},
			controlServer: defective("whose certificate ends within two hours", pki.NearlyExpired()),
		},
		{
			id: "lives-at-most-13-months", title: "lives for at most 398 days", severity: posture.Medium,
			why:  "Nomad knows no revocation (nomad#4900), so a stolen certificate is good until it ends; 398 days is what the CA/Browser Forum allows (6.3.2), and Nomad's own tool gives 365",
			what: "a life of more than 398 days", inLeaf: func(c *x509.Certificate) (bool, string) {
				life := c.NotAfter.Sub(c.NotBefore)
				return life > maxCertificateLife, fmt.Sprintf("it lives for %.0f days", life.Hours()/24)
			},
			controlServer: defective("whose certificate lives for ten years", pki.LongLived()),
		},
		{
			id: "names-a-host", title: "names localhost or 127.0.0.1 beside its role", severity: posture.Low,
			why:  "commands on the agent's own machine call it there unless NOMAD_ADDR says otherwise; where the certificate has neither name, they need -tls-server-name, or somebody stops verifying (-tls-skip-verify); `nomad tls cert create` names both",
			what: "the lack of localhost and of 127.0.0.1", inLeaf: func(c *x509.Certificate) (bool, string) {
				saw := fmt.Sprintf("the names %s and %d addresses", strings.Join(c.DNSNames, ", "), len(c.IPAddresses))
				return c.VerifyHostname("localhost") != nil && !slices.ContainsFunc(c.IPAddresses, net.IP.IsLoopback), saw
			},
			controlServer: defective("whose certificate names a role alone", pki.RoleAlone()),
		},
	}
}

// spare is how long a certificate must last at least: a day, for whoever is paged about it at night; of one that was made for
// less than ten, a tenth of its life. Who makes them so
// short has a program renew them.
func requiredRemaining(c *x509.Certificate) time.Duration { return min(minRemaining, c.NotAfter.Sub(c.NotBefore)/10) }

// endsSoon says whether the certificate has less time left than it must last.
func endsSoon(c *x509.Certificate) (bool, string) {
	return time.Until(c.NotAfter) < requiredRemaining(c), fmt.Sprintf("it ends at %s, and was made for %s",
		c.NotAfter.UTC().Format(time.RFC3339), c.NotAfter.Sub(c.NotBefore).Round(time.Minute))
}

// anyName looks at each name of a certificate.
func anyName(is func(string) bool) func(*x509.Certificate) (bool, string) {
	return func(c *x509.Certificate) (bool, string) {
		return slices.ContainsFunc(names(c), is), "the names " + strings.Join(names(c), ", ")
	}
}

// RoleName is what a name such as server.global.nomad says to Nomad. The role is in small letters, the region in those of the name.
type RoleName struct {
	Role, Region string
	// LetsIn is true for a name by which servers know a peer: role and domain are in small letters (nomad/server.go:645).
	LetsIn bool
}

// ParseRoleName takes a name such as server.global.nomad apart. is is false for a name of another form. All between the first label
// and the last is the region: a server's RPC port takes server.x.global.nomad for a server of some other region
// (nomad/server.go:645; verified against Nomad 1.11.3). Capital letters change nothing to whoever calls an agent by its name
// (crypto/x509, VerifyHostname), but a server passes on what does not name its region letter by letter
// (nomad/rpc.go:593).
func ParseRoleName(name string) (r RoleName, is bool) {
	written, rest, _ := strings.Cut(name, ".")
	role := strings.ToLower(written)
	const domain = ".nomad"
	at := len(rest) - len(domain)
	if at < 0 || !strings.EqualFold(rest[at:], domain) || !slices.Contains([]string{"server", "client", "cli"}, role) {
		return RoleName{}, false
	}
	return RoleName{Role: role, Region: rest[:at], LetsIn: role == written && rest[at:] == domain}, true
}

// InRegion reports whether the name is of that region, whatever letters are capitals.
func (r RoleName) InRegion(region string) bool { return strings.EqualFold(r.Region, region) }

// CanSign reports whether the certificate has the right to sign others.
func CanSign(c *x509.Certificate) bool { return c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0 }

// otherPurpose says whether the certificate is good for something beside TLS.
func otherPurpose(c *x509.Certificate) (bool, string) {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true, "no extended key usage, so it is for every purpose"
	}
	beside := len(c.UnknownExtKeyUsage) > 0 || slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u != x509.ExtKeyUsageServerAuth && u != x509.ExtKeyUsageClientAuth
	})
	return beside, fmt.Sprintf("a purpose beside TLS: %t", beside)
}

// ShortKey reports whether the certificate's key is too short, or of a kind that is not known to be strong.
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
