package mutation

import (
	"fmt"

	"nomadlab.internal/lab/pki"
)

// certificateRows returns the mutations of the certificates of the tls block. Agents start with most of them.
func certificateRows() []Mutation {
	return append([]Mutation{
		wrongRole(pki.Server, pki.Client).cutsOff(), wrongRole(pki.Server, pki.CLI).cutsOff(),
		ofAllServers("servers-with-certificate-of-client", wrongRole(pki.Server, pki.Client)),
		ofAllServers("servers-certificate-expired", withDefect(pki.Server, pki.Expired())),
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
			withDefect(role, pki.NoEKU()), withDefect(role, pki.WeakKey()), withDefect(role, pki.CanSign()),
			withDefect(role, pki.NearlyExpired()), withDefect(role, pki.LongLived()), withDefect(role, pki.RoleAlone()),
			withDefect(role, pki.Expired()).cutsOff(), withDefect(role, pki.Foreign()).cutsOff(), withDefect(role, pki.IntermediateMissing()).cutsOff(),
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
	return defective(role, "with-certificate-of-"+string(as), "a "+string(as)+"'s certificate as tls.cert_file", CertificateDefect{As: as})
}

// withDefect returns a mutation by a certificate with one thing wrong.
func withDefect(role pki.Role, d pki.Defect) Mutation {
	return defective(role, "certificate-"+d.Name(), "a certificate that is "+d.Name()+" as tls.cert_file", CertificateDefect{Defect: d.Name()})
}

// named returns a mutation by a certificate that bears a further name.
func named(role pki.Role, id, name string) Mutation {
	return defective(role, "certificate-"+id, "the name "+name+" besides in tls.cert_file", CertificateDefect{Name: name})
}

// ofAllServers makes all servers carry the mutation, so that they find no leader.
func ofAllServers(id string, m Mutation) Mutation {
	m.ID, m.Scope, m.NoLeader, m.Checks = id, Servers, true, clusterChecks()
	return m
}

// fileRows returns the mutations of the modes and owners of the user's own files, and of files beside them.
func fileRows() []Mutation {
	return forBoth(func(role pki.Role) []Mutation {
		kept := func(id, change string, d FileDefect, settings ...string) Mutation {
			return Mutation{
				ID: fmt.Sprintf("%s-%s", role, id), Scope: Agent, Role: role, Change: change, Settings: settings, File: &d,
			}
		}
		return []Mutation{
			kept("key-for-everybody", "mode 0644 of tls.key_file", FileDefect{Holds: holdsKey, Mode: 0o044}, keyFile),
			kept("key-of-another-owner", "another owner of tls.key_file", FileDefect{Holds: holdsKey, Owner: otherOwner}, keyFile),
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

// otherOwner is the user ID 65534, which is nobody on Linux and owns no file.
const otherOwner = 65534
