package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// workloadIdentity returns the checks of what a task's own identity must not be good for. Every task gets one, and so does an
// intruder in a task. The identity may list and read the variables of its own job: the control shows by that that it is valid.
func (i Ingredients) workloadIdentity() []posture.Spec {
	own := func(c probe.Caller) probe.Probe {
		return probe.HTTPRequest(unforwarded(get("/v1/var/nomad/jobs/"+SampleJobID, "variable not found")), c)
	}
	var specs []posture.Spec
	for _, r := range []right{
		{may: "list jobs", needs: capability("list-jobs"), severity: posture.Medium, ask: get("/v1/jobs")},
		{may: "register jobs", needs: capability("submit-job"), severity: posture.Critical, ask: registerNothing()},
		{may: "read logs of others", needs: capability("read-logs"), severity: posture.High, of: logsOf},
		{may: "read other jobs' variables", needs: "more of a namespace's variables", severity: posture.Critical, ask: get("/v1/var/"+noName, "variable not found")},
		{may: "list nodes", needs: policy("node", "read"), severity: posture.Medium, ask: get("/v1/nodes")},
		{may: "read agents", needs: policy("agent", "read"), severity: posture.High, ask: get(selfPath)},
		{may: "read the servers' configuration", needs: policy("operator", "read"), severity: posture.Medium, ask: get("/v1/operator/autopilot/configuration")},
	} {
		specs = append(specs, i.deniedToWorkload(r, own))
	}
	return specs
}

// deniedToWorkload returns the check that the sample job's identity does not have the right.
func (i Ingredients) deniedToWorkload(r right, own func(probe.Caller) probe.Probe) posture.Spec {
	ask, missing := i.request(r)
	ask, forwardedTo := i.atServer(ask)
	token, noJob := "", NoSampleJob
	if i.SampleJob != nil {
		token, noJob = i.SampleJob.Token, ""
	}
	task := i.tokenlessCaller().orMissing(noJob).withToken(token, "a task's workload identity").orMissing(missing)
	return withProbes(posture.Spec{
		ID:       "workload-identity-may-not-" + inID(r.may),
		Title:    "a task's workload identity may not " + r.may,
		Severity: r.severity, ForwardedTo: forwardedTo, Roles: []pki.Role{pki.Server}, Settings: []string{aclEnabled},
		Why: fmt.Sprintf("CVE-2023-1299: an identity without a policy of its job's has hardly any right; "+
			"no policy that is bound to all jobs of a namespace may grant %s unasked (nomad/auth/auth.go, ResolvePoliciesForClaims; verified against Nomad 1.11.3)", r.needs),
		Want: posture.Want{probe.Denied}, Answer: permissionDenied,
	}, task.sends(func(c probe.Caller) probe.Probe { return probe.HTTPRequest(ask, c) }), task.sends(own))
}
