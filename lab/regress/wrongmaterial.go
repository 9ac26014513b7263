package regress

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// This file has what materialChecks look for. noCertificates, noOthers, noKey, noAuthorities and noGossipKey are
// fileCheck.lacks; the functions that return []string are fileCheck.wrong.

func noCertificates(u userFiles) string {
	if len(u.of("", PartCertificate)) == 0 {
		return "you gave no certificate, and none can be read here: name their folder with --tls-dir"
	}
	return ""
}

func noOthers(u userFiles) string {
	if lacks := noCertificates(u); lacks != "" {
		return lacks
	}
	if len(u.others()) == 0 {
		return "there is no certificate beside the agents' own: put those of people into the folder of --tls-dir"
	}
	return ""
}

func noKey(u userFiles) string {
	if len(u.of(u.role, PartKey)) == 0 {
		return noKeyFile
	}
	return ""
}

func noAuthorities(u userFiles) string {
	switch {
	case len(u.of(u.role, PartAuthorities)) == 0:
		return "you gave no file of authorities: name its folder with --tls-dir"
	case len(u.of("", PartCertificate)) == 0:
		return "you gave no certificate of an agent, so it is not known to which authorities they lead"
	}
	if found := unusedAuthorities(u); len(found) > 0 && len(u.unread) > 0 {
		return fmt.Sprintf("%s that was read, but perhaps that of the %ss, which was not: give it with --%s-tls-dir", found[0], u.unread[0], u.unread[0])
	}
	return ""
}

func noGossipKey(u userFiles) string {
	if u.serverKey == "" {
		return "gossip has no key: see gossip-refuses-no-key"
	}
	return ""
}

// guessableKey finds a gossip key that anyone can know. Its text does not have the key.
func guessableKey(u userFiles) []string {
	if why := catalogue.WhyGuessable(u.serverKey); why != "" {
		return []string{"the servers' gossip key: " + why}
	}
	return nil
}

func keyOfClients(u userFiles) []string {
	if u.clientKey == "" {
		return nil
	}
	return []string{"the clients' files have a gossip key"}
}

// keysOfAuthorities finds private keys of authorities in the files that the role's agents read, and in the folder of their key
// and below it. It compares public halves, so the name of a file does not matter.
func keysOfAuthorities(u userFiles) []string {
	var out []string
	for _, m := range u.material {
		if !u.isRead(u.role, m) && !u.isBeside(u.role, m) {
			continue
		}
		if a := keyOfAuthority(m, u.material); a != nil {
			out = append(out, fmt.Sprintf("%s holds the key of %s", m.Path, pki.NameText(a.RawSubject)))
		}
	}
	return once(out)
}

// isRead reports whether the role's agents read the file.
func (u userFiles) isRead(role pki.Role, m Material) bool {
	return slices.ContainsFunc(u.material, func(own Material) bool {
		return own.Role == role && own.Part != PartNone && tlsfile.Same(own.Path, m.Path)
	})
}

// isBeside reports whether the file is in the folder of the role's key, or below it.
func (u userFiles) isBeside(role pki.Role, m Material) bool {
	return slices.ContainsFunc(u.of(role, PartKey), func(key Material) bool { return isBelow(filepath.Dir(key.Path), m.Path) })
}

