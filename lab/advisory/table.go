package advisory

import "slices"

// Reasons why no check shows an advisory, that several share.
const (
	noDocker      = "no client of a lab runs the Docker driver, which would call this machine's daemon"
	hostileTask   = "a check would have to run a hostile task on a client"
	hostileClient = "it takes a hostile client, and an allocation that migrates from it"
	endsServer    = "a check would have to end a server"
)

// changeLog is Nomad's own.
const changeLog = "https://github.com/hashicorp/nomad/blob/main/CHANGELOG.md"

// All returns the table, the newest first.
func All() []Advisory {
	return slices.Concat(of2026(), of2025(), of2024(), of2023(), of2022(), ofEarly2022(), until2021())
}

// of2026 are the advisories of 2026.
func of2026() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2026-22", CVE: "CVE-2026-14896",
			Title:    "an operator who may delete host volumes in one namespace deletes a sticky claim of a job in another",
			Affected: []Range{{Since: "1.10.0", Fixed: "1.10.14", EnterpriseOnly: true}, {Since: "1.11.0", Fixed: "1.11.8", EnterpriseOnly: true}, {Since: "2.0.0", Fixed: "2.0.4"}},
			NotShown: "it takes sticky dynamic host volumes in two namespaces, and no cluster is given any",
			Note:     "the bulletin has no first version; dynamic host volumes came with 1.10.0. Nomad's change log puts this CVE's number to another fix",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2026-22-nomad-vulnerable-to-cross-namespace-host-volume-claim-deletion/77562", changeLog},
		},
		{
			ID: "HCSEC-2026-21", CVE: "CVE-2026-14891",
			Title:    "a job mounts a folder of the host into a Docker container although volumes are disabled",
			Affected: []Range{{Fixed: "1.10.14", EnterpriseOnly: true}, {Since: "1.11.0", Fixed: "1.11.8", EnterpriseOnly: true}, {Since: "2.0.0", Fixed: "2.0.4"}},
			NotShown: noDocker,
			Note:     "Nomad's change log puts this CVE's number to another fix",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2026-21-nomad-vulnerable-to-sandbox-escape-in-docker-task-driver/77561", changeLog},
		},
		{
			ID: "HCSEC-2026-19", CVE: "CVE-2026-14373",
			Title:    "a job runs a Docker container in the host's namespaces although privileged containers are not allowed",
			Affected: []Range{{Fixed: "1.10.14", EnterpriseOnly: true}, {Since: "1.11.0", Fixed: "1.11.8", EnterpriseOnly: true}, {Since: "2.0.0", Fixed: "2.0.4"}},
			NotShown: noDocker,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2026-19-nomad-docker-driver-vulnerable-to-host-namespace-bypass-on-linux/77557", changeLog},
		},
		{
			ID: "HCSEC-2026-15", CVE: "CVE-2026-7474",
			Title:    "a user who may create host volumes has a client run any program of its host, by a path in the plugin's name",
			Affected: []Range{{Since: "1.10.0", Fixed: "1.10.11", EnterpriseOnly: true}, {Since: "1.11.0", Fixed: "1.11.5", EnterpriseOnly: true}, {Since: "2.0.0", Fixed: "2.0.1"}},
			NotShown: "a check would have to run a program of the client's host",
			Note:     "the bulletin says before 2.0.1; dynamic host volumes came with 1.10.0",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2026-15-nomad-vulnerable-to-path-traversal-in-dynamic-host-volume-which-may-lead-to-code-execution/77417", "https://github.com/advisories/GHSA-hx53-77qj-8663", changeLog},
		},
		{
			ID: "HCSEC-2026-14", CVE: "CVE-2026-6959",
			Title:    "a task reads and writes files of the client's host, as the agent's user, by links in the place of its log's pipe",
			Affected: []Range{{Fixed: "1.10.11", EnterpriseOnly: true}, {Since: "1.11.0", Fixed: "1.11.5", EnterpriseOnly: true}, {Since: "2.0.0", Fixed: "2.0.1"}},
			NotShown: hostileTask,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2026-14-nomad-arbitrary-file-read-write-on-client-host-through-symlink-attack/77416", "https://github.com/advisories/GHSA-3934-423w-4jq3", changeLog},
		},
	}
}

