package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// workRights returns the checks of the rights about running work. Nomad looks for an allocation or a deployment before it
// looks at rights, so they are tried at one that exists: the sample job's. A server checks the rights and then passes the
// request on to the client that runs the allocation. That client checks them itself when it is called directly.
func (i Ingredients) workRights() []posture.Spec {
	all := i.denials(pki.Server, allocationRights("nomad/client_alloc_endpoint.go", "nomad/client_fs_endpoint.go")...)
	all = append(all, i.denials(pki.Server, deploymentRights()...)...)
	return append(all, i.denials(pki.Client, allocationRights("client/alloc_endpoint.go", "client/fs_endpoint.go")...)...)
}

// logsOf asks for the output of the sample job.
func logsOf(j SampleJob) probe.Request {
	return get("/v1/client/fs/logs/" + j.Alloc + "?task=" + SampleJobTask + "&type=stdout&plain=true")
}

// allocationRights change nothing if they are permitted: the request contradicts itself, or asks Nomad to remove an allocation
// that still runs, which it does not do. allocs and files are the source files that look for the rights.
func allocationRights(allocs, files string) []right {
	const path = "/v1/client/allocation/"
	return []right{
		sampleJobRight("read logs", capability("read-logs")+" (nomad#11676)", files, posture.Critical, logsOf),
		sampleJobRight("read files of tasks", capability("read-fs")+" (nomad#11676)", files, posture.Critical,
			func(j SampleJob) probe.Request { return get("/v1/client/fs/ls/" + j.Alloc) }),
		sampleJobRight("read what tasks use", capability("read-job"), allocs, posture.Low,
			func(j SampleJob) probe.Request { return get(path + j.Alloc + "/stats") }),
		sampleJobRight("restart tasks", capability("alloc-lifecycle"), allocs, posture.High, func(j SampleJob) probe.Request {
			return put(path+j.Alloc+"/restart", `{"TaskName":"`+noName+`","AllTasks":true}`, "task name cannot be set when restarting all tasks")
		}),
		sampleJobRight("remove what has ended", capability("gc-allocation"), allocs, posture.Medium,
			func(j SampleJob) probe.Request { return put(path+j.Alloc+"/gc", "", "not eligible for GC") }),
		sampleJobRight("pause tasks", capability("pause-allocation"), allocs, posture.Medium, func(j SampleJob) probe.Request {
			return put(path+j.Alloc+"/pause", `{"Task":"`+noName+`","ScheduleState":"pause"}`, "Enterprise only", "Task not found")
		}),
	}
}

// deploymentRights change nothing if they are permitted: the sample job's deployment is over.
func deploymentRights() []right {
	change := func(may, needs string, line int, severity posture.Severity, verb, more, behind string) right {
		return sampleJobRight(may, capability(needs), fmt.Sprintf("nomad/deployment_endpoint.go:%d", line), severity, func(j SampleJob) probe.Request {
			return put("/v1/deployment/"+verb+"/"+j.Deployment, `{"DeploymentID":"`+j.Deployment+`"`+more+`}`, behind)
		})
	}
	return []right{
		change("fail deployments", "fail-deployment", 134, posture.High, "fail", "", "can't fail terminal deployment"),
		change("pause deployments", "pause-deployment", 184, posture.Medium, "pause", `,"Pause":true`, "can't pause terminal deployment"),
		change("promote deployments", "promote-deployment", 238, posture.High, "promote", `,"All":true`, "can't promote terminal deployment"),
		change("unblock deployments", "unblock-deployment", 338, posture.Medium, "unblock", "", "can't unblock terminal deployment"),
		change("judge allocations healthy", "set-alloc-health-deployment", 443, posture.Medium,
			"allocation-health", `,"HealthyAllocationIDs":["`+noID+`"]`, "can't set health of allocations for a terminal deployment"),
	}
}
