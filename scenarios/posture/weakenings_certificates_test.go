package posture_test

import (
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// weakenedCertificates are the faults of the agents' own certificates: one `tls.cert_file` each.
func weakenedCertificates() []weakening {
	all := []weakening{{
		id: "client-server-certificate", line: "a server's certificate as `tls.cert_file` on clients",
		spec:   []lab.Option{lab.CertificateRole(pki.Client, pki.Server)},
		breaks: []string{"client-certificate-names-its-own-role", "client-certificate-names-no-second-role"},
	}}
	for _, role := range roles() {
		other := pki.Client
		if role == pki.Client {
			other = pki.Server
		}
		flawed := func(id string, f pki.Flaw, broken string) weakening {
			return weakening{
				id: fmt.Sprintf("%s-%s", role, id), line: fmt.Sprintf("a certificate that is %s as `tls.cert_file` on %ss", f, role),
				spec:   []lab.Option{lab.FlawedCertificates(role, f)},
				breaks: []string{fmt.Sprintf("%s-certificate-%s", role, broken)},
			}
		}
		named := func(id, name, broken string) weakening {
			return weakening{
				id: fmt.Sprintf("%s-%s", role, id), line: fmt.Sprintf("the name %s besides in the certificates of %ss", name, role),
				spec:   []lab.Option{lab.CertificateNames(role, name)},
				breaks: []string{fmt.Sprintf("%s-certificate-%s", role, broken)},
			}
		}
		all = append(all,
			named("two-roles", string(other)+".global.nomad", "names-no-second-role"),
			named("two-regions", string(role)+".eu.nomad", "names-no-second-region"),
			named("wildcard", "*.global.nomad", "has-no-wildcard"),
			flawed("no-eku", pki.NoEKU(), "is-for-tls-alone"),
			flawed("weak-key", pki.WeakKey(), "has-a-strong-key"),
			flawed("can-sign", pki.CanSign(), "cannot-sign"),
			flawed("nearly-expired", pki.NearlyExpired(), "lasts-another-day"),
			flawed("long-lived", pki.LongLived(), "lives-at-most-13-months"),
		)
	}
	return all
}
