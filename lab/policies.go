package lab

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/poll"
)

const policySuffix = ".policy.hcl"

// policies are those that every hardened lab knows.
func policies() ([]api.ACLPolicy, error) {
	entries, err := fs.ReadDir(fixtures.Policies, "policies")
	if err != nil {
		return nil, fmt.Errorf("list the policies: %w", err)
	}
	var out []api.ACLPolicy
	for _, e := range entries {
		rules, err := fs.ReadFile(fixtures.Policies, "policies/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read a policy: %w", err)
		}
		description, _, _ := strings.Cut(string(rules), "\n")
		out = append(out, api.ACLPolicy{
			Name:        strings.TrimSuffix(e.Name(), policySuffix),
			Description: strings.TrimPrefix(description, "# "),
			Rules:       string(rules),
		})
	}
	return out, nil
}

// writePolicies makes the policies known in every region. No token has one of them until somebody makes it.
func (l *Lab) writePolicies(ctx context.Context) error {
	all, err := policies()
	if err != nil {
		return err
	}
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return poll.Until(ctx, "the policies of region "+region+" to be written", func(ctx context.Context) string {
			c, err := l.ask(region)
			for i := 0; i < len(all) && err == nil; i++ {
				_, err = c.ACLPolicies().Upsert(&all[i], write(ctx))
			}
			return text(err)
		})
	})
}
