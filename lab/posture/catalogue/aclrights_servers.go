package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// noJob is a complete job that runs nothing.
const noJob = `{"ID":"` + noName + `","Name":"` + noName + `","Type":"batch","Datacenters":["*"],"TaskGroups":[{"Name":"g","Count":0,` +
	`"Tasks":[{"Name":"t","Driver":"raw_exec","Config":{"command":"true"},"Resources":{"CPU":1,"MemoryMB":10}}]}]}`

// registration registers noJob on condition of noIndex.
const registration = `{"EnforceIndex":true,"JobModifyIndex":` + noIndex + `,"Job":` + noJob + `}`

// volumeOfNoPool is a volume for a node pool that does not exist.
const volumeOfNoPool = `{"Volume":{"Name":"` + noName + `","PluginID":"` + noName + `","NodePool":"` + noName + `",` +
	`"RequestedCapabilities":[{"AccessMode":"single-node-writer","AttachmentMode":"file-system"}]}}`

// job returns the path of a job that does not exist.
func job(of string) string { return "/v1/job/" + noName + of }

// registerNothing asks to register a job on a condition that is false.
func registerNothing() probe.Request { return put("/v1/jobs", registration, "job does not exist") }

// jobRights returns the checks of a namespace's rights to read and change jobs.
func (i Ingredients) jobRights() []posture.Spec {
	return append(i.denials(pki.Server, jobReads()...), i.denials(pki.Server, jobWrites()...)...)
}

func jobReads() []right {
	return []right{
		newRight("list jobs", capability("list-jobs"), "nomad/job_endpoint.go:1430", posture.High, get("/v1/jobs")),
		newRight("read jobs", capability("read-job"), "nomad/job_endpoint.go:1215", posture.High, get(job(""), "job not found")),
		newRight("see namespaces", "any capability of a namespace", "nomad/namespace_endpoint.go:512", posture.Low,
			get("/v1/namespace/default")),
		newRight("parse jobs", capability("parse-job")+" (CVE-2022-24685)", "command/agent/job_endpoint.go:952", posture.Medium,
			put("/v1/jobs/parse", `{"JobHCL":"job \"`+noName+`\" {}"}`)),
		newRight("plan jobs", capability("plan-job"), "nomad/job_endpoint.go:1807", posture.Medium,
			put(job("/plan"), `{"Job":`+noJob+`}`)),
		newRight("read how jobs scale", capability("read-job-scaling"), "nomad/job_endpoint.go:2237", posture.Low,
			get(job("/scale"), "job not found")),
		newRight("list scaling policies", capability("list-scaling-policies"), "nomad/scaling_endpoint.go:164", posture.Low,
			get("/v1/scaling/policies")),
		newRight("read scaling policies", capability("read-scaling-policy"), "nomad/scaling_endpoint.go:118", posture.Low,
			get("/v1/scaling/policy/"+noID, "policy not found")),
	}
}

// jobWrites change nothing if they are permitted: the job does not exist, or the change depends on noIndex.
func jobWrites() []right {
	return []right{
		newRight("register jobs", capability("submit-job")+" or \"register-job\" (CVE-2023-1782)", "nomad/job_endpoint.go:161", posture.Critical,
			registerNothing()),
		newRight("revert jobs", capability("revert-job"), "nomad/job_endpoint.go:568", posture.High,
			put(job("/revert"), `{"JobID":"`+noName+`","JobVersion":1}`, noName+`" not found`)),
		newRight("stop jobs", capability("deregister-job"), "nomad/job_endpoint.go:816", posture.High, drop(job(""))),
		newRight("purge jobs", capability("purge-job"), "nomad/job_endpoint.go:816", posture.High, drop(job("?purge=true"))),
		newRight("evaluate jobs", capability("evaluate-job"), "nomad/job_endpoint.go:704", posture.Medium,
			put(job("/evaluate"), `{"JobID":"`+noName+`"}`, "job not found")),
		newRight("tag job versions", capability("tag-job-version"), "nomad/job_endpoint.go:2421", posture.Low,
			drop(job("/versions/"+noName+"/tag"), "not found on job")),
		newRight("call job versions stable", capability("stable-job"), "nomad/job_endpoint.go:650", posture.Medium,
			put(job("/stable"), `{"JobID":"`+noName+`","JobVersion":0,"Stable":true}`, "at version 0 not found")),
		newRight("scale jobs", capability("scale-job"), "nomad/job_endpoint.go:962", posture.High,
			put(job("/scale"), `{"Count":1,"Target":{"Group":"g"}}`, noName+`" not found`)),
		newRight("dispatch jobs", capability("dispatch-job"), "nomad/job_endpoint.go:2016", posture.High,
			put(job("/dispatch"), `{}`, "parameterized job not found")),
		newRight("force periodic jobs", capability("force-periodic-job"), "nomad/periodic_endpoint.go:45", posture.Medium,
			put(job("/periodic/force"), "", "job not found")),
		newRight("delete services", capability("delete-service-registration"), "nomad/service_registration_endpoint.go:130", posture.Medium,
			drop("/v1/service/"+noName+"/"+noID, "service registration not found")),
	}
}

// clusterRights returns the checks of the rights about the cluster itself: its nodes, its servers, its keys.
func (i Ingredients) clusterRights() []posture.Spec {
	return append(i.denials(pki.Server, nodeRights()...), i.denials(pki.Server, operatorRights()...)...)
}

