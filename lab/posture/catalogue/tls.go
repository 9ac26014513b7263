package catalogue

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// oldTLS returns the checks that an endpoint refuses old versions and weak suites of TLS. The prefix begins their
// IDs, the endpoint's name their titles.
func (i Ingredients) oldTLS(prefix, endpoint, logLevel string, h maybeCaller, try func(probe.Caller) probe.Probe) []posture.Spec {
	var all []posture.Spec
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		name := tls.VersionName(version)
		all = append(all, withProbes(posture.Spec{
			ID:       prefix + "-refuses-" + strings.ToLower(strings.ReplaceAll(name, " ", "-")),
			Title:    endpoint + " refuses " + name + ", because of its version and not for lack of a common suite",
			Severity: posture.High,
			Settings: []string{"tls.tls_min_version"},
			Why:      "tls.tls_min_version: RFC 8996 forbids what is older than TLS 1.2, as it rests on SHA-1 and MD5; with Nomad's default suites only the alert shows whether the version is refused",
			Want:     posture.Want{probe.RefusedInHandshake},
			Answer:   "protocol version",
			LogText:  "unsupported versions", LogLevel: logLevel,
		}, h.changed(exactVersion(version)).sends(try), h.changed(exactVersion(tls.VersionTLS12)).sends(orTLS13(try))))
	}
	for _, s := range weakSuites() {
		all = append(all, withProbes(posture.Spec{
			ID:       prefix + "-refuses-" + s.id,
			Title:    fmt.Sprintf("%s refuses the cipher suites with %s", endpoint, s.name),
			Severity: posture.Medium,
			Settings: []string{"tls.tls_cipher_suites"},
			Why:      "tls.tls_cipher_suites: " + s.why + "; Nomad offers it when asked to (helper/tlsutil/config.go:29)",
			Want:     posture.Want{probe.RefusedInHandshake},
			LogText:  "no cipher suite supported by both client and server", LogLevel: logLevel,
		}, h.changed(onlySuites(s.suites)).sends(skipWithTLS13(prefix, try)), h.changed(onlySuites(soundSuites())).sends(try)))
	}
	return all
}

// speaksTLS13Alone reports whether an agent refused a caller for offering nothing newer than TLS 1.2.
func speaksTLS13Alone(o probe.Observation) bool {
	return o.Outcome == probe.RefusedInHandshake && strings.Contains(o.Received, "protocol version")
}

// orTLS13 repeats the probe with TLS 1.3 where an agent accepts nothing older.
func orTLS13(try func(probe.Caller) probe.Probe) func(probe.Caller) probe.Probe {
	return func(as probe.Caller) probe.Probe {
		return try(as).OrElse(try(exactVersion(tls.VersionTLS13)(as)), speaksTLS13Alone)
	}
}

// skipWithTLS13 reports nothing to check where an agent accepts nothing older than TLS 1.3: weak suites exist up to
// TLS 1.2 alone.
func skipWithTLS13(prefix string, try func(probe.Caller) probe.Probe) func(probe.Caller) probe.Probe {
	none := probe.Nothing{Why: "it speaks nothing older than TLS 1.3, whose suites are all sound", JudgedBy: prefix + "-refuses-tls-1.1"}
	return func(as probe.Caller) probe.Probe {
		return try(as).UnlessNothing(func(o probe.Observation) probe.Nothing {
			if speaksTLS13Alone(o) {
				return none
			}
			return probe.Nothing{}
		})
	}
}

// suites is a set of cipher suites of TLS 1.2 that have one weakness in common, for an ECDSA key and an RSA key.
type suites struct {
	id, name, why string
	suites        []uint16
}

// weakSuites returns the weak suites that Nomad can be configured to accept (helper/tlsutil/config.go:29). An agent
// with an ECDSA key accepts none without forward secrecy, whatever its configuration.
func weakSuites() []suites {
	const (
		cbc = "CBC with HMAC-SHA1 is open to timing attacks (Lucky Thirteen, CVE-2013-0169) and forbidden by RFC 9113, A"
		rsa = "an attacker who has recorded the connection and later gets the agent's key reads all of it (RFC 9325, 4.1), and padding oracles come back (ROBOT)"
	)
	return []suites{
		{"aes-128-cbc", "AES-128 in CBC mode", cbc, []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		}},
		{"aes-256-cbc", "AES-256 in CBC mode", cbc, []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		}},
		{"suites-without-forward-secrecy", "RSA key exchange, and so no forward secrecy", rsa, []uint16{
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		}},
	}
}

