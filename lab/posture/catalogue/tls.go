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

// oldTLS are the promises that a door speaks no old TLS. The prefix begins their IDs, the door's name their titles.
func (i Ingredients) oldTLS(prefix, endpoint, logLevel string, h maybeCaller, try func(probe.Caller) probe.Probe) []posture.Spec {
	var all []posture.Spec
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		name := tls.VersionName(version)
		all = append(all, withProbes(posture.Spec{
			ID:       prefix + "-refuses-" + strings.ToLower(strings.ReplaceAll(name, " ", "-")),
			Title:    endpoint + " refuses " + name + ", for its version and not for want of a common suite",
			Severity: posture.High,
			Settings: []string{"tls.tls_min_version"},
			Why:      "tls.tls_min_version: RFC 8996 forbids what is older than TLS 1.2, as it rests on SHA-1 and MD5; with Nomad's default suites nothing but the alert tells whether it would speak it",
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

// speaksNothingOlder reports whether an agent refused a caller who speaks nothing newer than TLS 1.2 for that.
func speaksTLS13Alone(o probe.Observation) bool {
	return o.Outcome == probe.RefusedInHandshake && strings.Contains(o.Received, "protocol version")
}

// orNewer tries again with TLS 1.3 where an agent speaks nothing older.
func orTLS13(try func(probe.Caller) probe.Probe) func(probe.Caller) probe.Probe {
	return func(as probe.Caller) probe.Probe {
		return try(as).Else(try(exactVersion(tls.VersionTLS13)(as)), speaksTLS13Alone)
	}
}

// ofOlder tries what there is up to TLS 1.2 alone: suites that may be weak.
func skipWithTLS13(prefix string, try func(probe.Caller) probe.Probe) func(probe.Caller) probe.Probe {
	none := probe.Nothing{Why: "it speaks nothing older than TLS 1.3, whose suites are all sound", JudgedBy: prefix + "-refuses-tls-1.1"}
	return func(as probe.Caller) probe.Probe {
		return try(as).Unless(func(o probe.Observation) probe.Nothing {
			if speaksTLS13Alone(o) {
				return none
			}
			return probe.Nothing{}
		})
	}
}

// suites are cipher suites of TLS 1.2 with the same weakness, for an agent's key of either kind.
type suites struct {
	id, name, why string
	suites        []uint16
}

// weakSuites are all that Nomad can be made to speak beside the sound ones (helper/tlsutil/config.go:29). An agent whose key is
// ECDSA speaks none without forward secrecy, whatever its configuration allows.
func weakSuites() []suites {
	const (
		cbc = "CBC with HMAC-SHA1 is open to timing attacks (Lucky Thirteen, CVE-2013-0169) and forbidden by RFC 9113, A"
		rsa = "whoever has recorded the connection and gets the agent's key later reads all of it (RFC 9325, 4.1), and padding oracles come back (ROBOT)"
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

// soundSuites are Nomad's default list (helper/tlsutil/config.go:74). An agent may be configured with any of them alone.
func soundSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,
	}
}

// exactly is a caller that speaks this version of TLS alone.
func exactVersion(version uint16) func(probe.Caller) probe.Caller {
	return func(c probe.Caller) probe.Caller { return c.TLSAtLeast(version).TLSAtMost(version) }
}

// speaking is a caller that speaks these suites alone.
func onlySuites(ids []uint16) func(probe.Caller) probe.Caller {
	return func(c probe.Caller) probe.Caller { return c.Suites(ids...) }
}

// trustsOnlyItsOwn is the spec of a look at the authorities that an agent says it trusts. The control is the same look at
// a listener of our own that trusts another one. Whether it may ask for none is judged by the check of that ID.
func (i Ingredients) trustsOnlyItsOwn(s posture.Spec, judgedBy string, h maybeCaller, try func(probe.Caller) probe.Probe) posture.Spec {
	search := func(as probe.Caller) probe.Probe { return probe.Searching(try(as), i.foreignAuthority(judgedBy)) }
	s.Want = posture.Want{probe.Absent}
	asked := h.sends(search)
	if len(i.Authorities) == 0 {
		asked = unavailable("it is not known which authorities the cluster is meant to trust", asked.probe)
	}
	return unlessStandIn(cmp.Or(i.StandIns[pki.Server], i.StandIns[pki.Client]), s, asked, h.atControlServer(trustingControlAuthority(), try, search))
}

// strangeAuthority looks for an authority that is not the cluster's among those that an agent says it trusts. Names are
// compared byte by byte: one in another order of its parts is another name to Nomad too.
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

// certificatesOf counts the certificates of the cluster's authorities of that name (DER).
func (i Ingredients) certificatesOf(name []byte) (count int) {
	for _, a := range i.Authorities {
		if bytes.Equal(a.RawSubject, name) {
			count++
		}
	}
	return count
}

// secondOfOneName looks for an authority that bears the name of one of the cluster's. A name shows no key, but how many
// authorities of the name an agent has.
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
