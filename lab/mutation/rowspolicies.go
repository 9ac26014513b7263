package mutation

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// QuickPolicies makes clients ask for a policy each time. They would otherwise use a removed policy for another 30 s
// (client/acl.go, resolvePolicies). It weakens nothing.
func QuickPolicies() spec.Option { return spec.Set(pki.Client, "acl.policy_ttl", `"1ms"`) }

// policyRows returns the mutations by ACL policies: one capability each, granted to callers without a token, or to a
// job.
func policyRows() []Mutation {
	var all []Mutation
	for _, c := range []string{
		"read-job", "parse-job", "plan-job", "submit-job", "register-job", "revert-job", "deregister-job", "purge-job", "evaluate-job",
		"tag-job-version", "stable-job", "scale-job", "dispatch-job", "force-periodic-job", "delete-service-registration",
		"read-job-scaling", "list-scaling-policies", "read-scaling-policy", "list-jobs",
		"host-volume-read", "host-volume-create", "host-volume-register", "host-volume-delete",
		"csi-list-volume", "csi-read-volume", "csi-write-volume",
		"fail-deployment", "pause-deployment", "promote-deployment", "unblock-deployment", "set-alloc-health-deployment",
		"read-logs", "read-fs", "alloc-lifecycle", "gc-allocation", "pause-allocation", "alloc-exec",
	} {
		all = append(all, anonymous(c, namespace(c)))
	}
	for _, c := range []string{"list", "read", "write", "destroy"} {
		all = append(all, anonymous("variables-"+c, variables(c)))
	}
	for _, c := range []string{"read", "write", "delete"} {
		all = append(all, anonymous("node-pool-"+c, fmt.Sprintf(`node_pool "*" { capabilities = [%q] }`, c)))
	}
	for _, c := range []string{"snapshot-save", "keyring-read", "keyring-rotate", "keyring-delete"} {
		all = append(all, anonymous(c, fmt.Sprintf(`operator { capabilities = [%q] }`, c)))
	}
	for _, p := range [][2]string{
		{"node", "read"}, {"node", "write"}, {"agent", "read"}, {"agent", "write"}, {"operator", "read"}, {"operator", "write"},
		{"plugin", "list"}, {"plugin", "read"},
	} {
		all = append(all, anonymous(p[0]+"-"+p[1], level(p[0], p[1])))
	}
	return append(all,
		anonymous("in-a-namespace", `namespace "prod" { policy = "write" }`), anonymous("by-a-pattern", `namespace "p*" { capabilities = ["alloc-exec"] }`),
		anonymous("jobs-variables", `namespace "default" { variables { path "nomad/jobs/*" { capabilities = ["read"] } } }`),
		anonymous("reads-elsewhere", `namespace "prod" { policy = "read" }`), anonymous("host-volume", `host_volume "prod*" { policy = "write" }`),
		boundTo("a-job-of-somebody", "billing", level("operator", "write")), boundTo("a-job-that-drains", "billing", level("node", "write")), boundTo("a-job-of-elsewhere", "billing", `namespace "*" { policy = "write" }`),
		boundTo("a-job-of-logs", "billing", `namespace "prod" { capabilities = ["read-logs"] }`), boundTo("a-job-that-deploys", "billing", `namespace "default" { policy = "write" }`), boundTo("a-job-of-volumes", "billing", `host_volume "*" { policy = "write" }`),
		boundTo("a-job-of-variables", "billing", `namespace "default" { variables { path "*" { capabilities = ["write"] } } }`),
		bound("list-jobs", namespace("list-jobs")), bound("submit-job", namespace("submit-job")), bound("read-logs", namespace("read-logs")),
		bound("variables", variables("read")), bound("node-read", level("node", "read")), bound("agent-read", level("agent", "read")),
		bound("operator-read", level("operator", "read")),
	)
}

// accessChecks names the checks of what ACLs permit.
func accessChecks() []string {
	return []string{"*-lets-nobody-*", "*-lets-no-*", "workload-identity-*", "server-rpc-hides-*", "*-token*", "server-anonymous-policy-*", "policies-of-jobs-*"}
}

// namespace returns rules that grant the capability in every namespace.
func namespace(capability string) string {
	return fmt.Sprintf(`namespace "*" { capabilities = [%q] }`, capability)
}

// variables returns rules that grant the capability at every path of every namespace.
func variables(capability string) string {
	return fmt.Sprintf(`namespace "*" { variables { path "*" { capabilities = [%q] } } }`, capability)
}

// level returns rules that grant a level of a block.
func level(block, policy string) string { return fmt.Sprintf("%s { policy = %q }", block, policy) }

// bound grants the rules to the sample job, and so to the identity of its tasks.
func bound(id, rules string) Mutation {
	return boundTo("workload-"+id, catalogue.SampleJobID, rules)
}

// boundTo grants the rules to a job, which need not run.
func boundTo(id, job, rules string) Mutation {
	return granted(id, rules, "a policy that is bound to a job", api.ACLPolicy{
		Name: "too-broad", JobACL: &api.JobACL{Namespace: "default", JobID: job},
	})
}

// granted returns a mutation by one policy, which is put into the running cluster and removed again.
func granted(id, rules, where string, policy api.ACLPolicy) Mutation {
	policy.Rules = rules
	return Mutation{
		ID: id, Scope: Cluster, Change: rules + " in " + where, Checks: accessChecks(), Turns: Policies,
		Live: &Live{
			Do:   func(ctx context.Context, l *lab.Lab) error { return put(ctx, l, policy) },
			Undo: func(ctx context.Context, l *lab.Lab) error { return withdraw(ctx, l, policy.Name) },
		},
	}
}

// anonymous grants the rules to callers without a token.
func anonymous(id, rules string) Mutation {
	return granted("anonymous-"+id, rules, "the policy of the anonymous token", api.ACLPolicy{Name: "anonymous"})
}

// put writes the policy, and waits until every server has it: each resolves rights by its own state.
func put(ctx context.Context, l *lab.Lab, policy api.ACLPolicy) error {
	server, err := l.Servers()[0].API()
	if err != nil {
		return err
	}
	if _, err := server.ACLPolicies().Upsert(&policy, new(api.WriteOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("write the policy %s: %w", policy.Name, err)
	}
	return awaitPolicy(ctx, l, policy.Name, func(got *api.ACLPolicy) bool { return got != nil && got.Rules == policy.Rules })
}

// withdraw removes the policy, and waits until no server has it.
func withdraw(ctx context.Context, l *lab.Lab, name string) error {
	server, err := l.Servers()[0].API()
	if err != nil {
		return err
	}
	if _, err := server.ACLPolicies().Delete(name, new(api.WriteOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("remove the policy %s: %w", name, err)
	}
	return awaitPolicy(ctx, l, name, func(got *api.ACLPolicy) bool { return got == nil })
}

// awaitPolicy waits until is holds for the policy in each server's own state; nil means that the server has none.
func awaitPolicy(ctx context.Context, l *lab.Lab, name string, is func(*api.ACLPolicy) bool) error {
	return eachServer(l, func(n *lab.Node, server *api.Client) error {
		return poll.Until(ctx, fmt.Sprintf("%s to know of the policy %s", n.Name(), name), func(ctx context.Context) string {
			got, _, err := server.ACLPolicies().Info(name, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
			var answer api.UnexpectedResponseError
			if errors.As(err, &answer) && answer.StatusCode() == 404 {
				got, err = nil, nil
			}
			switch {
			case err != nil:
				return err.Error()
			case !is(got):
				return "it does not yet"
			default:
				return ""
			}
		})
	})
}