// soundSuites returns Nomad's default list (helper/tlsutil/config.go:74). An agent may be configured with any of them
// alone.
func soundSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,
	}
}

// exactVersion limits a caller to this version of TLS.
func exactVersion(version uint16) func(probe.Caller) probe.Caller {
	return func(c probe.Caller) probe.Caller { return c.TLSAtLeast(version).TLSAtMost(version) }
}

// onlySuites limits a caller to these suites.
func onlySuites(ids []uint16) func(probe.Caller) probe.Caller {
	return func(c probe.Caller) probe.Caller { return c.WithSuites(ids...) }
}

// trustsOnlyItsOwn returns the check of the authorities that an agent says it trusts. Its control is the same search
// at a control server that trusts another authority. judgedBy is the check of whether the agent may ask for no
// certificate.
func (i Ingredients) trustsOnlyItsOwn(s posture.Spec, judgedBy string, h maybeCaller, try func(probe.Caller) probe.Probe) posture.Spec {
	search := func(as probe.Caller) probe.Probe { return probe.WithSearch(try(as), i.foreignAuthority(judgedBy)) }
	s.Want = posture.Want{probe.Absent}
	asked := h.sends(search)
	if len(i.Authorities) == 0 {
		asked = unavailable("it is not known which authorities the cluster is meant to trust", asked.probe)
	}
	return unlessStandIn(cmp.Or(i.StandIns[pki.Server], i.StandIns[pki.Client]), s, asked, h.atControlServer(trustingControlAuthority(), try, search))
}

// foreignAuthority searches for an authority that is not the cluster's among those that an agent says it trusts.
// Names are compared byte by byte, as Nomad does: the same parts in another order are another name.
func (i Ingredients) foreignAuthority(judgedBy string) probe.Search {
	return probe.Search{
		For: "an authority that is not the cluster's among those of which the agent takes certificates",
		In: func(o probe.Observation) (bool, string, error) {
			switch {
			case o.AcceptableCAs == nil:
				return false, "", probe.Nothing{Why: "it asks for no certificate", JudgedBy: judgedBy}
			case len(o.AcceptableCAs) == 0:
				return true, "it names none, and so takes those of any (RFC 8446, 4.2.4)", nil
			}
			for _, name := range o.AcceptableCAs {
				if i.certificatesOf(name) == 0 {
					return true, "it takes those of " + pki.NameText(name) + ", to which no agent's certificate leads", nil
				}
			}
			return i.secondOfOneName(o.AcceptableCAs)
		},
	}
}

// certificatesOf counts the certificates of the cluster's authorities with that name (DER).
func (i Ingredients) certificatesOf(name []byte) (count int) {
	for _, a := range i.Authorities {
		if bytes.Equal(a.RawSubject, name) {
			count++
		}
	}
	return count
}

// secondOfOneName searches for a foreign authority with the name of one of the cluster's. A name does not show the
// key; only the number of authorities with that name does.
func (i Ingredients) secondOfOneName(trusted [][]byte) (bool, string, error) {
	count := map[string]int{}
	words := make([]string, len(trusted))
	for at, name := range trusted {
		count[string(name)]++
		words[at] = pki.NameText(name)
	}
	for at, name := range trusted {
		switch has, own := count[string(name)], i.certificatesOf(name); {
		case has <= own:
		case i.AllAuthorities:
			return true, fmt.Sprintf("it has %d authorities of the name %s, and agents' certificates lead to %d", has, words[at], own), nil
		default:
			return false, "", fmt.Errorf("it has %d authorities of the name %s, and %d is known: it may be the same one, renewed, or another of that name; compare their keys in its tls.ca_file",
				has, words[at], own)
		}
	}
	return false, "it takes those of " + strings.Join(words, " and "), nil
}