// misplacedKeys finds keys of one role's certificates with the other role's agents: in the files that they read, or beside their
// key. If one folder was given for both roles, its layout is not that of the agents' hosts, and only the files that they read
// count.
func misplacedKeys(u userFiles) []string {
	var out []string
	for _, roles := range [][2]pki.Role{{pki.Server, pki.Client}, {pki.Client, pki.Server}} {
		holder, other := roles[0], roles[1]
		apart := !slices.ContainsFunc(u.of(other, PartKey), func(key Material) bool { return u.isBeside(holder, key) }) &&
			!slices.ContainsFunc(u.of(holder, PartKey), func(key Material) bool { return u.isBeside(other, key) })
		for _, m := range u.material {
			if !u.isRead(holder, m) && (!apart || !u.isBeside(holder, m)) {
				continue
			}
			for _, c := range u.of(other, PartCertificate) {
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

// chains returns the certificates of agents, each with the intermediates of its file.
func (u userFiles) chains() [][]*x509.Certificate {
	var out [][]*x509.Certificate
	for _, m := range u.of("", PartCertificate) {
		if len(m.Certificates) > 0 {
			out = append(out, m.Certificates)
		}
	}
	return out
}

// foreignAuthorities finds unusedAuthorities, unless some agents' certificates were not read: one may be theirs.
func foreignAuthorities(u userFiles) []string {
	if len(u.unread) > 0 {
		return nil
	}
	return unusedAuthorities(u)
}

// unusedAuthorities finds authorities in the role's tls.ca_file to which no agent's certificate leads that was read.
func unusedAuthorities(u userFiles) []string {
	var out []string
	for _, m := range u.of(u.role, PartAuthorities) {
		known := slices.Concat(m.Certificates, authorities(u.material))
		for _, a := range m.Certificates {
			leads := slices.ContainsFunc(u.chains(), func(chain []*x509.Certificate) bool {
				return slices.ContainsFunc(pki.LeadsTo(chain[0], chain[1:], known), a.Equal)
			})
			if !leads {
				out = append(out, fmt.Sprintf("%s has %s, to which no agent's certificate leads", m.Path, pki.NameText(a.RawSubject)))
			}
		}
	}
	return once(out)
}

// otherCertificate is a certificate that no agent of the configuration has.
type otherCertificate struct {
	cert *x509.Certificate
	path string
}

// others returns the certificates beside the agents' own that agents accept, because they lead to one of their authorities. Of
// a file, the first certificate counts: the rest are intermediates.
func (u userFiles) others() []otherCertificate {
	var trusted []*x509.Certificate
	for _, m := range u.of("", PartAuthorities) {
		trusted = append(trusted, m.Certificates...)
	}
	var out []otherCertificate
	for _, m := range u.material {
		if len(m.Certificates) == 0 || m.Part == PartAuthorities {
			continue
		}
		o := otherCertificate{m.Certificates[0], m.Path}
		own := slices.ContainsFunc(u.chains(), func(chain []*x509.Certificate) bool { return chain[0].Equal(o.cert) })
		isAuthority := pki.MaySign(o.cert) && len(rolesOf(o.cert)) == 0
		if (!own || o.isPersons()) && !isAuthority && len(pki.LeadsTo(o.cert, m.Certificates[1:], trusted)) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// namesOf returns the common name and the DNS names of a certificate.
func namesOf(c *x509.Certificate) []string {
	return append([]string{c.Subject.CommonName}, c.DNSNames...)
}

// rolesOf returns the roles and regions that a certificate names, each once, such as "server of global".
func rolesOf(c *x509.Certificate) []catalogue.RoleName {
	var out []catalogue.RoleName
	for _, name := range namesOf(c) {
		if r, is := catalogue.ParseRoleName(name); is && !slices.ContainsFunc(out, func(o catalogue.RoleName) bool { return o.Role == r.Role && o.InRegion(r.Region) }) {
			out = append(out, r)
		}
	}
	return out
}

// otherCertificates applies a test to each certificate that is not an agent's.
func otherCertificates(is func(otherCertificate) (bool, string)) func(userFiles) []string {
	return func(u userFiles) []string {
		var out []string
		for _, o := range u.others() {
			if wrong, seen := is(o); wrong {
				out = append(out, o.path+": "+seen)
			}
		}
		return once(out)
	}
}

// names returns the certificate's names in words.
func (o otherCertificate) names() string { return "it names " + strings.Join(namesOf(o.cert), ", ") }

// isPersons reports whether the file has the name that `nomad tls cert create` gives to a person's certificate.
func (o otherCertificate) isPersons() bool {
	return strings.Contains(filepath.Base(o.path), "-cli-nomad")
}

// namesSecondRole reports whether the certificate names an agent besides the holder that it is for.
func namesSecondRole(o otherCertificate) (bool, string) {
	var roles []string
	if o.isPersons() {
		roles = append(roles, string(pki.CLI))
	}
	for _, r := range rolesOf(o.cert) {
		roles = append(roles, r.Role)
	}
	roles = once(roles)
	return len(roles) > 1, o.names() + ", and so is of " + strings.Join(roles, " and ")
}

func namesSecondRegion(o otherCertificate) (bool, string) {
	roles := rolesOf(o.cert)
	return slices.ContainsFunc(roles, func(r catalogue.RoleName) bool { return !r.InRegion(roles[0].Region) }), o.names()
}

func hasWildcard(o otherCertificate) (bool, string) {
	return strings.Contains(o.names(), "*"), o.names()
}

func canSign(o otherCertificate) (bool, string) {
	return catalogue.CanSign(o.cert), o.names() + " and can sign"
}

func hasShortKey(o otherCertificate) (bool, string) { return catalogue.ShortKey(o.cert) }

// sharedKeys finds a private key that serves several: certificates for different roles or regions, or for an authority and an
// agent; and agents of two roles that have it in a file each. A certificate that was renewed with its key serves one.
func sharedKeys(u userFiles) []string {
	var certificates, agents keyUses
	for _, m := range u.material {
		for _, c := range m.Certificates {
			certificates.add(c.PublicKey, holderOf(c), m.Path)
		}
	}
	for _, m := range u.of("", PartKey) {
		for _, key := range m.Keys {
			agents.add(key, string(m.Role), m.Path)
		}
	}
	return once(slices.Concat(certificates.shared("is in the certificates of"), agents.shared("is the private key of"), misplacedKeys(u)))
}

// keyUses are keys with what each is for.
type keyUses []keyUse

type keyUse struct {
	key            crypto.PublicKey
	holders, paths []string
}

func (all *keyUses) add(key crypto.PublicKey, holder, path string) {
	at := slices.IndexFunc(*all, func(u keyUse) bool { return pki.SameKey(u.key, key) })
	if at < 0 {
		at = len(*all)
		*all = append(*all, keyUse{key: key})
	}
	u := &(*all)[at]
	if !slices.Contains(u.holders, holder) && !slices.ContainsFunc(u.paths, func(p string) bool { return tlsfile.Same(p, path) }) {
		u.holders, u.paths = append(u.holders, holder), append(u.paths, path)
	}
}

// shared returns, in words, the keys that serve several holders.
func (all keyUses) shared(does string) []string {
	var out []string
	for _, u := range all {
		if len(u.holders) > 1 {
			out = append(out, fmt.Sprintf("one key %s %s (%s)", does, strings.Join(u.holders, " and "), strings.Join(u.paths, ", ")))
		}
	}
	return out
}

// holderOf says for whom a certificate is: its roles, or an authority.
func holderOf(c *x509.Certificate) string {
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

// once returns the texts in their order, each once.
func once(texts []string) []string {
	var out []string
	for _, text := range texts {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
