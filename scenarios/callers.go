package scenarios

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// as returns a caller with a certificate of the lab's authority for that role and region.
func as(l *lab.Lab, role pki.Role, region string) (probe.Caller, error) {
	c, err := l.Authority().Issue(pki.Identity{Role: role, Region: region})
	if err != nil {
		return probe.Caller{}, fmt.Errorf("certificate for %s.%s: %w", role, region, err)
	}
	return probe.As(c), nil
}

// asking returns query options whose request ends with ctx. Without them, the API's client waits as long as an agent hangs.
func asking(ctx context.Context) *api.QueryOptions { return (&api.QueryOptions{}).WithContext(ctx) }

// writing is asking for a write.
func writing(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

// stat returns one of the statistics that an agent reports about itself in /v1/agent/self, such as "term" of the group
// "raft". An unknown one is "".
func stat(ctx context.Context, n *lab.Node, group, name string) (string, error) {
	client, err := n.API()
	if err != nil {
		return "", err
	}
	var self api.AgentSelf
	if _, err := client.Raw().Query("/v1/agent/self", &self, asking(ctx)); err != nil {
		return "", fmt.Errorf("ask %s about itself: %w", n.Name(), err)
	}
	return self.Stats[group][name], nil
}
