package posture_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// weakenedACL are the lines of ACL policies, and of the agents' acl blocks.
func weakenedACL() []weakening {
	all := append(anonymousJobs(), anonymousCluster()...)
	all = append(all, anonymousStorage()...)
	all = append(all, anonymousWork()...)
	all = append(all, boundToTheWitness()...)
	return append(append(all, leftReset(), notBootstrapped()), aclLines()...)
}

// quickPolicies has clients ask for a policy each time, as they would else go by one that was withdrawn for 30 s more. It
// weakens nothing.
func quickPolicies() []lab.Option {
	return []lab.Option{lab.Set(pki.Client, "acl.policy_ttl", `"1ms"`)}
}

// granted is a weakening by one policy, which is put into the running lab and taken out again.
func granted(id, line string, policy api.ACLPolicy, breaks ...string) weakening {
	policy.Rules = line
	return weakening{
		id: id, line: line, spec: quickPolicies(), breaks: breaks,
		after: func(ctx context.Context, l *lab.Lab) error { return put(ctx, l, policy) },
		undo:  func(ctx context.Context, l *lab.Lab) error { return withdraw(ctx, l, policy.Name) },
	}
}

// anonymous grants the line to whoever has no token.
func anonymous(id, line string, breaks ...string) weakening {
	w := granted("anonymous-"+id, line, api.ACLPolicy{Name: "anonymous"}, breaks...)
	w.line = line + " in the policy of the anonymous token"
	return w
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
	return everyServer(ctx, l, policy.Name, func(got *api.ACLPolicy) bool { return got != nil && got.Rules == policy.Rules })
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
	return everyServer(ctx, l, name, func(got *api.ACLPolicy) bool { return got == nil })
}