func nodeRights() []right {
	pool := func(c string) string { return fmt.Sprintf("the node_pool capability %q", c) }
	return []right{
		newRight("list nodes", policy("node", "read"), "nomad/node_endpoint.go:1751", posture.High, get("/v1/nodes")),
		newRight("drain nodes", policy("node", "write"), "nomad/node_endpoint.go:1056", posture.High,
			put("/v1/node/"+noID+"/eligibility", `{"Eligibility":"ineligible"}`, "node not found")),
		newRight("read node pools", pool("read"), "nomad/node_pool_endpoint.go:122", posture.Low,
			get("/v1/node/pool/"+noName, "node pool not found")),
		newRight("search node pools", "any capability of a node_pool", "nomad/search_endpoint.go:681", posture.Low,
			put("/v1/search", `{"Prefix":"`+noName+`","Context":"node_pools"}`)),
		newRight("change node pools", pool("write"), "nomad/node_pool_endpoint.go:182", posture.Medium,
			put("/v1/node/pool/default", `{"Name":"default"}`, "modifying node pool")),
		newRight("delete node pools", pool("delete"), "nomad/node_pool_endpoint.go:249", posture.Medium,
			drop("/v1/node/pool/"+noName, "not found")),
		newRight("read agents", policy("agent", "read"), "command/agent/agent_endpoint.go:72", posture.High, get(selfPath)),
		newRight("change agents", policy("agent", "write"), "command/agent/agent_endpoint.go:933", posture.Critical,
			put("/v1/agent/schedulers/config", `{"num_schedulers":-1}`, "Invalid request")),
	}
}

func operatorRights() []right {
	with := func(c string) string { return fmt.Sprintf("the operator capability %q", c) }
	// A permitted snapshot also makes Raft write one of its own, as it does from time to time.
	snapshot := newRight("take a snapshot", with("snapshot-save"), "nomad/operator_endpoint.go:600", posture.Critical, get("/v1/operator/snapshot"))
	snapshot.kind = posture.Intrusive
	return []right{
		newRight("read the servers' configuration", policy("operator", "read"), "nomad/operator_endpoint.go:323", posture.Medium,
			get("/v1/operator/autopilot/configuration")),
		newRight("change the scheduler", policy("operator", "write"), "nomad/operator_endpoint.go:433", posture.High,
			put("/v1/operator/scheduler/configuration?cas="+noIndex, `{"SchedulerAlgorithm":"binpack"}`)),
		snapshot,
		newRight("list encryption keys", with("keyring-read"), "nomad/keyring_endpoint.go:139", posture.Medium, get("/v1/operator/keyring/keys")),
		newRight("rotate encryption keys", with("keyring-rotate"), "nomad/keyring_endpoint.go:48", posture.High,
			put("/v1/operator/keyring/rotate?full=true&publish_time=1", "", "cannot be prepublished and full rotated")),
		newRight("delete encryption keys", with("keyring-delete"), "nomad/keyring_endpoint.go:330", posture.Critical,
			drop("/v1/operator/keyring/key/"+noID, "root key not found")),
	}
}

// storageRights returns the checks of the rights about variables and volumes.
func (i Ingredients) storageRights() []posture.Spec {
	return append(i.denials(pki.Server, variableRights()...), i.denials(pki.Server, volumeRights()...)...)
}

// variableRights are tried at a variable that does not exist, and writes depend on noIndex.
func variableRights() []right {
	in := func(c string) string { return fmt.Sprintf("the capability %q of a namespace's variables", c) }
	const path = "/v1/var/" + noName
	return []right{
		newRight("search variables", "any capability of a namespace's variables", "nomad/search_endpoint.go:695", posture.Medium,
			put("/v1/search?namespace=*", `{"Prefix":"`+noName+`","Context":"vars"}`)),
		newRight("read variables", in("read"), "nomad/variables_endpoint.go:345", posture.Critical, get(path, "variable not found")),
		newRight("write variables", in("write"), "nomad/variables_endpoint.go:168", posture.Critical,
			put(path+"?cas="+noIndex, `{"Path":"`+noName+`","Items":{"nothing":"here"}}`, "409 Conflict")),
		newRight("destroy variables", in("destroy"), "nomad/variables_endpoint.go:168", posture.High,
			drop(path+"?cas="+noIndex, "409 Conflict")),
	}
}

func volumeRights() []right {
	return []right{
		newRight("read host volumes", capability("host-volume-read"), "nomad/task_group_host_volume_claim_endpoint.go:43", posture.Low,
			get("/v1/volumes/claims")),
		newRight("create host volumes", capability("host-volume-create"), "nomad/host_volume_endpoint.go:206", posture.High,
			put("/v1/volume/host/create", volumeOfNoPool, "does not exist")),
		newRight("register host volumes", capability("host-volume-register"), "nomad/host_volume_endpoint.go:315", posture.High,
			put("/v1/volume/host/register", `{"Volume":{"Name":"`+noName+`"}}`, "node ID is required")),
		newRight("delete host volumes", capability("host-volume-delete"), "nomad/host_volume_endpoint.go:658", posture.High,
			drop("/v1/volume/host/"+noID, "no such volume")),
		newRight("list CSI volumes", capability("csi-list-volume"), "nomad/csi_endpoint.go:71", posture.Low, get("/v1/volumes?type=csi")),
		newRight("read CSI volumes", capability("csi-read-volume"), "nomad/csi_endpoint.go:172", posture.Low,
			get("/v1/volume/csi/"+noName, "volume not found")),
		newRight("remove CSI volumes", capability("csi-write-volume"), "nomad/csi_endpoint.go:410", posture.High,
			drop("/v1/volume/csi/"+noName, "volume not found")),
		newRight("list CSI plugins", policy("plugin", "list"), "nomad/csi_endpoint.go:1759", posture.Low, get("/v1/plugins?type=csi")),
		newRight("read CSI plugins", policy("plugin", "read"), "nomad/csi_endpoint.go:1818", posture.Low,
			get("/v1/plugin/csi/"+noName, "plugin not found")),
	}
}
