package regress

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// held is what was read of a user's certificates, keys and configuration, as one role's agents have it.
type held struct {
	material []Material
	role     pki.Role
	region   string
	// gossip is the servers' gossip key, and inClients that of the clients' files, which need none.
	gossip, inClients string
	// files are the role's configuration. Empty: of both roles.
	files agentconf.Files
	// own is true where the role's agents of the lab have the user's own certificate and key.
	own bool
	// unread are the roles whose configuration names a certificate that was not read.
	unread []pki.Role
}

// held returns what was read, for a role.
func (s Source) held(role pki.Role) held {
	files := s.files(role)
	if role == "" {
		files = nil
	}
	return held{
		files: files, material: s.Material, role: role, region: s.Region, own: s.credential(role) != nil, unread: s.unread(),
		gossip: s.files(pki.Server).Text(serverEncrypt), inClients: s.files(pki.Client).Text(serverEncrypt),
	}
}

// unread are the roles whose configuration names a certificate that was not read.
func (s Source) unread() []pki.Role {
	return slices.DeleteFunc(s.roles(), func(role pki.Role) bool {
		return s.files(role).Text("tls.cert_file") == "" || slices.ContainsFunc(s.Material, func(m Material) bool {
			return m.Role == role && m.Part == PartCertificate && len(m.Certificates) > 0
		})
	})
}

// of are the files of the role that are that part of its credential.
func (h held) of(role pki.Role, part Part) []Material {
	var out []Material
	for _, m := range h.material {
		if m.Part == part && (role == "" || m.Role == role) {
			out = append(out, m)
		}
	}
	return out
}

// trait is something that must be so of none of the certificates and keys that were read. No running agent shows it.
type trait struct {
	id, title, why, what string
	severity             posture.Severity
	settings             []string
	// role is whose files are looked at; empty: all.
	role pki.Role
	// lacks says what there is nothing to look at of; empty where there is.
	lacks func(held) string
	// in returns what is wrong, each in words with its file.
	in func(held) []string
	// control puts real files with the fault into a folder, and returns what is read of them.
	control func(folder, region string) (held, error)
	// rests returns the settings that the promise rests on in these files; nil: all of settings.
	rests func(held) []string
}

// serverEncrypt is the path of the gossip key.
const serverEncrypt = "server.encrypt"

// traits are what certificates, keys and the gossip key are looked at for.
func traits() []trait {
	all := []trait{
		{
			id: "server-gossip-key-is-secret", title: "the servers' gossip key stands in no public documentation, and does not show that somebody made it up", severity: posture.Critical,
			why:  "whoever can guess the key speaks with the servers, and can make itself one that the leader adds to Raft (nomad#9406)",
			what: "a gossip key that can be guessed", settings: []string{serverEncrypt}, role: pki.Server,
			lacks: noGossip, in: guessedGossip, control: func(string, string) (held, error) {
				return held{gossip: catalogue.DocumentedGossipKey}, nil
			},
		},
		{
			id: "client-configuration-has-no-gossip-key", title: "the clients' configuration has no gossip key", severity: posture.High,
			why:  "clients do not gossip, so the key is of no use there, and whoever reads the file speaks with the servers",
			what: "a gossip key among the clients' settings", settings: []string{serverEncrypt}, role: pki.Client,
			lacks: func(held) string { return "" }, in: gossipInClients, control: func(string, string) (held, error) {
				return held{inClients: agentconf.Files{agentconf.NewFile("", []byte(controlSecret))}.Text(serverEncrypt)}, nil
			},
		},
		{
			id: "handed-in-keys-serve-one-role", title: "no private key serves two roles, or an authority and an agent", severity: posture.Critical,
			why:  "whoever has the key has every certificate that was made for it: of a client's and a server's, a client's root task has the server's",
			what: "a private key of several certificates", settings: []string{"tls.key_file", "tls.cert_file"},
			lacks: noCertificates, in: sharedKeys, control: controlSharedKey,
		},
	}
	all = append(all, traitsOfOthers()...)
	all = append(all, traitsOfLines()...)
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		all = append(all,
			trait{
				id: string(role) + "-key-of-authority-lies-elsewhere", title: "no authority's private key lies beside the agent's", severity: posture.Critical,
				why:  "whoever reads it makes certificates of any role; an agent needs the authority's certificate alone (nomad tls ca create writes both into one folder)",
				what: "an authority's private key beside the agent's", settings: []string{"tls.key_file"}, role: role,
				lacks: noKey, in: authorityBeside, control: controlAuthority(role),
			},
			trait{
				id: string(role) + "-ca-file-has-no-other-authority", title: "tls.ca_file has no authority to which no agent's certificate leads", severity: posture.Critical,
				why:  "agents take any certificate that an authority of that file has signed, a server's included, whoever owns the authority",
				what: "an authority to which no agent's certificate leads", settings: []string{"tls.ca_file"}, role: role,
				lacks: notHandedIn, in: foreignAuthorities, control: controlForeign(role),
			},
		)
	}
	return all
}

