package catalogue

import (
	"context"
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// workloadIdentity is what a task's own identity must not be good for: every task gets one, and with it whoever breaks into
// a task. It may list and read the variables of its own job, which is how the control shows that it is valid.
func (i Ingredients) workloadIdentity() []posture.Spec {
	own := func(c probe.Caller) probe.Probe {
		return probe.HTTPAsk(unforwarded(get("/v1/var/nomad/jobs/"+SampleJobID, "variable not found")), c)
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

// deniedToWorkload is the check that the sample job's identity has not the right.
func (i Ingredients) deniedToWorkload(r right, own func(probe.Caller) probe.Probe) posture.Spec {
	ask, missing := r.ask, ""
	if r.of != nil {
		ask, missing = i.forSampleJob(r.of)
	}
	ask = verified(unforwarded(ask))
	var passedOn func(context.Context, probe.Target) (probe.Target, bool)
	if forwarded(ask) {
		passedOn = i.leaderOf
	}
	var token string
	if i.SampleJob != nil {
		token = i.SampleJob.Token
	}
	holder := i.tokenlessCaller()
	if i.SampleJob == nil {
		holder = holder.orMissing(LacksSampleJob)
	}
	holder = holder.withToken(token, "a task's workload identity").orMissing(missing)
	return withProbes(posture.Spec{
		ID:       "workload-identity-may-not-" + inID(r.may),
		Title:    "a task's workload identity may not " + r.may,
		Severity: r.severity, ForwardedTo: passedOn, Roles: []pki.Role{pki.Server}, Settings: []string{aclEnabled},
		Why: fmt.Sprintf("CVE-2023-1299: an identity without a policy of its job's has hardly any right; "+
			"no policy that is bound to all jobs of a namespace may grant %s unasked (nomad/auth/auth.go, ResolvePoliciesForClaims; verified against Nomad 1.11.3)", r.needs),
		Want: posture.Want{probe.Denied}, Answer: permissionDenied,
	}, holder.sends(func(c probe.Caller) probe.Probe { return probe.HTTPAsk(ask, c) }), holder.sends(own))
}
