package regress

import (
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// certificateMutations are of the certificates that stand at the paths of the tls block.
func certificateMutations() []Mutation {
	return append([]Mutation{
		wrongRole(pki.Server, pki.Client, false), wrongRole(pki.Server, pki.CLI, false), wrongRole(pki.Server, pki.Client, true),
		wrongRole(pki.Client, pki.Server, false), wrongRole(pki.Client, pki.CLI, false),
		flawedOne(pki.Expired()),
	}, forBoth(func(role pki.Role) []Mutation {
		other := pki.Client
		if role == pki.Client {
			other = pki.Server
		}
		return []Mutation{
			alsoNamed(role, "two-roles", func(region string) string { return string(other) + "." + region + ".nomad" }),
			alsoNamed(role, "two-regions", func(string) string { return string(role) + ".elsewhere.nomad" }),
			alsoNamed(role, "wildcard", func(region string) string { return "*." + region + ".nomad" }),
			flawed(role, pki.NoEKU()), flawed(role, pki.WeakKey()), flawed(role, pki.CanSign()),
			flawed(role, pki.NearlyExpired()), flawed(role, pki.LongLived()), flawed(role, pki.Expired()),
			flawed(role, pki.Foreign()), flawed(role, pki.IntermediateMissing()),
			foreignAuthority(role),
		}
	})...)
}

const certFile, caFile, keyFile = "tls.cert_file", "tls.ca_file", "tls.key_file"

// issued says why no certificate can be made for agents of the role; empty where it can.
func (v *variant) issued(role pki.Role) string {
	if lacks := v.lacks(role); lacks != "" {
		return lacks
	}
	if v.source.files(role).Text(certFile) == "" {
		return "no tls.cert_file is named"
	}
	c := v.source.Configuration
	if (c.Server.Credential != nil || c.Client.Credential != nil) && c.Authority == nil {
		return "the key of your authority is not among what was handed in"
	}
	return ""
}

// wrongRole gives agents, or one server, a certificate of another role.
func wrongRole(role, as pki.Role, one bool) Mutation {
	m := Mutation{
		ID: fmt.Sprintf("%s-with-certificate-of-%s", role, as), Settings: []string{certFile},
		Line: fmt.Sprintf("%s's certificate as tls.cert_file on %ss", article(as), role),
	}
	if one {
		m.ID, m.Line = "one-"+m.ID, fmt.Sprintf("%s's certificate as tls.cert_file on one %s", article(as), role)
	}
	m.mutate = func(v *variant) string {
		if lacks := v.issued(role); lacks != "" {
			return lacks
		}
		node := ""
		if one {
			last, lacks := v.lastServer()
			if lacks != "" {
				return lacks
			}
			node = last
		}
		v.certificates.Roles = []lab.OtherRole{{Role: role, Node: node, As: as}}
		return ""
	}
	return m
}

// flawed puts one thing wrong with the certificates of a role.
func flawed(role pki.Role, f pki.Flaw) Mutation {
	return Mutation{
		ID:   fmt.Sprintf("%s-certificate-%s", role, f),
		Line: fmt.Sprintf("a certificate that is %s as tls.cert_file on %ss", f, role), Settings: []string{certFile},
		mutate: func(v *variant) string {
			if lacks := v.issued(role); lacks != "" {
				return lacks
			}
			v.certificates.Flaws = []lab.CertificateFlaw{{Role: role, Flaw: f.Name()}}
			return ""
		},
	}
}

// flawedOne puts one thing wrong with the certificate of one server.
func flawedOne(f pki.Flaw) Mutation {
	return Mutation{
		ID:   fmt.Sprintf("one-server-certificate-%s", f),
		Line: fmt.Sprintf("a certificate that is %s as tls.cert_file on one server", f), Settings: []string{certFile},
		mutate: func(v *variant) string {
			if lacks := v.issued(pki.Server); lacks != "" {
				return lacks
			}
			one, lacks := v.lastServer()
			if lacks != "" {
				return lacks
			}
			v.certificates.Flaws = []lab.CertificateFlaw{{Role: pki.Server, Node: one, Flaw: f.Name()}}
			return ""
		},
	}
}

// alsoNamed puts a further name into the certificates of a role.
func alsoNamed(role pki.Role, id string, name func(region string) string) Mutation {
	return Mutation{
		ID: fmt.Sprintf("%s-certificate-%s", role, id), Settings: []string{certFile},
		Line: fmt.Sprintf("the name %s besides in tls.cert_file on %ss", name("REGION"), role),
		mutate: func(v *variant) string {
			if lacks := v.issued(role); lacks != "" {
				return lacks
			}
			v.certificates.Names = []lab.ExtraNames{{Role: role, DNSNames: []string{name(v.source.Region)}}}
			return ""
		},
	}
}

// foreignAuthority puts another authority into the bundle of those that a role trusts.
func foreignAuthority(role pki.Role) Mutation {
	return Mutation{
		ID: fmt.Sprintf("%s-foreign-authority", role), Settings: []string{caFile},
		Line: fmt.Sprintf("a second authority in tls.ca_file on %ss", role),
		mutate: func(v *variant) string {
			if lacks := v.lacks(role); lacks != "" {
				return lacks
			}
			if v.source.files(role).Text(caFile) == "" {
				return "no " + caFile + " is named"
			}
			v.certificates.TrustForeign = []pki.Role{role}
			return ""
		},
	}
}

// fileMutations are of the modes and owners of the user's own files, and of what lies beside them.
func fileMutations() []Mutation {
	return forBoth(func(role pki.Role) []Mutation {
		return []Mutation{
			original(role, "key-for-everybody", "mode 0644 of tls.key_file", HoldsKey, []string{keyFile}, func(o *Original) { o.Mode |= 0o044 }),
			original(role, "key-of-a-stranger", "another owner of tls.key_file", HoldsKey, []string{keyFile}, func(o *Original) { o.Owner = stranger }),
			original(role, "secrets-for-everybody", "mode 0644 of a configuration file with secrets", HoldsSecrets,
				[]string{"server.encrypt", "acl.replication_token"}, func(o *Original) { o.Mode |= 0o044 }),
			{
				ID: fmt.Sprintf("%s-key-of-authority", role), Settings: []string{keyFile},
				Line: fmt.Sprintf("the authority's private key beside tls.key_file on %ss", role),
				mutate: func(v *variant) string {
					if lacks := v.lacksOriginal(role, HoldsKey); lacks != "" {
						return lacks
					}
					v.source.Originals = append(v.source.Originals, Original{
						Role: role, Path: pki.CAKeyFile, Holds: HoldsAuthority, Mode: 0o600,
					})
					return ""
				},
			},
		}
	})
}

// original changes how one kind of the user's files is kept.
func original(role pki.Role, id, line string, holds Holds, settings []string, change func(*Original)) Mutation {
	return Mutation{
		ID: fmt.Sprintf("%s-%s", role, id), Line: fmt.Sprintf("%s on %ss", line, role), Settings: settings,
		mutate: func(v *variant) string {
			if lacks := v.lacksOriginal(role, holds); lacks != "" {
				return lacks
			}
			for i, before := range v.source.Originals {
				if before.Role != role || before.Holds != holds {
					continue
				}
				if change(&v.source.Originals[i]); v.source.Originals[i] == before {
					return before.Path + " is so as it is"
				}
				return ""
			}
			return ""
		},
	}
}

// lacksOriginal says that no file of that kind was read.
func (v *variant) lacksOriginal(role pki.Role, holds Holds) string {
	for _, o := range v.source.Originals {
		if o.Role == role && o.Holds == holds {
			return ""
		}
	}
	return fmt.Sprintf("no file with a %s of a %s was read", holds, role)
}

// onlyFiles says whether the mutation touches nothing that an agent reads: no cluster is needed to see what it does.
func (v variant) onlyFiles(s Source) bool {
	return len(v.settings) == 0 && len(v.certificates.Flaws)+len(v.certificates.Names)+len(v.certificates.Roles)+
		len(v.certificates.TrustForeign) == 0 && v.source.Configuration == s.Configuration
}
