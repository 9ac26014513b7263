package scenarios

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// as is a caller with a sound certificate of the lab's authority.
func as(l *lab.Lab, role pki.Role, region string) (probe.Caller, error) {
	c, err := l.Authority().Issue(pki.Identity{Role: role, Region: region})
	if err != nil {
		return probe.Caller{}, fmt.Errorf("certificate for %s.%s: %w", role, region, err)
	}
	return probe.As(c), nil
}

// defective is a caller with a server's certificate that has one thing wrong with it.
func defective(l *lab.Lab, region string, f pki.Defect) (probe.Caller, error) {
	c, err := l.Authority().IssueDefective(pki.Identity{Role: pki.Server, Region: region}, f)
	if err != nil {
		return probe.Caller{}, fmt.Errorf("%s certificate: %w", f, err)
	}
	return probe.As(c).Called(fmt.Sprintf("a certificate for server.%s.nomad that is %s", region, f)), nil
}

// agents are the servers and clients that belong to the lab.
func agents(l *lab.Lab) []*lab.Node { return append(l.Servers(), l.Clients()...) }

// asking bounds a question to Nomad's API by the step's time. Without it, the API's client waits for an agent that hangs
// for as long as that hangs.
func asking(ctx context.Context) *api.QueryOptions { return (&api.QueryOptions{}).WithContext(ctx) }

// writing does the same for what changes something.
func writing(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }
