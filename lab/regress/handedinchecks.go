package regress

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// noCertificates, noOthers, noKey and notHandedIn say what there is nothing to look at of.
func noCertificates(h held) string {
	if len(h.of("", PartCertificate)) == 0 {
		return "you gave no certificate, and none can be read here: name their folder with --tls-dir"
	}
	return ""
}

func noOthers(h held) string {
	if lacks := noCertificates(h); lacks != "" {
		return lacks
	}
	if len(h.others()) == 0 {
		return "there is no certificate beside the agents' own: put those of people into the folder of --tls-dir"
	}
	return ""
}

func noKey(h held) string {
	if len(h.of(h.role, PartKey)) == 0 {
		return "none of your files that were read is one: hand the keys in with --tls-dir, or run this where they are"
	}
	return ""
}

func notHandedIn(h held) string {
	switch {
	case len(h.of(h.role, PartAuthorities)) == 0:
		return "you gave no file of authorities: name its folder with --tls-dir"
	case len(h.of("", PartCertificate)) == 0:
		return "you gave no certificate of an agent, so it is not known to which authorities they lead"
	}
	if found := ledToByNone(h); len(found) > 0 && len(h.unread) > 0 {
		return fmt.Sprintf("%s that was read, but perhaps that of the %ss, which was not: hand it in with --%s-tls-dir", found[0], h.unread[0], h.unread[0])
	}
	return ""
}

func noGossip(h held) string {
	if h.gossip == "" {
		return "gossip has no key: see gossip-refuses-no-key"
	}
	return ""
}

// guessedGossip finds a gossip key that anybody can know. The key itself is in no word.
func guessedGossip(h held) []string {
	if why := catalogue.WhyGuessable(h.gossip); why != "" {
		return []string{"the servers' gossip key: " + why}
	}
	return nil
}

func gossipInClients(h held) []string {
	if h.inClients == "" {
		return nil
	}
	return []string{"the clients' files have a gossip key"}
}

// authorityBeside finds keys of authorities in the files that the role's agents read, in the folder of their key and below it. A
// key is known by its public half, whatever its file is called.
func authorityBeside(h held) []string {
	var out []string
	for _, m := range h.material {
		if !h.has(h.role, m) && !h.isBeside(h.role, m) {
			continue
		}
		if a := keyOfAuthority(m, h.material); a != nil {
			out = append(out, fmt.Sprintf("%s holds the key of %s", m.Path, pki.NameText(a.RawSubject)))
		}
	}
	return once(out)
}

// has reports whether the role's agents read the file.
func (h held) has(role pki.Role, m Material) bool {
	return slices.ContainsFunc(h.material, func(own Material) bool {
		return own.Role == role && own.Part != PartNone && sameFile(own.Path, m.Path)
	})
}

// isBeside reports whether the file lies in the folder of the role's key, or below it.
func (h held) isBeside(role pki.Role, m Material) bool {
	return slices.ContainsFunc(h.of(role, PartKey), func(key Material) bool { return isBelow(filepath.Dir(key.Path), m.Path) })
}

// strayKeys finds keys of one role's certificates with the other role's agents: in the files that they read, or beside their key.
// Where both roles' files were handed in in one folder, what lies beside what says nothing of the agents' hosts.
func strayKeys(h held) []string {
	var out []string
	for _, roles := range [][2]pki.Role{{pki.Server, pki.Client}, {pki.Client, pki.Server}} {
		holder, other := roles[0], roles[1]
		apart := !slices.ContainsFunc(h.of(other, PartKey), func(key Material) bool { return h.isBeside(holder, key) }) &&
			!slices.ContainsFunc(h.of(holder, PartKey), func(key Material) bool { return h.isBeside(other, key) })
		for _, m := range h.material {
			if !h.has(holder, m) && (!apart || !h.isBeside(holder, m)) {
				continue
			}
			for _, c := range h.of(other, PartCertificate) {
				isOf := func(key crypto.PublicKey) bool {
					return len(c.Certificates) > 0 && pki.SameKey(key, c.Certificates[0].PublicKey)
				}
				if slices.ContainsFunc(m.Keys, isOf) {
					out = append(out, fmt.Sprintf("%s, which is with %ss, holds the private key of %s", m.Path, holder, c.Path))
				}
			}
		}
	}
	return once(out)
}

// leaves are the certificates of agents, each with those behind it in its file.
func (h held) leaves() [][]*x509.Certificate {
	var out [][]*x509.Certificate
	for _, m := range h.of("", PartCertificate) {
		if len(m.Certificates) > 0 {
			out = append(out, m.Certificates)
		}
	}
	return out
}

// foreignAuthorities finds the authorities of nobody's certificates. Where certificates were not read, one may be theirs.
func foreignAuthorities(h held) []string {
	if len(h.unread) > 0 {
		return nil
	}
	return ledToByNone(h)
}

// ledToByNone finds what the role's file of authorities has beside those to which the certificates of agents that were read lead.
func ledToByNone(h held) []string {
	var out []string
	for _, m := range h.of(h.role, PartAuthorities) {
		for _, a := range m.Certificates {
			leads := slices.ContainsFunc(h.leaves(), func(chain []*x509.Certificate) bool {
				known := slices.Concat(m.Certificates, authorities(h.material))
				return slices.ContainsFunc(pki.LeadsTo(chain[0], chain[1:], known), a.Equal)
			})
			if !leads {
				out = append(out, fmt.Sprintf("%s has %s, to which no agent's certificate leads", m.Path, pki.NameText(a.RawSubject)))
			}
		}
	}
	return once(out)
}

// other is a certificate that no agent of the configuration has.
type other struct {
	cert *x509.Certificate
	path string
}

// others are the certificates beside the agents' own that agents would let in: those that lead to an authority of theirs. Of a
// file, the first one counts: others are authorities between.
func (h held) others() []other {
	var trusted []*x509.Certificate
	for _, m := range h.of("", PartAuthorities) {
		trusted = append(trusted, m.Certificates...)
	}
	var out []other
	for _, m := range h.material {
		if len(m.Certificates) == 0 || m.Part == PartAuthorities {
			continue
		}
		c := m.Certificates[0]
		own := slices.ContainsFunc(h.leaves(), func(chain []*x509.Certificate) bool { return chain[0].Equal(c) })
		isAuthority := pki.MaySign(c) && len(rolesOf(c)) == 0
		if own && !(other{c, m.Path}).isPersons() || isAuthority || len(pki.LeadsTo(c, m.Certificates[1:], trusted)) == 0 {
			continue
		}
		out = append(out, other{c, m.Path})
	}
	return out
}

// rolesOf are the roles and regions that a certificate names, each once, such as "server of global".
func rolesOf(c *x509.Certificate) []catalogue.RoleName {
	var out []catalogue.RoleName
	for _, name := range append([]string{c.Subject.CommonName}, c.DNSNames...) {
		if r, is := catalogue.ParseRoleName(name); is && !slices.ContainsFunc(out, func(o catalogue.RoleName) bool { return o.Role == r.Role && o.InRegion(r.Region) }) {
			out = append(out, r)
		}
	}
	return out
}

// otherCertificates looks at each certificate that is not an agent's.
func otherCertificates(is func(other) (bool, string)) func(held) []string {
	return func(h held) []string {
		var out []string
		for _, o := range h.others() {
			if bad, saw := is(o); bad {
				out = append(out, o.path+": "+saw)
			}
		}
		return once(out)
	}
}

// named are the names of a certificate in words.
func (o other) named() string {
	return "it names " + strings.Join(append([]string{o.cert.Subject.CommonName}, o.cert.DNSNames...), ", ")
}

// isPersons reports whether `nomad tls cert create` would call the file that of a person's certificate.
func (o other) isPersons() bool { return strings.Contains(filepath.Base(o.path), "-cli-nomad") }

// secondRole reports whether the certificate speaks for an agent besides the one that it is for.
func secondRole(o other) (bool, string) {
	var roles []string
	if o.isPersons() {
		roles = append(roles, string(pki.CLI))
	}
	for _, r := range rolesOf(o.cert) {
		if !slices.Contains(roles, r.Role) {
			roles = append(roles, r.Role)
		}
	}
	return len(roles) > 1, o.named() + ", and so is of " + strings.Join(roles, " and ")
}

func secondRegion(o other) (bool, string) {
	var regions []string
	for _, r := range rolesOf(o.cert) {
		if !slices.ContainsFunc(regions, r.InRegion) {
			regions = append(regions, r.Region)
		}
	}
	return len(regions) > 1, o.named()
}

func wildcard(o other) (bool, string) { return strings.Contains(o.named(), "*"), o.named() }

func signs(o other) (bool, string) { return catalogue.CanSign(o.cert), o.named() + " and can sign" }

func shortKey(o other) (bool, string) { return catalogue.ShortKey(o.cert) }

// sharedKeys finds a private key that serves several: certificates that are for different roles or regions, or for an authority
// and an agent; and agents of two roles that have it in a file of their own each. A certificate that was renewed with its key
// serves one.
func sharedKeys(h held) []string {
	var certificates, agents keyUses
	for _, m := range h.material {
		for _, c := range m.Certificates {
			certificates.add(c.PublicKey, whoseCertificate(c), m.Path)
		}
	}
	for _, m := range h.of("", PartKey) {
		for _, key := range m.Keys {
			agents.add(key, string(m.Role), m.Path)
		}
	}
	return once(slices.Concat(certificates.shared("is in the certificates of"), agents.shared("is the private key of"), strayKeys(h)))
}

// keyUses are what each key is for.
type keyUses []keyUse

type keyUse struct {
	key          crypto.PublicKey
	whose, paths []string
}

func (all *keyUses) add(key crypto.PublicKey, whose, path string) {
	at := slices.IndexFunc(*all, func(u keyUse) bool { return pki.SameKey(u.key, key) })
	if at < 0 {
		at = len(*all)
		*all = append(*all, keyUse{key: key})
	}
	u := &(*all)[at]
	if !slices.Contains(u.whose, whose) && !slices.ContainsFunc(u.paths, func(p string) bool { return sameFile(p, path) }) {
		u.whose, u.paths = append(u.whose, whose), append(u.paths, path)
	}
}

// shared says of each key that is for several whose it is.
func (all keyUses) shared(does string) []string {
	var out []string
	for _, u := range all {
		if len(u.whose) > 1 {
			out = append(out, fmt.Sprintf("one key %s %s (%s)", does, strings.Join(u.whose, " and "), strings.Join(u.paths, ", ")))
		}
	}
	return out
}

// whoseCertificate says whom a certificate is for: its roles, or that it is an authority's.
func whoseCertificate(c *x509.Certificate) string {
	var words []string
	for _, r := range rolesOf(c) {
		words = append(words, strings.ToLower(r.Role+"."+r.Region+".nomad"))
	}
	if pki.MaySign(c) {
		words = append(words, "an authority")
	}
	if len(words) == 0 {
		return c.Subject.CommonName
	}
	return strings.Join(words, "+")
}

// once drops what was said before.
func once(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
