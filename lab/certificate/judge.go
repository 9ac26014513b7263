package certificate

import (
	"crypto/x509"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// Options say how to judge.
type Options struct {
	// Now is the moment at which lives are judged. Zero: every certificate has expired or not begun, so give the present.
	Now time.Time
	// Trusted are the authorities that agents trust: the certificates of tls.ca_file. Nil: those of the files that hold
	// authorities alone, of which intermediate authorities count only if there is no root.
	Trusted []*x509.Certificate
}

// Judge says what Nomad makes of everything that was read. The inputs are one set: the private key of one may belong to the
// certificate of another.
func Judge(inputs []Input, o Options) Report {
	inputs = slices.Clone(inputs)
	for n := range inputs {
		inputs[n].Place = printable(inputs[n].Place)
	}
	j := judge{now: o.Now, trusted: o.Trusted}
	for _, i := range inputs {
		for _, c := range i.Certificates {
			j.known = append(j.known, located{c, i.Place})
		}
	}
	if len(j.trusted) == 0 {
		j.trusted = authoritiesAmong(inputs)
	}
	r := Report{Judged: o.Now.UTC(), Trusted: subjects(j.trusted), Places: []Place{}}
	if r.Trusted == nil {
		r.Trusted = []string{}
	}
	for _, i := range inputs {
		r.Places = append(r.Places, j.place(i, inputs))
	}
	return r
}

// authoritiesAmong returns the certificates of the files that hold authorities alone, each once: those files that have a root if
// there is one.
func authoritiesAmong(inputs []Input) []*x509.Certificate {
	var rooted, all []*x509.Certificate
	add := func(to []*x509.Certificate, some []*x509.Certificate) []*x509.Certificate {
		for _, c := range some {
			if !slices.ContainsFunc(to, c.Equal) {
				to = append(to, c)
			}
		}
		return to
	}
	for _, i := range inputs {
		holders, authorities := i.sortKinds()
		if len(holders) > 0 || i.Port != nil {
			continue
		}
		all = add(all, authorities)
		if slices.ContainsFunc(authorities, signedItself) {
			rooted = add(rooted, authorities)
		}
	}
	if len(rooted) > 0 {
		return rooted
	}
	return all
}

// place judges one place.
func (j judge) place(i Input, all []Input) Place {
	p := Place{Name: i.Place, Format: i.Format, Port: i.Port}
	if i.Mode != 0 {
		p.Mode = fmt.Sprintf("%04o", i.Mode.Perm())
	}
	p.Problems = append(fileProblems(i), orderProblems(i)...)
	holders, authorities := i.sortKinds()
	for n, c := range i.Certificates {
		var judged Certificate
		switch {
		case slices.ContainsFunc(holders, c.Equal):
			judged = j.holder(c, authorities)
		case len(holders) > 0: // it is sent along, and described by the chain
			continue
		default:
			judged = j.authority(c, others(i.Certificates, n))
		}
		if slices.ContainsFunc(p.Problems, func(p Problem) bool { return p.ID == "leaf-not-first" }) {
			judged.Opens = nil // its holder presents the authority
		}
		if judged.KeyIn = keyOf(c, all); judged.KeyIn != "" && judged.Kind == Authority {
			judged.Notes = append(judged.Notes, "its private key makes certificates of every role: keep it away from the hosts of agents")
		}
		p.Certificates = append(p.Certificates, judged)
	}
	j.keys(&p, i, all)
	return p
}

// others returns the certificates without the one at that place.
func others(all []*x509.Certificate, at int) []*x509.Certificate {
	return slices.Concat(all[:at], all[at+1:])
}

// keyOf returns the place of a certificate's private key; empty if it was not read.
func keyOf(c *x509.Certificate, all []Input) string {
	for _, i := range all {
		for _, key := range i.Keys {
			if pki.SameKey(key, c.PublicKey) {
				return i.Place
			}
		}
	}
	return ""
}

// keys adds the private keys of a place, and what is wrong with them.
func (j judge) keys(p *Place, i Input, all []Input) {
	for _, key := range i.Keys {
		k, known := Key{Kind: pki.KeyKind(&x509.Certificate{PublicKey: key})}, false
		for _, l := range j.known {
			if pki.SameKey(key, l.cert.PublicKey) { // the subject may be empty, as cfssl's for a CLI
				k.Of, k.In, known = pki.NameText(l.cert.RawSubject), printable(l.place), true
				break
			}
		}
		if !known {
			p.Problems = append(p.Problems, lonelyKey(i, all))
		}
		p.Keys = append(p.Keys, k)
	}
	if i.Unreadable > 0 && i.Wrong == "" {
		p.Problems = append(p.Problems, Problem{"damaged-key", NotStarted, "its private key cannot be read", "restore the file, or issue a new certificate"})
	}
	for range i.Unreadable {
		p.Keys = append(p.Keys, Key{})
	}
}

// lonelyKey is the problem of a private key that belongs to no certificate that was read.
func lonelyKey(i Input, all []Input) Problem {
	if len(i.Certificates) > 0 {
		return Problem{"other-key", NotStarted, "its private key belongs to none of its certificates", "put the key and the certificate together that were made together"}
	}
	if cert := namesake(i, all); cert != "" {
		return Problem{"other-key", NotStarted, "it is not the key of " + cert, "put the key and the certificate together that were made together"}
	}
	return Problem{"key-without-certificate", NotStarted, "it is a private key, and no certificate that was read belongs to it",
		"name the certificate as well, or give the folder with both"}
}

// namesake returns the file of certificates whose name says that the key belongs to it: X.pem or X.crt beside X-key.pem or X.key.
func namesake(i Input, all []Input) string {
	stem := func(name string) string {
		base := strings.TrimSuffix(path.Base(name), path.Ext(name))
		return path.Join(path.Dir(name), strings.TrimSuffix(strings.TrimSuffix(base, "-key"), ".key"))
	}
	for _, other := range all {
		if other.Place != i.Place && len(other.Certificates) > 0 && stem(other.Place) == stem(i.Place) {
			return other.Place
		}
	}
	return ""
}

// fileProblems returns what is wrong with a file as such.
func fileProblems(i Input) []Problem {
	var all []Problem
	add := func(wrong bool, p Problem) {
		if wrong {
			all = append(all, p)
		}
	}
	what, remedy, _ := strings.Cut(i.Wrong, ": ")
	add(i.Unread != "", Problem{"unreadable", NotStarted, "it cannot be read: " + i.Unread, "read it as its owner, or put its mode right"})
	add(i.Wrong != "", Problem{"wrong-format", NotStarted, what, remedy})
	add(i.Damaged != "", Problem{"damaged", NotStarted, "a part of it cannot be read: " + i.Damaged, "restore the file"})
	add(i.KeyFirst, Problem{"key-first", NotStarted,
		"the private key stands before the certificate: Nomad 1.11.3 does not start with such a cert_file (nomad#27660)", "put the certificate first, and the key behind it"})
	secret := len(i.Keys)+i.Unreadable > 0 || i.Format == "PKCS#12"
	add(secret && i.Mode.Perm()&0o007 != 0, Problem{"key-readable", Unnoticed,
		fmt.Sprintf("every user of the machine may read its private key (mode %04o)", i.Mode.Perm()), "chmod 600 " + pki.ShellQuote(i.Place)})
	return all
}

// orderProblems returns what is wrong with the order of the certificates in a place. An agent presents the first as its own. Go
// accepts intermediates in any order (crypto/x509); other programs do not (RFC 5246, 7.4.2).
func orderProblems(i Input) []Problem {
	holders, authorities := i.sortKinds()
	switch {
	case len(holders) == 0:
		return nil
	case len(holders) > 1:
		return []Problem{{"several-holders", Unnoticed, fmt.Sprintf("it holds the certificates of %d holders, and an agent presents the first alone", len(holders)),
			"put each into a file of its own"}}
	case !i.Certificates[0].Equal(holders[0]):
		return []Problem{{"leaf-not-first", NotStarted, "an authority stands before the certificate: an agent takes the first for its own, and its key does not fit",
			"put the certificate first, and what signed it behind it"}}
	}
	at := holders[0]
	for n, a := range authorities {
		if pki.Signed(a, at) {
			at = a
			continue
		}
		if slices.ContainsFunc(authorities[n:], func(later *x509.Certificate) bool { return pki.Signed(later, at) }) {
			return []Problem{{"chain-order", Unnoticed, "its intermediate authorities are not in the order of signing: Nomad accepts that, other programs do not",
				"put each authority directly behind what it signed"}}
		}
		return []Problem{{"unrelated-certificate", Unnoticed, pki.NameText(a.RawSubject) + " stands in it and has signed nothing there", "take it out"}}
	}
	return nil
}
