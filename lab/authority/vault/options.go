package vault

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Options say what is set up in a Vault server. Every field without "Zero:" is required.
type Options struct {
	// Name is the name of the lab, in the common names of the safe authorities: servers announce these names to callers.
	Name string
	// Address is the URL of the Vault server, such as https://127.0.0.1:8200.
	Address string
	// CA is the authority of Vault's own certificate, in PEM. Zero: the system's authorities.
	CA []byte
	// Published asks for what HashiCorp's published guide sets up, with its paths, names and values. Zero: the safe way.
	Published bool
	// Requests are the certificates that the lab will need. The safe roles allow the names among them and no others.
	Requests []authority.Request
	// TTL is the life of an agent's certificate, at least render.MinTTL. Zero: render.DefaultTTL.
	TTL time.Duration
}

// The lives of the guide's authorities.
const (
	rootTTL         = 87600 * time.Hour
	intermediateTTL = 43800 * time.Hour
)

func (o Options) withDefaults() Options {
	o.TTL = cmp.Or(o.TTL, render.DefaultTTL)
	o.Name = cmp.Or(o.Name, "nomadlab")
	return o
}

func (o Options) validate() error {
	var faults []error
	if o.TTL < render.MinTTL {
		faults = append(faults, fmt.Errorf("%w: %s: write %s or more: consul-template renews after nine tenths of it, and an agent that is told to reload before it is ready ends",
			ErrLifetime, o.TTL, render.MinTTL))
	}
	if o.TTL > intermediateTTL {
		faults = append(faults, fmt.Errorf("%w: %s is beyond the %s of the intermediate authority", ErrLifetime, o.TTL, intermediateTTL))
	}
	if len(o.Requests) == 0 {
		faults = append(faults, fmt.Errorf("%w: no certificate is asked for, so there is no name to allow", spec.ErrInvalid))
	}
	for _, r := range o.Requests {
		if err := r.Identity.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("%w: certificate of %s: %w", spec.ErrInvalid, r.For(), err))
		}
		for _, name := range o.asked(r.Identity) {
			// Vault leaves such a name out of the certificate without an error (builtin/logical/pki/issuing/issue_common.go, hostnameRegex;
			// verified against Vault 1.21.0).
			if strings.Contains(name, "_") {
				faults = append(faults, fmt.Errorf("%w: certificate of %s: %q: Vault takes no name with an underscore: write a hyphen", ErrName, r.For(), name))
			}
		}
	}
	return errors.Join(faults...)
}

// asked returns the names that are asked for in an identity's certificate.
func (o Options) asked(id pki.Identity) []string {
	if o.Published {
		return []string{id.Name()}
	}
	return slices.Concat([]string{id.Name()}, render.AlternativeNames(id))
}

// role is one role of the intermediate mount, with the policy that lets a token use it.
type role struct {
	name, policy string
	// identities are those for which the role issues.
	identities []pki.Identity
	rsa        bool
}

// roles returns the roles that the requests need, in the order of their names.
func (o Options) roles() []role {
	byName := map[string]role{}
	for _, r := range o.Requests {
		name := render.Role(r.Identity, o.Published)
		have := byName[name]
		have.name, have.policy = name, render.Policy(r.Identity, o.Published)
		have.identities = append(have.identities, r.Identity)
		have.rsa = have.rsa || r.RSA
		byName[name] = have
	}
	out := make([]role, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out
}

// regions returns the domains of the requests' regions, such as global.nomad, each once.
func (o Options) regions() []string {
	var out []string
	for _, r := range o.Requests {
		domain := strings.TrimPrefix(r.Identity.Name(), string(r.Identity.Role)+".")
		if !slices.Contains(out, domain) {
			out = append(out, domain)
		}
	}
	return out
}

// names returns the names that the role allows: those of its identities, and no others.
func (r role) names() []string {
	var out []string
	for _, id := range r.identities {
		for _, name := range (Options{}).asked(id) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// parameters returns the role as it is written to Vault. Vault cannot confine the addresses in a certificate: allow_ip_sans is
// all or none (builtin/logical/pki/path_roles.go:516).
func (r role) parameters(o Options) map[string]any {
	if o.Published {
		return map[string]any{
			"allowed_domains": strings.Join(o.regions(), ","), "allow_subdomains": true, "max_ttl": seconds(o.TTL),
			"require_cn": false, "generate_lease": true,
		}
	}
	names := r.names()
	out := map[string]any{
		"allowed_domains": names, "allow_bare_domains": true, "allow_subdomains": false, "allow_glob_domains": false,
		"allow_any_name": false, "allow_localhost": false, "enforce_hostnames": true,
		"allow_wildcard_certificates": slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "*.") }),
		"allow_ip_sans":               true, "allowed_uri_sans": []string{}, "allowed_other_sans": []string{},
		"server_flag": true, "client_flag": true, "code_signing_flag": false, "email_protection_flag": false,
		"key_usage": []string{"DigitalSignature"}, "key_type": "ec", "key_bits": 256,
		"require_cn": true, "ttl": seconds(o.TTL), "max_ttl": seconds(o.TTL), "generate_lease": false, "no_store": true,
	}
	if r.rsa {
		out["key_type"], out["key_bits"] = "rsa", 2048
	}
	return out
}

// rules returns the text of the role's policy. The published one is the guide's, and its tokens have the policy "default" too.
// The safe one names all that a token may do; the root's certificate, which is public, is there because consul-template asks first
// whether it may read the path, and warns if not (dependency/vault_common.go, isKVv2). allowed_parameters keeps out not_after, which overrides a role's max_ttl
// (builtin/logical/pki/issuing/issue_common.go:989; verified against Vault 1.21.0).
func (r role) rules(o Options) string {
	if o.Published {
		return fmt.Sprintf("path %q {\n  capabilities = [\"update\"]\n}\n", render.IntermediateMount+"/issue/"+r.name)
	}
	return fmt.Sprintf(`path %q {
  capabilities = ["update"]
  allowed_parameters = {
    "common_name" = []
    "alt_names"   = []
    "ip_sans"     = []
    "ttl"         = []
  }
}

path %q {
  capabilities = ["read"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
`, render.IntermediateMount+"/issue/"+r.name, render.RootMount+"/cert/ca")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }
