package catalogue

import (
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// workRights are the rights about what runs. Nomad looks for an allocation or a deployment before it looks at rights, so
// that they can be tried at one alone that there is: the sample job's. Servers pass such requests on to the client that it
// runs on, and look at the rights first; that client looks for itself where it is asked itself.
func (i Ingredients) workRights() []posture.Spec {
	all := i.denials(pki.Server, allocationRights("nomad/client_alloc_endpoint.go", "nomad/client_fs_endpoint.go"))
	all = append(all, i.denials(pki.Server, deploymentRights())...)
	return append(all, i.denials(pki.Client, allocationRights("client/alloc_endpoint.go", "client/fs_endpoint.go"))...)
}

// logsOf asks for what the sample job has written.
func logsOf(w SampleJob) probe.Ask {
	return get("/v1/client/fs/logs/" + w.Alloc + "?task=" + SampleJobTask + "&type=stdout&plain=true")
}

// allocationRights change nothing for whoever is let in: what is asked for contradicts itself, or an allocation that
// runs is to be removed, which Nomad does not do.
func allocationRights(allocs, files string) []right {
	return []right{
		{
			may: "read logs", needs: capability("read-logs") + " (nomad#11676)",
			at: files, severity: posture.Critical,
			of: logsOf,
		},
		{
			may: "read files of tasks", needs: capability("read-fs") + " (nomad#11676)",
			at: files, severity: posture.Critical,
			of: func(w SampleJob) probe.Ask { return get("/v1/client/fs/ls/" + w.Alloc) },
		},
		{
			may: "read what tasks use", needs: capability("read-job"), at: allocs, severity: posture.Low,
			of: func(w SampleJob) probe.Ask { return get("/v1/client/allocation/" + w.Alloc + "/stats") },
		},
		{
			may: "restart tasks", needs: capability("alloc-lifecycle"), at: allocs, severity: posture.High,
			of: func(w SampleJob) probe.Ask {
				return put("/v1/client/allocation/"+w.Alloc+"/restart", `{"TaskName":"`+noName+`","AllTasks":true}`,
					"task name cannot be set when restarting all tasks")
			},
		},
		{
			may: "remove what has ended", needs: capability("gc-allocation"), at: allocs, severity: posture.Medium,
			of: func(w SampleJob) probe.Ask {
				return put("/v1/client/allocation/"+w.Alloc+"/gc", "", "not eligible for GC")
			},
		},
		{
			may: "pause tasks", needs: capability("pause-allocation"), at: allocs, severity: posture.Medium,
			of: func(w SampleJob) probe.Ask {
				return put("/v1/client/allocation/"+w.Alloc+"/pause", `{"Task":"`+noName+`","ScheduleState":"pause"}`,
					"Enterprise only", "Task not found")
			},
		},
	}
}

// deploymentRights change nothing for whoever is let in: the sample job's deployment is over.
func deploymentRights() []right {
	to := func(verb, more, behind string) func(SampleJob) probe.Ask {
		return func(w SampleJob) probe.Ask {
			return put("/v1/deployment/"+verb+"/"+w.Deployment, `{"DeploymentID":"`+w.Deployment+`"`+more+`}`, behind)
		}
	}
	return []right{
		{
			may: "fail deployments", needs: capability("fail-deployment"),
			at: "nomad/deployment_endpoint.go:134", severity: posture.High,
			of: to("fail", "", "can't fail terminal deployment"),
		},
		{
			may: "pause deployments", needs: capability("pause-deployment"),
			at: "nomad/deployment_endpoint.go:184", severity: posture.Medium,
			of: to("pause", `,"Pause":true`, "can't pause terminal deployment"),
		},
		{
			may: "promote deployments", needs: capability("promote-deployment"),
			at: "nomad/deployment_endpoint.go:238", severity: posture.High,
			of: to("promote", `,"All":true`, "can't promote terminal deployment"),
		},
		{
			may: "unblock deployments", needs: capability("unblock-deployment"),
			at: "nomad/deployment_endpoint.go:338", severity: posture.Medium,
			of: to("unblock", "", "can't unblock terminal deployment"),
		},
		{
			may: "judge allocations healthy", needs: capability("set-alloc-health-deployment"),
			at: "nomad/deployment_endpoint.go:443", severity: posture.Medium,
			of: to("allocation-health", `,"HealthyAllocationIDs":["`+noID+`"]`, "can't set health of allocations for a terminal deployment"),
		},
	}
}
