package pki

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// How long authorities and what they issue last where nothing else is said.
const (
	// DefaultTTL is an authority's life.
	DefaultTTL = 30 * 24 * time.Hour
	// DefaultLeafTTL is an issued certificate's.
	DefaultLeafTTL = 7 * 24 * time.Hour
)

const (
	defaultCommonName = "Nomad Agent CA"
	// skew is how far certificates begin in the past, for clocks that lag: that of the virtual machine in which
	// Docker Desktop runs containers stands still while the computer sleeps, and is set right some time after.
	skew = time.Hour
	// maxCommonName is RFC 5280's ub-common-name.
	maxCommonName = 64
)

// Options say what authority to make. A plain value; the zero Options give an
// unconstrained authority of 30 days that issues certificates of 7 days.
type Options struct {
	// CommonName names the authority, at most 64 characters. Zero: "Nomad Agent
	// CA" and the serial number, as `nomad tls ca create` does. Give each lab,
	// and each authority in a rotation, a name of its own: servers announce
	// these names to callers, so that an unknown one is noticed.
	CommonName string
	// TTL is the authority's life, at least a second. Zero: 30 days.
	TTL time.Duration
	// LeafTTL is the life of an issued certificate, at least a second; it never
	// exceeds what is left of the authority's. Zero: 7 days.
	LeafTTL time.Duration
	// PermittedDNS confines the authority, by critical name constraints, to
	// these domains and what is below them. "localhost" and "nomad" are added,
	// as by `nomad tls ca create -name-constraint` (command/tls_ca_create.go:223):
	// without them no agent's certificate could be issued. Zero: unconstrained.
	PermittedDNS []string
	// Intermediates is how many authorities may stand between this one and a
	// leaf: X.509's path length. Zero: none, it signs leaves alone. One made by
	// `nomad tls ca create` has no limit at all (helper/tlsutil/generate.go:181).
	Intermediates int
	// Now is the clock; it must bear concurrent calls. Zero: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.LeafTTL == 0 {
		o.LeafTTL = DefaultLeafTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.PermittedDNS) > 0 {
		o.PermittedDNS = slices.Clone(o.PermittedDNS)
		for _, needed := range []string{localhostName, nomadDomain} {
			if !slices.Contains(o.PermittedDNS, needed) {
				o.PermittedDNS = append(o.PermittedDNS, needed)
			}
		}
	}
	return o
}

// name returns the common name of the authority.
func (o Options) name() (string, error) {
	if o.CommonName != "" {
		return o.CommonName, nil
	}
	serial, err := newSerial()
	return defaultName(serial), err
}

// defaultName returns the common name that `nomad tls ca create` gives an authority of that serial number.
func defaultName(serial *big.Int) string { return fmt.Sprintf("%s %d", defaultCommonName, serial) }

// validate returns all faults of the options, joined. The defaults must be filled in.
func (o Options) validate() error {
	var faults []error
	if len(o.CommonName) > maxCommonName {
		faults = append(faults, fmt.Errorf("CommonName %q: longer than %d characters", o.CommonName, maxCommonName))
	}
	if strings.TrimSpace(o.CommonName) != o.CommonName {
		faults = append(faults, fmt.Errorf("CommonName %q: begins or ends with a space", o.CommonName))
	}
	if o.TTL < time.Second {
		faults = append(faults, fmt.Errorf("TTL %s: certificates count whole seconds, want at least 1s", o.TTL))
	}
	if o.LeafTTL < time.Second {
		faults = append(faults, fmt.Errorf("LeafTTL %s: certificates count whole seconds, want at least 1s", o.LeafTTL))
	}
	if o.Intermediates < 0 {
		faults = append(faults, fmt.Errorf("intermediates %d: want 0 or more", o.Intermediates))
	}
	for _, domain := range o.PermittedDNS {
		if err := checkDNSName(domain); err != nil {
			faults = append(faults, fmt.Errorf("PermittedDNS %q: %w (a domain also permits what is below it)", domain, err))
		}
	}
	return errors.Join(faults...)
}