// of2025 are the advisories of 2025.
func of2025() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2025-12", CVE: "CVE-2025-4922",
			Title:    "a job gets the policy of another job whose name is the beginning of its own",
			Affected: []Range{{Fixed: "1.8.14", EnterpriseOnly: true}, {Since: "1.9.0", Fixed: "1.9.10", EnterpriseOnly: true}, {Since: "1.10.0", Fixed: "1.10.2"}},
			NotShown: "it takes a policy that is bound to a job, and no cluster is given any",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2025-12-nomad-vulnerable-to-incorrect-acl-policy-lookup-attached-to-a-job/75396", changeLog},
		},
		{
			ID: "HCSEC-2025-04", CVE: "CVE-2025-1296",
			Title:    "audit logs and answers of the API have identities of workloads and the client secrets of OIDC in them",
			Affected: []Range{{Fixed: "1.7.19", EnterpriseOnly: true}, {Since: "1.8.0", Fixed: "1.8.11", EnterpriseOnly: true}, {Since: "1.9.0", Fixed: "1.9.7"}},
			NotShown: "it takes audit logs, which are Enterprise's, or an OIDC login",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2025-04-nomad-exposes-sensitive-workload-identity-and-client-secret-token-in-audit-logs/73737", changeLog},
		},
		{
			ID: "HCSEC-2025-02", CVE: "CVE-2025-0937",
			Title:    "a user who may read one namespace reads the events of all",
			Affected: []Range{{Fixed: "1.7.18"}, {Since: "1.8.0", Fixed: "1.8.10", EnterpriseOnly: true}, {Since: "1.9.0", Fixed: "1.9.6"}},
			NotShown: "it takes a token for one namespace and a job in another, and the checks make neither",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2025-02-nomad-vulnerable-to-event-stream-namespace-acl-policy-bypass-through-wildcard-namespace/73191", changeLog},
		},
	}
}

// of2024 are the advisories of 2024.
func of2024() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2024-29", CVE: "CVE-2024-12678",
			Title:    "a user of a namespace reads the identities of its workloads, and has their rights",
			Affected: []Range{{Fixed: "1.7.16", EnterpriseOnly: true}, {Since: "1.8.0", Fixed: "1.8.8", EnterpriseOnly: true}, {Since: "1.9.0", Fixed: "1.9.4"}},
			NotShown: "it takes a token for one namespace, and the checks make none",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2024-29-nomad-allocations-vulnerable-to-privilege-escalation-within-a-namespace-using-unredacted-workload-identity-token/72119"},
		},
		{
			ID: "HCSEC-2024-27", CVE: "CVE-2024-10975",
			Title:    "a user who may write CSI volumes in one namespace creates them in another",
			Affected: []Range{{Fixed: "1.7.15", EnterpriseOnly: true}, {Since: "1.8.0", Fixed: "1.8.7", EnterpriseOnly: true}, {Since: "1.9.0", Fixed: "1.9.2"}},
			NotShown: "it takes a CSI plugin, and no cluster is given any",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2024-27-nomad-vulnerable-to-cross-namespace-volume-creation-abusing-csi-write-permission", changeLog},
		},
		{
			ID: "HCSEC-2024-17", CVE: "CVE-2024-7625",
			Title:    "a hostile client writes outside the folder of an allocation that migrates to another client",
			Affected: []Range{{Since: "0.6.1", Fixed: "1.6.14", EnterpriseOnly: true}, {Since: "1.7.0", Fixed: "1.7.11", EnterpriseOnly: true}, {Since: "1.8.0", Fixed: "1.8.3"}},
			NotShown: hostileClient,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2024-17-nomad-vulnerable-to-allocation-directory-escape-on-non-existing-file-paths-through-archive-unpacking/69293", "https://pkg.go.dev/vuln/GO-2024-3073"},
		},
		{
			ID: "HCSEC-2024-15", CVE: "CVE-2024-6717",
			Title:    "a hostile client writes outside the folder of an allocation that migrates to another client",
			Affected: []Range{{Fixed: "1.6.13", EnterpriseOnly: true}, {Since: "1.7.0", Fixed: "1.7.10", EnterpriseOnly: true}, {Since: "1.8.0", Fixed: "1.8.2"}},
			NotShown: hostileClient,
			Note:     "GitHub and the Go vulnerability database (GO-2026-4278) say fixed in 1.11.1, by a change of something else; the bulletin and the change log say these",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2024-15-nomad-vulnerable-to-allocation-directory-path-escape-through-archive-unpacking/68781", changeLog},
		},
		{
			ID: "HCSEC-2024-03", CVE: "CVE-2024-1329",
			Title:    "a template of a job reads and writes files of the client's host, by links",
			Affected: []Range{{Since: "1.5.13", Fixed: "1.5.14"}, {Since: "1.6.0", Fixed: "1.6.7"}, {Since: "1.7.3", Fixed: "1.7.4"}},
			NotShown: hostileTask,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2024-03-nomad-vulnerable-to-arbitrary-write-through-symlink-attack", "https://pkg.go.dev/vuln/GO-2024-2538"},
		},
	}
}

