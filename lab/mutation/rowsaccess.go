package mutation

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// accessRows returns the mutations of the acl blocks, of the admission of clients, and of keys. What the leader alone
// decides is also carried by all servers.
func accessRows() []Mutation {
	clientNoACL := setLine(pki.Client, "no-acl", aclEnabled, "false")
	clientNoACL.Sharing = NeedsSampleJob
	serverNoACL := setLine(pki.Server, "no-acl", aclEnabled, "false")
	serverNoACL.Sharing = Extra // a cluster that it leads cannot bootstrap ACLs, and clients ask any server about a token
	otherPool := setLine(pki.Client, "other-pool", "client.node_pool", `"elsewhere"`).cutsOff()
	return []Mutation{
		setLineOfAll("no-acl", aclEnabled, "false"),
		serverNoACL,
		clientNoACL,
		setLine(pki.Server, "introduction-warn", "server.client_introduction.enforcement", `"warn"`).everywhere(),
		setLine(pki.Server, "introduction-none", "server.client_introduction.enforcement", `"none"`).everywhere(),
		setLine(pki.Server, "introduction-life", "server.client_introduction.max_identity_ttl", `"8760h"`).everywhere(),
		setLine(pki.Server, "token-life", "acl.token_max_expiration_ttl", `"87600h"`).everywhere(),
		setLine(pki.Server, "root-key", "server.root_key_rotation_threshold", `"87600h"`),
		setLine(pki.Server, "old-root-keys", "server.root_key_gc_threshold", `"87600h"`),
		setLine(pki.Server, "root-key-interval", "server.root_key_gc_interval", `"87600h"`),
		setLine(pki.Server, "dead-servers", "autopilot.cleanup_dead_servers", "false"),
		setLine(pki.Client, "token-memory", "acl.token_ttl", `"24h"`),
		setLine(pki.Client, "policy-memory", "acl.policy_ttl", `"24h"`),
		otherPool, bootstrapReset(), notBootstrapped(),
	}
}

// workloadRows returns the mutations of what a job may do to its client.
func workloadRows() []Mutation {
	rawExec := setLine(pki.Client, "raw-exec", "plugin.raw_exec.config.enabled", "true")
	rawExec.Sharing = Alone // on bare loopback no agent of a cluster that lacks anything else may run it
	return []Mutation{
		rawExec,
		setLine(pki.Client, "template-sandbox", "client.template.disable_file_sandbox", "true"),
		setLine(pki.Client, "template-functions", "client.template.function_denylist", `["executeTemplate"]`),
		setLine(pki.Client, "artifact-isolation", "client.artifact.disable_filesystem_isolation", "true"),
		setLine(pki.Client, "artifact-inspection", "client.artifact.disable_artifact_inspection", "true"),
		setLine(pki.Client, "artifact-environment", "client.artifact.set_environment_variables", `"AWS_SECRET_ACCESS_KEY"`),
	}
}

// notBootstrapped returns the mutation by a cluster whose clients, if it had any, could ask for the first management
// token.
func notBootstrapped() Mutation {
	return Mutation{
		ID: "not-bootstrapped", Scope: Cluster, Change: "no nomad acl bootstrap before clients are admitted",
		Lab: []spec.Option{spec.NotBootstrapped()}, NoClients: true,
	}
}

// bootstrapReset returns the mutation by the file with which an operator who has lost the management token bootstraps
// the ACLs again, left behind. Nomad reads it for each such request (nomad/acl_endpoint.go, fileBootstrapResetIndex).
func bootstrapReset() Mutation {
	return Mutation{
		ID: "bootstrap-reset", Scope: Cluster, Checks: accessChecks(), Turns: Policies,
		Change: "a file acl-bootstrap-reset, with the index of the bootstrap, in data_dir/server of servers",
		Live: &Live{
			Do: func(ctx context.Context, l *lab.Lab) error {
				return changeResetFiles(ctx, l, func(index uint64, file string) []string {
					return []string{"sh", "-c", fmt.Sprintf("echo %d > '%s'", index, file)}
				})
			},
			Undo: func(ctx context.Context, l *lab.Lab) error {
				return changeResetFiles(ctx, l, func(_ uint64, file string) []string { return []string{"rm", "-f", file} })
			},
		},
	}
}

// changeResetFiles runs the command on each server, with the index of the bootstrap and the path of the file.
func changeResetFiles(ctx context.Context, l *lab.Lab, command func(index uint64, file string) []string) error {
	return eachServer(l, func(n *lab.Node, server *api.Client) error {
		data, err := inspect.DataDir(ctx, n)
		if err != nil {
			return err
		}
		token, _, err := server.ACLTokens().Self(new(api.QueryOptions).WithContext(ctx)) // which the bootstrap made, at its index
		if err != nil {
			return fmt.Errorf("ask for the index of the bootstrap: %w", err)
		}
		var stderr bytes.Buffer
		code, err := n.Exec(ctx, engine.Command{
			Args:    command(token.CreateIndex, path.Join(data, "server", "acl-bootstrap-reset")),
			Streams: engine.Streams{Stderr: &stderr},
		})
		if err != nil {
			return fmt.Errorf("change the file of %s: %w", n.Name(), err)
		}
		if code != 0 {
			return fmt.Errorf("change the file of %s: the command ended with %d: %s", n.Name(), code, stderr.String())
		}
		return nil
	})
}
