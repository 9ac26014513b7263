package regress

import (
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
)

// serverEncrypt is the path of the gossip key.
const serverEncrypt = "server.encrypt"

// materialChecks returns the checks of certificates, keys and the gossip key.
func materialChecks() []fileCheck {
	all := []fileCheck{
		{
			id: "server-gossip-key-is-secret", title: "the servers' gossip key stands in no public documentation, and does not look made up by hand", severity: posture.Critical,
			why:  "a caller who guesses the key speaks with the servers, and can make itself one that the leader adds to Raft (nomad#9406)",
			what: "a gossip key that can be guessed", settings: []string{serverEncrypt}, role: pki.Server,
			lacks: noGossipKey, wrong: guessableKey, control: func(string, string) (userFiles, error) {
				return userFiles{serverKey: catalogue.DocumentedGossipKey}, nil
			},
		},
		{
			id: "client-configuration-has-no-gossip-key", title: "the clients' configuration has no gossip key", severity: posture.High,
			why:  "clients do not gossip, so the key is of no use there, and a reader of the file can speak with the servers",
			what: "a gossip key among the clients' settings", settings: []string{serverEncrypt}, role: pki.Client,
			wrong: keyOfClients, control: func(string, string) (userFiles, error) {
				return userFiles{clientKey: agentconf.Files{agentconf.NewFile("", []byte(controlSecret))}.Text(serverEncrypt)}, nil
			},
		},
		{
			id: "handed-in-keys-serve-one-role", title: "no private key serves two roles, or an authority and an agent", severity: posture.Critical,
			why:  "the holder of a key has every certificate that was made for it: if a client and a server share one, a client's root task has the server's",
			what: "a private key of several certificates", settings: []string{string(PartKey), certFile},
			lacks: noCertificates, wrong: sharedKeys, control: controlSharedKey,
		},
	}
	all = append(all, otherCertificateChecks()...)
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		all = append(all,
			fileCheck{
				id: string(role) + "-key-of-authority-lies-elsewhere", title: "no authority's private key lies beside the agent's", severity: posture.Critical,
				why:  "its reader makes certificates of any role; an agent needs the authority's certificate alone (nomad tls ca create writes both into one folder)",
				what: "an authority's private key beside the agent's", settings: []string{string(PartKey)}, role: role,
				lacks: noKey, wrong: keysOfAuthorities, control: controlAuthority(role),
			},
			fileCheck{
				id: string(role) + "-ca-file-has-no-other-authority", title: "tls.ca_file has no authority to which no agent's certificate leads", severity: posture.Critical,
				why:  "agents take any certificate that an authority of that file has signed, a server's included",
				what: "an authority to which no agent's certificate leads", settings: []string{string(PartAuthorities)}, role: role,
				lacks: noAuthorities, wrong: foreignAuthorities, control: controlForeign(role),
			},
		)
	}
	return all
}

// otherCertificateChecks returns the checks of the certificates beside the agents' own.
func otherCertificateChecks() []fileCheck {
	all := []fileCheck{
		{
			id: "handed-in-certificates-name-one-role", title: "no certificate beside the agents' own names two roles, and no cli certificate an agent", severity: posture.Critical,
			why:  "Nomad goes by any name in a certificate, so a person's certificate that names an agent speaks RPC, and Raft if it names a server (nomad/server.go:634)",
			what: "a certificate that names two roles", wrong: otherCertificates(namesSecondRole),
			control: controlNamed(func(region string) string { return "client." + region + ".nomad" }),
		},
		{
			id: "handed-in-certificates-name-one-region", title: "no certificate beside the agents' own names two regions", severity: posture.High,
			why:  "a certificate that names two regions is accepted by both, by Raft too (verified against Nomad 1.11.3)",
			what: "a certificate that names two regions", wrong: otherCertificates(namesSecondRegion),
			control: controlNamed(func(string) string { return "cli.elsewhere.nomad" }),
		},
		{
			id: "handed-in-certificates-have-no-wildcard", title: "no certificate beside the agents' own has a wildcard among its names", severity: posture.High,
			why:  "a caller's verify_server_hostname takes a wildcard for server.REGION.nomad, so its holder can pose as a server (crypto/x509 VerifyHostname)",
			what: "a certificate with a wildcard", wrong: otherCertificates(hasWildcard),
			control: controlNamed(func(region string) string { return "*." + region + ".nomad" }),
		},
		{
			id: "handed-in-certificates-cannot-sign", title: "no certificate beside the agents' own that names a role can sign others", severity: posture.Critical,
			why:  "the holder of a certificate that can sign makes itself any role (RFC 5280, 4.2.1.9)",
			what: "a certificate that can sign", wrong: otherCertificates(canSign), control: controlDefective(pki.CanSign()),
		},
		{
			id: "handed-in-certificates-have-strong-keys", title: "every certificate beside the agents' own has a key of at least 2048 bits of RSA, or of 256 of an elliptic curve", severity: posture.High,
			why:  "shorter keys can be broken (NIST SP 800-131A), and agents accept the caller that has broken one",
			what: "a key that is too short", wrong: otherCertificates(hasShortKey), control: controlDefective(pki.WeakKey()),
		},
	}
	for i := range all {
		all[i].settings, all[i].lacks = []string{string(PartAuthorities)}, noOthers
	}
	return all
}
