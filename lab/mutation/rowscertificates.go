package mutation

import (
	"fmt"

	"nomadlab.internal/lab/pki"
)

// certificateRows are of the certificates that stand at the paths of the tls block. Agents start with most of them.
func certificateRows() []Mutation {
	return append([]Mutation{
		wrongRole(pki.Server, pki.Client).cutsOff(), wrongRole(pki.Server, pki.CLI).cutsOff(),
		noneFits("servers-with-certificate-of-client", wrongRole(pki.Server, pki.Client)),
		noneFits("servers-certificate-expired", flawed(pki.Server, pki.Expired())),
		wrongRole(pki.Client, pki.Server), wrongRole(pki.Client, pki.CLI).cutsOff(),
	}, forBoth(func(role pki.Role) []Mutation {
		other := pki.Client
		if role == pki.Client {
			other = pki.Server
		}
		return []Mutation{
			named(role, "two-roles", string(other)+"."+regionHere+".nomad"),
			named(role, "two-regions", string(role)+".elsewhere.nomad"),
			named(role, "wildcard", "*."+regionHere+".nomad"),
			flawed(role, pki.NoEKU()), flawed(role, pki.WeakKey()), flawed(role, pki.CanSign()),
			flawed(role, pki.NearlyExpired()), flawed(role, pki.LongLived()), flawed(role, pki.RoleAlone()),
			flawed(role, pki.Expired()).cutsOff(), flawed(role, pki.Foreign()).cutsOff(), flawed(role, pki.IntermediateMissing()).cutsOff(),
		}
	})...)
}

// defective returns a mutation by a certificate with the defect.
func defective(role pki.Role, id, change string, d CertificateDefect) Mutation {
	return Mutation{
		ID: fmt.Sprintf("%s-%s", role, id), Scope: Agent, Role: role, Change: change,
		Settings: []string{certFile}, Certificate: &d,
	}
}

// wrongRole returns a mutation by a certificate of another role.
func wrongRole(role, as pki.Role) Mutation {
	return defective(role, "with-certificate-of-"+string(as), article(as)+"'s certificate as tls.cert_file", CertificateDefect{As: as})
}

// flawed returns a mutation by a certificate with one thing wrong.
func flawed(role pki.Role, f pki.Flaw) Mutation {
	return defective(role, "certificate-"+f.Name(), "a certificate that is "+f.Name()+" as tls.cert_file", CertificateDefect{Flaw: f.Name()})
}

// named returns a mutation by a certificate that bears a further name.
func named(role pki.Role, id, name string) Mutation {
	return defective(role, "certificate-"+id, "the name "+name+" besides in tls.cert_file", CertificateDefect{Name: name})
}

// noneFits has all servers carry the mutation, so that they find no leader.
func noneFits(id string, m Mutation) Mutation {
	m.ID, m.Scope, m.NoLeader, m.Checks = id, Servers, true, clusterChecks()
	return m
}

// fileRows are of the modes and owners of the user's own files, and of what lies beside them.
func fileRows() []Mutation {
	return forBoth(func(role pki.Role) []Mutation {
		kept := func(id, change string, d FileDefect, settings ...string) Mutation {
			return Mutation{
				ID: fmt.Sprintf("%s-%s", role, id), Scope: Agent, Role: role, Change: change, Settings: settings, File: &d,
			}
		}
		return []Mutation{
			kept("key-for-everybody", "mode 0644 of tls.key_file", FileDefect{Holds: holdsKey, Mode: 0o044}, keyFile),
			kept("key-of-a-stranger", "another owner of tls.key_file", FileDefect{Holds: holdsKey, Owner: stranger}, keyFile),
			kept("secrets-for-everybody", "mode 0644 of a configuration file with secrets", FileDefect{Holds: holdsSecrets, Mode: 0o044},
				serverEncrypt, "acl.replication_token"),
			kept("key-of-authority", "the authority's private key beside tls.key_file", FileDefect{Holds: holdsKey, Beside: pki.CAKeyFile}, keyFile),
		}
	})
}

// What files hold, in the words of package regress.
const (
	holdsKey     = "private key"
	holdsSecrets = "configuration with secrets"
)

// stranger is a user that no file belongs to (4294967294 is what Linux gives to unmapped users, 65534 is nobody).
const stranger = 65534
