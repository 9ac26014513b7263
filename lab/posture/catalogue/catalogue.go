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

// Ingredients are what checks are made with. A zero field is an ingredient that there is none of: what cannot be tried
// without it is skipped for that reason, and nothing is left out of the catalogue.
type Ingredients struct {
	// Callers are who knocks.
	Callers caller.Set
	// Region is the cluster's; empty means pki.DefaultRegion.
	Region string
	// Management is the secret of a management token.
	Management string
	// NoACL is true for a cluster without an ACL system, in which nobody needs a token.
	NoACL bool
	// Introduction is a token that introduces any client of the node pool default.
	Introduction string
	// GossipKey is the cluster's, in base64.
	GossipKey string
	// GossipInClear is true for a cluster whose servers take whoever gossips in the clear.
	GossipInClear bool
	// Deaf says why nobody can listen on the network here; empty where somebody can.
	Deaf string
	// Authorities are the certificates of the authorities that the cluster is meant to trust: to which certificates of its own
	// agents lead. A file of authorities that agents read is what is judged, and so says nothing of it.
	Authorities []*x509.Certificate
	// AllAuthorities is true where Authorities has each certificate of those authorities that any agent has. Else an agent
	// that has two of one name may have an authority that was renewed, or another.
	AllAuthorities bool
	// StandIns says of a role's agents why their certificates say nothing of those that are asked about, as where a lab's own stand in
	// for a user's; empty where they are the ones. What is asked of them is then skipped for that reason, and so is whom any agent
	// trusts: an authority may be that of the certificates that are not here.
	StandIns map[pki.Role]string
	// Servers are the servers that answer, which are asked about each other and about clients.
	Servers []probe.Target
	// NoClient is true where no client is among the agents that are checked, though the cluster may have some: then servers
	// are asked about all clients that they list.
	NoClient bool
	// Clientless is true where these servers list no client at all, so that there is none that could offer anything.
	Clientless bool
	// Peers are the servers that each region is meant to have, by the region's name: the addresses, host:port, by which Raft
	// calls them. Nil: they are not known.
	Peers map[string][]string
	// Sample job is a workload of the checks' own.
	SampleJob *SampleJob
}

// GoString keeps the secrets out of %#v.
func (i Ingredients) GoString() string { return "catalogue.Ingredients{…}" }

// String keeps the secrets out of %v.
func (i Ingredients) String() string { return "the ingredients of checks for region " + i.region() }

// All are the checks, in a fixed order, each with an ID of its own. The error tells of every spec that is not whole and
// of every ID that is there twice: both are faults of this package.
func All(i Ingredients) ([]posture.Check, error) {
	var (
		checks []posture.Check
		faults []error
		ids    []string
	)
	for _, family := range i.families() {
		for _, spec := range family() {
			if slices.Contains(ids, spec.ID) {
				faults = append(faults, fmt.Errorf("check %q is there twice: give one of them another ID", spec.ID))
			}
			ids = append(ids, spec.ID)
			check, err := posture.New(spec)
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

// families are the checks by subject, in the catalogue's order.
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
