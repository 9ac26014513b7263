package nomadcli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Nomad's defaults (command/tls_ca_create.go:150, command/tls_cert_create.go:142).
const (
	nomadDomain     = "nomad"
	defaultDays     = 1825
	defaultLeafDays = 365
	day             = 24 * time.Hour
)

// Options are the options of the commands. The zero Options give those of `nomad tls ca create` and `nomad tls cert create`
// without flags.
type Options struct {
	// CommonName is -common-name; Nomad appends the serial number. Nomad demands -country, -organization and
	// -organizational-unit beside it, which then have its own default values. Zero: "Nomad Agent CA".
	CommonName string
	// Domain is the -domain of `ca create`. Nomad refuses another one than "nomad" without NameConstraint. Zero: nomad.
	Domain string
	// AdditionalDomains are one -additional-domain each. Without NameConstraint Nomad ignores them.
	AdditionalDomains []string
	// NameConstraint is -name-constraint: the authority may then sign names in Domain, AdditionalDomains, nomad and localhost
	// alone. Nomad refuses it for the domain nomad.
	NameConstraint bool
	// CertificateDomain is the -domain of `cert create`. Nomad 1.11.3 itself refuses the certificates of another domain than
	// nomad: they have server.global.DOMAIN, and it asks for server.global.nomad (nomad/server.go:647; verified against Nomad
	// 1.11.3). Zero: nomad.
	CertificateDomain string
	// TTL is the authority's life, rounded up to whole days. Zero: five years, or a day more than LeafTTL if that is longer.
	TTL time.Duration
	// LeafTTL is the life of each certificate, rounded up to whole days. Zero: Nomad's default, a year.
	LeafTTL time.Duration
}

// Commands returns the command lines that make the authority and a certificate for each request. Each is as a user would type it in
// an empty folder with the authority's files.
func (o Options) Commands(requests ...authority.Request) []string {
	lines := []string{commandLine(o.caCommand())}
	for _, r := range requests {
		lines = append(lines, commandLine(o.of(r).certCommand(r.Identity)))
	}
	return lines
}

func (o Options) domain() string            { return cmp.Or(o.Domain, nomadDomain) }
func (o Options) certificateDomain() string { return cmp.Or(o.CertificateDomain, nomadDomain) }

// caFile and caKeyFile are the names that Nomad gives the authority's files (command/tls_ca_create.go:211).
func (o Options) caFile() string    { return o.domain() + "-agent-ca.pem" }
func (o Options) caKeyFile() string { return o.domain() + "-agent-ca-key.pem" }

// validate returns what is wrong before Nomad is asked: text that is no domain, and lives that no day counts. What Nomad itself
// refuses is left to it.
func (o Options) validate() error {
	var faults []error
	for _, domain := range append([]string{o.domain(), o.certificateDomain()}, o.AdditionalDomains...) {
		if err := (pki.Identity{Role: pki.Server, DNSNames: []string{domain}}).Validate(); err != nil || strings.HasPrefix(domain, "*.") {
			faults = append(faults, fmt.Errorf("domain %q: want a domain such as example.com", domain))
		}
	}
	if o.TTL < 0 || o.LeafTTL < 0 {
		faults = append(faults, errors.New("a negative life: want a positive one, such as 48h"))
	} else if o.leafDays() >= o.days() {
		faults = append(faults, fmt.Errorf(
			"certificates of %d days from an authority of %d: no agent accepts a certificate after its authority has ended; want an authority that lasts longer",
			o.leafDays(), o.days()))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", spec.ErrInvalid, errors.Join(faults...))
	}
	return nil
}

// days returns the authority's life.
func (o Options) days() int {
	if o.TTL != 0 {
		return inDays(o.TTL)
	}
	return max(defaultDays, o.leafDays()+1)
}

// leafDays returns the life of a certificate.
func (o Options) leafDays() int {
	if o.LeafTTL != 0 {
		return inDays(o.LeafTTL)
	}
	return defaultLeafDays
}

// inDays rounds up.
func inDays(life time.Duration) int { return int((life + day - 1) / day) }

// caCommand returns the command line that makes the authority.
func (o Options) caCommand() []string {
	args := []string{"nomad", "tls", "ca", "create"}
	if o.CommonName != "" {
		args = append(args, "-common-name", o.CommonName, "-country", "US", "-organization", "HashiCorp Inc.", "-organizational-unit", "Nomad")
	}
	if o.NameConstraint {
		args = append(args, "-name-constraint=true")
	}
	if o.Domain != "" {
		args = append(args, "-domain", o.Domain)
	}
	for _, domain := range o.AdditionalDomains {
		args = append(args, "-additional-domain", domain)
	}
	if o.days() != defaultDays {
		args = append(args, "-days", strconv.Itoa(o.days()))
	}
	return args
}

// of returns the options for a request, which may have a domain of its own.
func (o Options) of(r authority.Request) Options {
	o.CertificateDomain = cmp.Or(r.Domain, o.CertificateDomain)
	return o
}

// certCommand returns the command line that makes a certificate. Names and addresses that Nomad adds by itself are left out.
func (o Options) certCommand(id pki.Identity) []string {
	args := []string{"nomad", "tls", "cert", "create", "-" + string(id.Role)}
	if region := cmp.Or(id.Region, pki.DefaultRegion); region != pki.DefaultRegion {
		args = append(args, "-region", region)
	}
	if o.CertificateDomain != "" {
		args = append(args, "-domain", o.CertificateDomain)
	}
	if o.certificateDomain() != o.domain() {
		args = append(args, "-ca", o.caFile(), "-key", o.caKeyFile())
	}
	own := []string{o.name(id), "localhost"}
	for _, name := range id.DNSNames {
		if !slices.Contains(own, name) {
			args, own = append(args, "-additional-dnsname", name), append(own, name)
		}
	}
	var addresses []string
	if id.Role != pki.CLI {
		addresses = append(addresses, "127.0.0.1")
	}
	for _, ip := range id.IPs {
		if text := ip.Unmap().String(); !slices.Contains(addresses, text) {
			args, addresses = append(args, "-additional-ipaddress", text), append(addresses, text)
		}
	}
	if o.leafDays() != defaultLeafDays {
		args = append(args, "-days", strconv.Itoa(o.leafDays()))
	}
	return args
}

// name returns the name that Nomad gives the certificate, such as server.global.nomad.
func (o Options) name(id pki.Identity) string {
	return fmt.Sprintf("%s.%s.%s", id.Role, cmp.Or(id.Region, pki.DefaultRegion), o.certificateDomain())
}

// stem returns the beginning of the names of the certificate's files (command/tls_cert_create.go:303).
func (o Options) stem(id pki.Identity) string {
	return fmt.Sprintf("%s-%s-%s", cmp.Or(id.Region, pki.DefaultRegion), id.Role, o.certificateDomain())
}
