package catalogue

import (
	"fmt"
	"net/http"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// noJob is a job that is whole, and wants to run nothing.
const noJob = `{"ID":"` + noName + `","Name":"` + noName + `","Type":"batch","Datacenters":["*"],"TaskGroups":[{"Name":"g","Count":0,` +
	`"Tasks":[{"Name":"t","Driver":"raw_exec","Config":{"command":"true"},"Resources":{"CPU":1,"MemoryMB":10}}]}]}`

// jobRights are the rights of a namespace about jobs.
func (i Ingredients) jobRights() []posture.Spec {
	return append(i.denials(pki.Server, jobReads()), i.denials(pki.Server, jobWrites())...)
}

// put and drop are requests that would change something, but for those that are in verifiedRequests.
func put(path, body string, behind ...string) probe.Ask {
	return verified(probe.Ask{Method: http.MethodPut, Path: path, Body: body, Behind: behind})
}

func drop(path string, behind ...string) probe.Ask {
	return verified(probe.Ask{Method: http.MethodDelete, Path: path, Behind: behind})
}

// get asks for what there is, or for what there is not.
func get(path string, behind ...string) probe.Ask { return probe.Ask{Path: path, Behind: behind} }

// job is the path of what there is to a job that there is not.
func job(of string) string { return "/v1/job/" + noName + of }

// capability names one of a namespace's.
func capability(name string) string { return fmt.Sprintf("the namespace capability %q", name) }

// registration registers that job at an index that it cannot be at.
const registration = `{"EnforceIndex":true,"JobModifyIndex":` + noIndex + `,"Job":` + noJob + `}`

// registerNothing asks for a job to be changed at an index that it cannot be at.
func registerNothing() probe.Ask { return put("/v1/jobs", registration, "job does not exist") }

func jobReads() []right {
	return []right{
		{
			may: "list jobs", needs: capability("list-jobs"),
			at: "nomad/job_endpoint.go:1430", severity: posture.High,
			ask: get("/v1/jobs"),
		},
		{
			may: "read jobs", needs: capability("read-job"),
			at: "nomad/job_endpoint.go:1215", severity: posture.High,
			ask: get(job(""), "job not found"),
		},
		{
			may: "see namespaces", needs: "any capability of a namespace",
			at: "nomad/namespace_endpoint.go:512", severity: posture.Low,
			ask: get("/v1/namespace/default"),
		},
		{
			may: "parse jobs", needs: capability("parse-job") + " (CVE-2022-24685)",
			at: "command/agent/job_endpoint.go:952", severity: posture.Medium,
			ask: put("/v1/jobs/parse", `{"JobHCL":"job \"`+noName+`\" {}"}`),
		},
		{
			may: "plan jobs", needs: capability("plan-job"),
			at: "nomad/job_endpoint.go:1807", severity: posture.Medium,
			ask: put(job("/plan"), `{"Job":`+noJob+`}`),
		},
		{
			may: "read how jobs scale", needs: capability("read-job-scaling"),
			at: "nomad/job_endpoint.go:2237", severity: posture.Low,
			ask: get(job("/scale"), "job not found"),
		},
		{
			may: "list scaling policies", needs: capability("list-scaling-policies"),
			at: "nomad/scaling_endpoint.go:164", severity: posture.Low,
			ask: get("/v1/scaling/policies"),
		},
		{
			may: "read scaling policies", needs: capability("read-scaling-policy"),
			at: "nomad/scaling_endpoint.go:118", severity: posture.Low,
			ask: get("/v1/scaling/policy/"+noID, "policy not found"),
		},
	}
}

// jobWrites change nothing for whoever is let in: there is no such job, or it would have to be at an index that it is not at.
func jobWrites() []right {
	named := `{"JobID":"` + noName + `"}`
	return []right{
		{
			may: "register jobs", needs: capability("submit-job") + " or \"register-job\" (CVE-2023-1782)",
			at: "nomad/job_endpoint.go:161", severity: posture.Critical,
			ask: registerNothing(),
		},
		{
			may: "revert jobs", needs: capability("revert-job"),
			at: "nomad/job_endpoint.go:568", severity: posture.High,
			ask: put(job("/revert"), `{"JobID":"`+noName+`","JobVersion":1}`, noName+`" not found`),
		},
		{
			may: "stop jobs", needs: capability("deregister-job"),
			at: "nomad/job_endpoint.go:816", severity: posture.High,
			ask: drop(job("")),
		},
		{
			may: "purge jobs", needs: capability("purge-job"),
			at: "nomad/job_endpoint.go:816", severity: posture.High,
			ask: drop(job("?purge=true")),
		},
		{
			may: "evaluate jobs", needs: capability("evaluate-job"),
			at: "nomad/job_endpoint.go:704", severity: posture.Medium,
			ask: put(job("/evaluate"), named, "job not found"),
		},
		{
			may: "tag job versions", needs: capability("tag-job-version"),
			at: "nomad/job_endpoint.go:2421", severity: posture.Low,
			ask: drop(job("/versions/"+noName+"/tag"), "not found on job"),
		},
		{
			may: "call job versions stable", needs: capability("stable-job"),
			at: "nomad/job_endpoint.go:650", severity: posture.Medium,
			ask: put(job("/stable"), `{"JobID":"`+noName+`","JobVersion":0,"Stable":true}`, "at version 0 not found"),
		},
		{
			may: "scale jobs", needs: capability("scale-job"),
			at: "nomad/job_endpoint.go:962", severity: posture.High,
			ask: put(job("/scale"), `{"Count":1,"Target":{"Group":"g"}}`, noName+`" not found`),
		},
		{
			may: "dispatch jobs", needs: capability("dispatch-job"),
			at: "nomad/job_endpoint.go:2016", severity: posture.High,
			ask: put(job("/dispatch"), `{}`, "parameterized job not found"),
		},
		{
			may: "force periodic jobs", needs: capability("force-periodic-job"),
			at: "nomad/periodic_endpoint.go:45", severity: posture.Medium,
			ask: put(job("/periodic/force"), "", "job not found"),
		},
		{
			may: "delete services", needs: capability("delete-service-registration"),
			at: "nomad/service_registration_endpoint.go:130", severity: posture.Medium,
			ask: drop("/v1/service/"+noName+"/"+noID, "service registration not found"),
		},
	}
}
