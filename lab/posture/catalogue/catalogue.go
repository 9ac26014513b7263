package catalogue

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Ingredients are what All makes the checks with. A zero field means that there is none: a check that needs it is
// skipped for that reason. All returns the same checks for all Ingredients.
type Ingredients struct {
	// Callers are the callers of each kind of certificate.
	Callers caller.Set
	// Region is the cluster's region; empty means pki.DefaultRegion.
	Region string
	// Management is the secret of a management token.
	Management string
	// NoACL is true for a cluster without an ACL system, in which no caller needs a token.
	NoACL bool
	// Introduction is a token that introduces any client of the node pool "default".
	Introduction string
	// GossipKey is the cluster's, in base64.
	GossipKey string
	// GossipInClear is true for a cluster whose servers accept gossip without a key.
	GossipInClear bool
	// CannotCapture is the reason why this process cannot capture packets; empty where it can.
	CannotCapture string
	// Authorities are the certificates of the authorities that the cluster is meant to trust: those that the agents'
	// own certificates lead to. The agents' files of authorities are not used, as they are what is judged.
	Authorities []*x509.Certificate
	// AllAuthorities is true where Authorities has every certificate of those authorities that any agent has.
	// Otherwise two authorities of one name at an agent may be one that was renewed, or two.
	AllAuthorities bool
	// StandIns gives, for a role, the reason why the certificates of its agents are not the user's own, for example
	// because a lab's certificates stand in for them. Checks of certificates at these agents, and checks of trusted
	// authorities at any agent, are then skipped for that reason. Empty: the certificates are the user's own.
	StandIns map[pki.Role]string
	// Servers are the servers that answer. They are asked about each other and about clients.
	Servers []probe.Target
	// NoClient is true where none of the checked agents is a client. Servers are then asked about all clients that
	// they list.
	NoClient bool
	// Clientless is true where these servers list no client.
	Clientless bool
	// Peers are the addresses (host:port) of the Raft peers that each region is meant to have, by the region's name.
	// Nil: unknown.
	Peers map[string][]string
	// SampleJob is the job that checks of workloads need. Nil: none runs.
	SampleJob *SampleJob
}

// GoString keeps the secrets out of %#v.
func (i Ingredients) GoString() string { return "catalogue.Ingredients{…}" }

// String keeps the secrets out of %v.
func (i Ingredients) String() string { return "the ingredients of checks for region " + i.region() }

// All returns the checks in a fixed order. Their IDs are unique. The error lists every incomplete spec and every
// repeated ID; both are defects of this package.
func All(i Ingredients) ([]posture.Check, error) {
	var (
		checks []posture.Check
		faults []error
		ids    []string
		bounds = lifetimes()
	)
	for _, family := range i.families() {
		for _, spec := range family() {
			if slices.Contains(ids, spec.ID) {
				faults = append(faults, fmt.Errorf("check %q is there twice: give one of them another ID", spec.ID))
			}
			ids = append(ids, spec.ID)
			check, err := posture.New(withLifetime(spec, bounds))
			if err != nil {
				faults = append(faults, err)
				continue
			}
			checks = append(checks, check)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("make the catalogue of checks: %w", err)
	}
	return checks, nil
}

// families returns the families of checks, in the catalogue's order.
func (i Ingredients) families() []func() []posture.Spec {
	return []func() []posture.Spec{
		i.formation, i.registration,
		i.httpsCallers, i.httpsVersions, i.httpsAnswers, i.metrics, i.certificates,
		i.jobRights, i.clusterRights, i.storageRights, i.workRights, i.clientRights,
		i.policies, i.bootstrap, i.workloadIdentity, i.tokenLife, i.introduction, i.agentSettings, i.drivers, i.httpsLimits,
		i.rpcPlaintext, i.rpcCallers, i.rpcRoles, i.rpcRights, i.rogueServers, i.rpcLimits, i.raftCallers,
		i.gossipKeys, i.gossipRing,
		i.network,
	}
}
