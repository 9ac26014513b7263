package posture_test

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// set is a weakening by one line of the configuration of a role's agents.
func setLine(id string, role pki.Role, path, value string, breaks ...string) weakening {
	return weakening{
		id: id, line: inBlocks(path, value) + fmt.Sprintf(" on %ss", role), breaks: breaks,
		spec: []lab.Option{lab.Set(role, path, value)},
	}
}

// inBlocks writes the path as HCL has it: acl.enabled as `acl { enabled = true }`.
func inBlocks(path, value string) string {
	parts := strings.Split(path, ".")
	text := parts[len(parts)-1] + " = " + value
	for at := len(parts) - 2; at >= 0; at-- {
		text = parts[at] + " { " + text + " }"
	}
	return text
}

// aclLines are the lines about rights that are no policy, and those that decide what a job may do to its client.
func aclLines() []weakening {
	return []weakening{
		setLine("client-acl-off", pki.Client, "acl.enabled", "false",
			"client-refuses-unknown-token", lets(pki.Client, "read agents"), lets(pki.Client, "send it to other servers"),
			lets(pki.Client, "read what it uses"), lets(pki.Client, "change its metadata"),
			lets(pki.Client, "read logs"), lets(pki.Client, "read files of tasks"), lets(pki.Client, "restart tasks")),
		setLine("introduction-warn", pki.Server, "server.client_introduction.enforcement", `"warn"`,
			"server-lets-no-client-register-without-introduction"),
		setLine("introduction-none", pki.Server, "server.client_introduction.enforcement", `"none"`,
			"server-lets-no-client-register-without-introduction"),
		setLine("introduction-life", pki.Server, "server.client_introduction.max_identity_ttl", `"8760h"`,
			"introduction-tokens-live-an-hour-at-most"),
		setLine("token-life", pki.Server, "acl.token_max_expiration_ttl", `"87600h"`,
			"server-makes-no-token-that-ends-in-over-a-month"),
		setLine("token-memory", pki.Client, "acl.token_ttl", `"24h"`, "client-forgets-revoked-tokens"),
		setLine("policy-memory", pki.Client, "acl.policy_ttl", `"24h"`, "client-forgets-withdrawn-policies"),
		setLine("root-key", pki.Server, "server.root_key_rotation_threshold", `"87600h"`, "server-rotates-encryption-keys"),
		setLine("raw-exec", pki.Client, "plugin.raw_exec.config.enabled", "true", "client-offers-no-raw-exec"),
		setLine("template-sandbox", pki.Client, "client.template.disable_file_sandbox", "true", "client-templates-stay-in-the-task"),
		setLine("template-functions", pki.Client, "client.template.function_denylist", `["executeTemplate"]`, "client-templates-run-nothing"),
		setLine("artifact-isolation", pki.Client, "client.artifact.disable_filesystem_isolation", "true", "client-isolates-downloads"),
		setLine("artifact-inspection", pki.Client, "client.artifact.disable_artifact_inspection", "true", "client-inspects-downloads"),
		setLine("artifact-environment", pki.Client, "client.artifact.set_environment_variables", `"AWS_SECRET_ACCESS_KEY"`, "client-hands-downloads-no-environment"),
	}
}