// everyServer waits until each server's own state has the policy as it is to be; nil is none.
func everyServer(ctx context.Context, l *lab.Lab, name string, is func(*api.ACLPolicy) bool) error {
	for _, n := range l.Servers() {
		server, err := n.API()
		if err != nil {
			return err
		}
		err = lab.WaitFor(ctx, fmt.Sprintf("%s to know of the policy %s", n.Name(), name), func(ctx context.Context) string {
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
		if err != nil {
			return err
		}
	}
	return nil
}

// lets is the ID of the check that the role's agents let nobody do that without a token.
func lets(role pki.Role, do string) string {
	return fmt.Sprintf("%s-lets-nobody-%s-without-token", role, strings.ReplaceAll(do, " ", "-"))
}

// namespace is the line of a policy that grants the capability in every namespace.
func namespace(capability string) string {
	return fmt.Sprintf(`namespace "*" { capabilities = [%q] }`, capability)
}

// onServers are weakenings by one capability each, with what it breaks at servers.
func onServers(capabilities [][]string) []weakening {
	var all []weakening
	for _, c := range capabilities {
		var breaks []string
		for _, do := range c[1:] {
			breaks = append(breaks, lets(pki.Server, do))
		}
		all = append(all, anonymous(c[0], namespace(c[0]), breaks...))
	}
	return all
}

func anonymousJobs() []weakening {
	all := onServers([][]string{
		{"read-job", "read jobs", "read how jobs scale"},
		{"parse-job", "parse jobs"},
		{"plan-job", "plan jobs"},
		{"submit-job", "register jobs", "plan jobs", "stop jobs", "scale jobs"},
		{"register-job", "register jobs"},
		{"revert-job", "revert jobs"},
		{"deregister-job", "stop jobs"},
		{"purge-job", "purge jobs", "stop jobs"},
		{"evaluate-job", "evaluate jobs"},
		{"tag-job-version", "tag job versions"},
		{"stable-job", "call job versions stable"},
		{"scale-job", "scale jobs"},
		{"dispatch-job", "dispatch jobs", "force periodic jobs"},
		{"force-periodic-job", "force periodic jobs"},
		{"delete-service-registration", "delete services"},
		{"read-job-scaling", "read how jobs scale"},
		{"list-scaling-policies", "list scaling policies"},
		{"read-scaling-policy", "read scaling policies"},
	})
	return append(all, anonymous("list-jobs", namespace("list-jobs"),
		lets(pki.Server, "list jobs"), lets(pki.Server, "see namespaces"), "server-rpc-hides-jobs-from-clients-certificate"))
}

func anonymousCluster() []weakening {
	pool := func(c string) string { return fmt.Sprintf(`node_pool "*" { capabilities = [%q] }`, c) }
	operator := func(c string) string { return fmt.Sprintf(`operator { capabilities = [%q] }`, c) }
	return []weakening{
		anonymous("node-read", `node { policy = "read" }`,
			lets(pki.Server, "list nodes"), lets(pki.Client, "read what it uses"), "server-rpc-hides-nodes-from-clients-certificate"),
		anonymous("node-write", `node { policy = "write" }`, lets(pki.Server, "drain nodes"), lets(pki.Client, "change its metadata")),
		anonymous("node-pool-read", pool("read"), lets(pki.Server, "read node pools"), lets(pki.Server, "search node pools")),
		anonymous("node-pool-write", pool("write"), lets(pki.Server, "change node pools")),
		anonymous("node-pool-delete", pool("delete"), lets(pki.Server, "delete node pools")),
		anonymous("agent-read", `agent { policy = "read" }`,
			lets(pki.Server, "read agents"), lets(pki.Client, "read agents")),
		anonymous("agent-write", `agent { policy = "write" }`, lets(pki.Server, "change agents"),
			lets(pki.Client, "send it to other servers"), lets(pki.Client, "take profiles")),
		anonymous("operator-read", `operator { policy = "read" }`,
			lets(pki.Server, "read the servers configuration"), "server-rpc-hides-autopilot-from-clients-certificate"),
		anonymous("operator-write", `operator { policy = "write" }`, lets(pki.Server, "change the scheduler"), lets(pki.Server, "take a snapshot")),
		anonymous("snapshot-save", operator("snapshot-save"), lets(pki.Server, "take a snapshot")),
		anonymous("keyring-read", operator("keyring-read"), lets(pki.Server, "list encryption keys")),
		anonymous("keyring-rotate", operator("keyring-rotate"), lets(pki.Server, "rotate encryption keys")),
		anonymous("keyring-delete", operator("keyring-delete"), lets(pki.Server, "delete encryption keys")),
		anonymous("plugin-list", `plugin { policy = "list" }`, lets(pki.Server, "list csi plugins")),
		anonymous("plugin-read", `plugin { policy = "read" }`, lets(pki.Server, "read csi plugins"), lets(pki.Server, "list csi plugins")),
	}
}

func anonymousStorage() []weakening {
	variables := func(c string) string {
		return fmt.Sprintf(`namespace "*" { variables { path "*" { capabilities = [%q] } } }`, c)
	}
	return append(onServers([][]string{
		{"host-volume-read", "read host volumes"},
		{"host-volume-create", "create host volumes"},
		{"host-volume-register", "register host volumes"},
		{"host-volume-delete", "delete host volumes"},
		{"csi-list-volume", "list csi volumes"},
		{"csi-read-volume", "read csi volumes"},
		{"csi-write-volume", "remove csi volumes"},
	}),
		anonymous("variables-list", variables("list"), lets(pki.Server, "search variables")),
		anonymous("variables-read", variables("read"), lets(pki.Server, "read variables")),
		anonymous("variables-write", variables("write"), lets(pki.Server, "write variables")),
		anonymous("variables-destroy", variables("destroy"), lets(pki.Server, "destroy variables")),
	)
}

func anonymousWork() []weakening {
	both := func(capability string, do ...string) weakening {
		var breaks []string
		for _, d := range do {
			breaks = append(breaks, lets(pki.Server, d), lets(pki.Client, d))
		}
		return anonymous(capability, namespace(capability), breaks...)
	}
	return append(onServers([][]string{
		{"fail-deployment", "fail deployments"},
		{"pause-deployment", "pause deployments"},
		{"promote-deployment", "promote deployments"},
		{"unblock-deployment", "unblock deployments"},
		{"set-alloc-health-deployment", "judge allocations healthy"},
	}),
		both("read-logs", "read logs"),
		both("read-fs", "read files of tasks", "read logs"),
		both("alloc-lifecycle", "restart tasks"),
		both("gc-allocation", "remove what has ended"),
		both("pause-allocation", "pause tasks"),
		anonymous("alloc-exec", namespace("alloc-exec"), lets(pki.Server, "run commands in tasks")),
	)
}

// boundToTheWitness are policies that are bound to the job of the checks' own workload, whose identity they widen.
func boundToTheWitness() []weakening {
	bound := func(id, line, may string) weakening {
		w := granted("workload-"+id, line, api.ACLPolicy{
			Name: "too-broad", JobACL: &api.JobACL{Namespace: "default", JobID: catalogue.WitnessJob},
		}, "workload-identity-may-not-"+may)
		w.line = line + " in a policy that is bound to a job"
		return w
	}
	return []weakening{
		bound("list-jobs", namespace("list-jobs"), "list-jobs"),
		bound("submit-job", namespace("submit-job"), "register-jobs"),
		bound("read-logs", namespace("read-logs"), "read-logs-of-others"),
		bound("variables", `namespace "*" { variables { path "*" { capabilities = ["read"] } } }`, "read-other-jobs-variables"),
		bound("node-read", `node { policy = "read" }`, "list-nodes"),
		bound("agent-read", `agent { policy = "read" }`, "read-agents"),
		bound("operator-read", `operator { policy = "read" }`, "read-the-servers-configuration"),
	}
}