// of2023 are the advisories of 2023.
func of2023() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2023-22", CVE: "CVE-2023-3300",
			Title:    "the search gives names of CSI plugins to users who may not read them",
			Affected: []Range{{Since: "0.11.0", Fixed: "1.4.11"}, {Since: "1.5.0", Fixed: "1.5.7"}},
			NotShown: "it takes a CSI plugin, and no cluster is given any",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2023-22-nomad-search-api-leaks-information-about-csi-plugins/56272", changeLog},
		},
		{
			ID: "HCSEC-2023-20", CVE: "CVE-2023-3072",
			Title:    "a policy for a namespace without a name is one for another namespace",
			Affected: []Range{{Since: "0.7.0", Fixed: "1.4.11"}, {Since: "1.5.0", Fixed: "1.5.7"}},
			NotShown: "it takes such a policy, and the checks write none",
			Note:     "the Go vulnerability database (GO-2024-2670) says 1.5.6; the change log says 1.5.7",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2023-20-nomad-acl-policies-without-label-are-applied-to-unexpected-resources/56270", changeLog},
		},
		{
			ID: "HCSEC-2023-12", CVE: "CVE-2023-1782",
			Title:    "callers without a token submit jobs through a client's HTTP API",
			Affected: []Range{{Since: "1.5.0", Fixed: "1.5.3"}},
			Checks: []string{
				"server-lets-nobody-register-jobs-without-token",
			},
			Sources: []string{"https://discuss.hashicorp.com/t/hcsec-2023-12-nomad-unauthenticated-client-agent-http-request-privilege-escalation/52375", changeLog},
		},
		{
			ID: "HCSEC-2023-09", CVE: "CVE-2023-1296",
			Title:    "a policy cannot deny a workload its own variables",
			Affected: []Range{{Since: "1.4.0", Fixed: "1.4.6"}, {Since: "1.5.0", Fixed: "1.5.1"}},
			NotShown: "it takes a policy that is bound to a job, and no cluster is given any",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2023-09-nomad-acls-can-not-deny-access-to-workloads-own-variables/51390", changeLog},
		},
		{
			ID: "HCSEC-2023-08", CVE: "CVE-2023-1299",
			Title:    "the identity of a workload without policies is a management token",
			Affected: []Range{{Since: "1.5.0", Fixed: "1.5.1"}},
			Checks: []string{
				"workload-identity-may-not-list-jobs", "workload-identity-may-not-register-jobs", "workload-identity-may-not-read-logs-of-others", "workload-identity-may-not-read-other-jobs-variables", "workload-identity-may-not-list-nodes", "workload-identity-may-not-read-agents", "workload-identity-may-not-read-the-servers-configuration",
			},
			Sources: []string{"https://discuss.hashicorp.com/t/hcsec-2023-08-nomad-job-submitter-privilege-escalation-using-workload-identity/51389", changeLog},
		},
		{
			ID: "HCSEC-2023-05", CVE: "CVE-2023-0821",
			Title:    "a job's artifact fills the client's disk when it is unpacked",
			Affected: []Range{{Since: "1.2.15", Fixed: "1.2.16"}, {Since: "1.3.0", Fixed: "1.3.9"}, {Since: "1.4.0", Fixed: "1.4.4"}},
			NotShown: hostileTask,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2023-05-nomad-client-vulnerable-to-decompression-bombs-in-artifact-block/50292", "https://pkg.go.dev/vuln/GO-2023-1581"},
		},
	}
}

