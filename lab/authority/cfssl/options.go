// Package cfssl issues certificates with Cloudflare's cfssl, as a library: what `cfssl gencert` does with the same requests and
// signing policy. A [Source] follows a widely read guide to Nomad and TLS to the letter, or does the same safely.
package cfssl

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/csr"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// defaultTTL is the life that cfssl gives an authority (initca.CAPolicy).
const defaultTTL = 43800 * time.Hour

// backdate is how far cfssl begins certificates in the past, and a minute more because it rounds (signer.FillTemplate). It counts
// a life from there.
const backdate = 6 * time.Minute

// Options say how to issue. The zero Options issue safely: with names in every certificate, and for a week.
type Options struct {
	// AsPublished issues as the guide's commands do: certificates of servers and clients last ten years, longer than their
	// authority; the user's has no name and lasts a year, because its command names neither the policy nor a host. The other
	// options must then be zero.
	AsPublished bool
	// CommonName names the authority. Zero: example.net, as `cfssl print-defaults csr` has it.
	CommonName string
	// TTL is the authority's life. Zero: five years, cfssl's default.
	TTL time.Duration
	// LeafTTL is the life of a certificate; it never exceeds what is left of the authority's. Zero: pki.DefaultLeafTTL.
	LeafTTL time.Duration
}

func (o Options) withDefaults() Options {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.LeafTTL == 0 {
		o.LeafTTL = pki.DefaultLeafTTL
	}
	return o
}

// validate returns all faults. The Options are as the caller gave them.
func (o Options) validate() error {
	var faults []error
	if o.AsPublished && (o != Options{AsPublished: true}) {
		faults = append(faults, errors.New("a name or a life beside AsPublished: the guide has its own; leave them out, or leave AsPublished out"))
	}
	if full := o.withDefaults(); full.TTL < time.Minute || full.LeafTTL < time.Second {
		faults = append(faults, fmt.Errorf("an authority of %s, certificates of %s: want at least a minute and a second", full.TTL, full.LeafTTL))
	} else if full.LeafTTL > full.TTL {
		faults = append(faults, fmt.Errorf(
			"certificates of %s from an authority of %s: no agent accepts a certificate after its authority has ended; want an authority that lasts longer",
			full.LeafTTL, full.TTL))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", spec.ErrInvalid, errors.Join(faults...))
	}
	return nil
}

// publishedPolicy is the guide's cfssl.json.
const publishedPolicy = `{
  "signing": {
    "default": {
      "expiry": "87600h",
      "usages": [
        "signing",
        "key encipherment",
        "server auth",
        "client auth"
      ]
    }
  }
}
`

// policyText returns the content of cfssl.json. The safe one lacks "key encipherment", which ECDSA keys have no use for.
func (o Options) policyText() string {
	if o.AsPublished {
		return publishedPolicy
	}
	text, err := json.MarshalIndent(map[string]any{"signing": map[string]any{"default": map[string]any{
		"expiry": o.LeafTTL.String(), "usages": []string{"signing", "server auth", "client auth"},
	}}}, "", "  ")
	if err != nil {
		panic(err) // text and lists always encode
	}
	return string(text) + "\n"
}

// policy returns the signing policy of cfssl.json.
func (o Options) policy() (*config.Signing, error) {
	c, err := config.LoadConfig([]byte(o.policyText()))
	if err != nil {
		return nil, fmt.Errorf("read the signing policy: %w", err)
	}
	return c.Signing, nil
}

// printedDefaults is what `cfssl print-defaults csr` prints (cli/printdefault/defaults.go).
const printedDefaults = `{
    "CN": "example.net",
    "hosts": [
        "example.net",
        "www.example.net"
    ],
    "key": {
        "algo": "ecdsa",
        "size": 256
    },
    "names": [
        {
            "C": "US",
            "ST": "CA",
            "L": "San Francisco"
        }
    ]
}
`

// authorityRequest returns the request for the authority: the printed defaults, in the safe variant with a life, with room for one
// intermediate, and with the given name.
func (o Options) authorityRequest() (*csr.CertificateRequest, error) {
	r := csr.New()
	if err := json.Unmarshal([]byte(printedDefaults), r); err != nil {
		return nil, fmt.Errorf("read cfssl's default request: %w", err)
	}
	if o.AsPublished {
		return r, nil
	}
	if o.CommonName != "" {
		r.CN, r.Hosts = o.CommonName, nil
	}
	r.CA = &csr.CAConfig{PathLength: 1, Expiry: (o.TTL + backdate).String()}
	return r, nil
}