// traitsOfOthers are what the certificates beside the agents' own are looked at for.
func traitsOfOthers() []trait {
	return []trait{
		{
			id: "handed-in-certificates-name-one-role", title: "no certificate beside the agents' own names two roles, and no cli certificate an agent", severity: posture.Critical,
			why:  "Nomad goes by any name in a certificate, so a person's certificate that names an agent speaks RPC, and Raft if it names a server (nomad/server.go:634)",
			what: "a certificate that names two roles", settings: []string{"tls.ca_file"},
			lacks: noOthers, in: otherCertificates(secondRole), control: controlNamed(func(region string) string { return "client." + region + ".nomad" }),
		},
		{
			id: "handed-in-certificates-name-one-region", title: "no certificate beside the agents' own names two regions", severity: posture.High,
			why:  "a certificate that names two regions is let in by both, to Raft too (verified against Nomad 1.11.3)",
			what: "a certificate that names two regions", settings: []string{"tls.ca_file"},
			lacks: noOthers, in: otherCertificates(secondRegion), control: controlNamed(func(string) string { return "cli.elsewhere.nomad" }),
		},
		{
			id: "handed-in-certificates-have-no-wildcard", title: "no certificate beside the agents' own has a wildcard among its names", severity: posture.High,
			why:  "verify_server_hostname of whoever calls takes a wildcard for server.REGION.nomad, so its holder can pose as a server (crypto/x509 VerifyHostname)",
			what: "a certificate with a wildcard", settings: []string{"tls.ca_file"},
			lacks: noOthers, in: otherCertificates(wildcard), control: controlNamed(func(region string) string { return "*." + region + ".nomad" }),
		},
		{
			id: "handed-in-certificates-cannot-sign", title: "no certificate beside the agents' own that names a role can sign others", severity: posture.Critical,
			why:  "whoever has the key of a certificate that can sign makes itself any role (RFC 5280, 4.2.1.9)",
			what: "a certificate that can sign", settings: []string{"tls.ca_file"},
			lacks: noOthers, in: otherCertificates(signs), control: controlDefective(pki.CanSign()),
		},
		{
			id: "handed-in-certificates-have-strong-keys", title: "every certificate beside the agents' own has a key of at least 2048 bits of RSA, or of 256 of an elliptic curve", severity: posture.High,
			why:  "shorter keys can be broken (NIST SP 800-131A), and agents let in whoever has broken one",
			what: "a key that is too short", settings: []string{"tls.ca_file"},
			lacks: noOthers, in: otherCertificates(shortKey), control: controlDefective(pki.WeakKey()),
		},
	}
}

// mostTold is how many of many faults of a kind are told, as where tls.ca_file is the system's.
const mostTold = 8

// spec looks at what was read; the control is the same look at files of our own that have the fault.
func (t trait) spec(h held) posture.Spec {
	look := func(h held) probe.Observation {
		saw := t.in(h)
		if more := len(saw) - mostTold; more > 0 {
			saw = append(saw[:mostTold:mostTold], fmt.Sprintf("and %d more", more))
		}
		if len(saw) > 0 {
			return probe.Observation{Outcome: probe.Found, Received: strings.Join(saw, "; ")}
		}
		return probe.Observation{Outcome: probe.Absent, Received: "nothing of the kind in " + h.words()}
	}
	rests := t.settings
	if t.rests != nil {
		rests = t.rests(h)
	}
	s := posture.Spec{
		ID: t.id, Title: t.title, Plane: probe.PlaneFiles, Kind: posture.Safe, Severity: t.severity, Why: t.why, Settings: rests,
		Want: posture.Want{probe.Absent}, Lacks: t.lacks(h),
		Probe: probe.New(probe.PlaneFiles, "look for "+t.what+" among what was read", func(context.Context, probe.Target) probe.Observation {
			return look(h)
		}).Classed(probe.Reads()),
		Control: probe.New(probe.PlaneFiles, "look for "+t.what+" where there is one", func(context.Context, probe.Target) probe.Observation {
			return inFolder(func(folder string) probe.Observation {
				wrong, err := t.control(folder, h.region)
				if err != nil {
					return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
				}
				return look(wrong)
			})
		}).Classed(probe.Reads()),
	}
	if t.role != "" {
		s.Roles = []pki.Role{t.role}
	}
	return s
}

// words count what is looked at.
func (h held) words() string {
	certificates, keys := 0, 0
	for _, m := range h.material {
		certificates, keys = certificates+len(m.Certificates), keys+len(m.Keys)
	}
	if len(h.files) > 0 {
		return named(h.files)
	}
	return fmt.Sprintf("%d files with %d certificates and %d private keys", len(h.material), certificates, keys)
}

// inFolder does something with a folder that is gone afterwards.
func inFolder(do func(string) probe.Observation) probe.Observation {
	folder, err := os.MkdirTemp("", "nomadlab-decoy-")
	if err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	defer func() { _ = os.RemoveAll(folder) }()
	return do(folder)
}