// of2022 are the advisories of May 2022 and later.
func of2022() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2022-26", CVE: "CVE-2022-3867",
			Title:    "who follows events goes on after the token has expired",
			Affected: []Range{{Since: "1.4.0", Fixed: "1.4.2"}},
			NotShown: "a check would have to wait until a token expires",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2022-26-nomad-s-event-stream-subscriber-using-acl-token-with-ttl-receive-updates-until-garbage-collected/46168", "https://pkg.go.dev/vuln/GO-2022-1106"},
		},
		{
			ID: "HCSEC-2022-25", CVE: "CVE-2022-3866",
			Title:    "the identity of a workload lists paths of variables below nomad/",
			Affected: []Range{{Since: "1.4.0", Fixed: "1.4.2"}},
			NotShown: "the checks ask for another job's variables, not for the list of their paths",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2022-25-nomad-s-workload-identity-token-can-list-non-sensitive-metadata-for-nomad-paths/46167", "https://pkg.go.dev/vuln/GO-2022-1105"},
		},
		{
			ID: "HCSEC-2022-22", CVE: "CVE-2022-41606",
			Title:    "a job with a malformed address of an artifact ends a server",
			Affected: []Range{{Fixed: "1.2.13"}, {Since: "1.3.0", Fixed: "1.3.6"}},
			NotShown: endsServer,
			Sources:  []string{"https://pkg.go.dev/vuln/GO-2022-1062"},
		},
		{
			ID: "HCSEC-2022-14", CVE: "CVE-2022-30324",
			Title:    "a job's artifact runs commands on the client's host, by faults of go-getter",
			Affected: []Range{{Since: "0.2.0", Fixed: "1.1.14"}, {Since: "1.2.0", Fixed: "1.2.8"}, {Since: "1.3.0", Fixed: "1.3.1"}},
			NotShown: hostileTask,
			Sources:  []string{"https://pkg.go.dev/vuln/GO-2022-0732", changeLog},
		},
	}
}

// ofEarly2022 are those of February 2022.
func ofEarly2022() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2022-04", CVE: "CVE-2022-24684",
			Title:    "a job with a spread ends a server",
			Affected: []Range{{Since: "0.9.0", Fixed: "1.0.18"}, {Since: "1.1.0", Fixed: "1.1.12"}, {Since: "1.2.0", Fixed: "1.2.6"}},
			NotShown: endsServer,
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2022-04-nomad-spread-job-stanza-may-trigger-panic-in-servers", changeLog},
		},
		{
			ID: "HCSEC-2022-03", CVE: "CVE-2022-24685",
			Title:    "callers without a token have an agent parse jobs until it has no processor left",
			Affected: []Range{{Since: "1.0.0", Fixed: "1.0.18"}, {Since: "1.1.0", Fixed: "1.1.12"}, {Since: "1.2.0", Fixed: "1.2.6"}},
			Checks: []string{
				"server-lets-nobody-parse-jobs-without-token",
			},
			Note:    "the Go vulnerability database says 1.0.17; the change log says 1.0.18",
			Sources: []string{"https://pkg.go.dev/vuln/GO-2022-0577", changeLog},
		},
		{
			ID: "HCSEC-2022-02", CVE: "CVE-2022-24683",
			Title:    "a user who may read files of allocations reads files of the client's host, by links",
			Affected: []Range{{Since: "0.9.2", Fixed: "1.0.18"}, {Since: "1.1.0", Fixed: "1.1.12"}, {Since: "1.2.0", Fixed: "1.2.6"}},
			NotShown: hostileTask,
			Sources:  []string{"https://pkg.go.dev/vuln/GO-2022-0584", changeLog},
		},
		{
			ID: "HCSEC-2022-01", CVE: "CVE-2022-24686",
			Title:    "a client takes one artifact for another",
			Affected: []Range{{Since: "0.3.0", Fixed: "1.0.18"}, {Since: "1.1.0", Fixed: "1.1.12"}, {Since: "1.2.0", Fixed: "1.2.6"}},
			NotShown: hostileTask,
			Sources:  []string{"https://pkg.go.dev/vuln/GO-2022-0600", changeLog},
		},
	}
}

// until2021 are the advisories of 2020 and 2021.
func until2021() []Advisory {
	return []Advisory{
		{
			ID: "HCSEC-2021-31", CVE: "CVE-2021-43415",
			Title:    "a job of the QEMU driver reaches files of the client's host, by arguments of QEMU",
			Affected: []Range{{Fixed: "1.0.14"}, {Since: "1.1.0", Fixed: "1.1.8"}, {Since: "1.2.0", Fixed: "1.2.1"}},
			NotShown: "no client of a lab runs the QEMU driver",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2021-31-nomad-qemu-task-driver-allowed-paths-bypass-with-job-args/32288", changeLog},
		},
		{
			ID: "HCSEC-2021-21", CVE: "CVE-2021-37218",
			Title:    "any agent with a certificate of the authority speaks Raft, and so writes the cluster's state",
			Affected: []Range{{Fixed: "1.0.10"}, {Since: "1.1.0", Fixed: "1.1.4"}},
			Checks: []string{
				"raft-refuses-client-certificate", "raft-refuses-server-of-another-region", "raft-refuses-cli-certificate",
			},
			Sources: []string{"https://discuss.hashicorp.com/t/hcsec-2021-21-nomad-raft-rpc-privilege-escalation/29023", changeLog},
		},
		{
			ID: "HCSEC-2021-14", CVE: "CVE-2021-32575",
			Title:    "a task on a bridge takes the place of another one there (ARP)",
			Affected: []Range{{Fixed: "0.12.12"}, {Since: "1.0.0", Fixed: "1.0.5"}},
			NotShown: "no client of a lab has a bridge, which takes root",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2021-14-nomad-bridge-networking-mode-allows-arp-spoofing-from-other-bridged-tasks-on-same-node/24296", changeLog},
		},
		{
			ID: "HCSEC-2021-01", CVE: "CVE-2021-3283",
			Title:    "tasks of the drivers exec and java see processes of each other",
			Affected: []Range{{Fixed: "0.12.10"}, {Since: "1.0.0", Fixed: "1.0.3"}},
			NotShown: "no client of a lab runs the drivers exec and java, which take root",
			Sources:  []string{"https://discuss.hashicorp.com/t/hcsec-2021-01-nomad-s-exec-and-java-task-drivers-did-not-isolate-processes/20332", changeLog},
		},
		{
			ID: "CVE-2020-7956", CVE: "CVE-2020-7956",
			Title:    "RPC takes certificates of any role and region",
			Affected: []Range{{Fixed: "0.10.3"}},
			Checks: []string{
				"rpc-refuses-cli-certificate", "rpc-refuses-client-of-another-region", "rpc-refuses-certificate-without-role", "rpc-refuses-wildcard-certificate", "raft-refuses-cli-certificate",
			},
			Sources: []string{"https://pkg.go.dev/vuln/GO-2022-0821", changeLog},
		},
		{
			ID: "CVE-2020-7218", CVE: "CVE-2020-7218",
			Title:    "callers without a certificate use up an agent's connections",
			Affected: []Range{{Fixed: "0.10.3"}},
			Checks: []string{
				"server-https-closes-silent-connections", "server-https-closes-half-handshakes", "server-https-closes-slow-requests", "server-https-limits-connections", "client-https-closes-silent-connections", "client-https-closes-half-handshakes", "client-https-closes-slow-requests", "client-https-limits-connections", "rpc-closes-silent-connections", "rpc-closes-unbegun-handshakes", "rpc-closes-half-handshakes", "rpc-limits-connections",
			},
			Sources: []string{"https://pkg.go.dev/vuln/GO-2022-0840", changeLog},
		},
	}
}
