package catalogue

import (
	"context"
	"fmt"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// What no cluster has. A request for it is answered with "not found" to whoever may ask, and changes nothing.
const (
	// noName fits wherever Nomad wants the name of a job, a variable, a volume and the like.
	noName = "nomadlab-none"
	// noID fits wherever Nomad wants the UUID of something that it has made itself.
	noID = "00000000-0000-4000-8000-000000000000"
	// noIndex is a Raft index that no cluster has reached, so that whatever is to happen at that index alone does not.
	noIndex = "9007199254740991"
)

// right is something that an ACL token of the right policy may do, tried in a way that changes nothing for whoever is let
// in: it reads, or it asks for what there is not, or what cannot be done.
type right struct {
	// may says what, as it follows "may": "list jobs".
	may string
	// needs is the line of a policy that grants it.
	needs string
	// at is where Nomad looks for that line.
	at       string
	severity posture.Severity
	// kind is zero for the one that follows from the class of the request.
	kind posture.Kind
	ask  probe.Ask
	// of is the sample job's part in it; nil for a right that needs no workload.
	of func(SampleJob) probe.Ask
}

// denied is the check that the side's agents deny the right to whoever has a certificate and no token. Its control is the
// same request with a management token. Tokens and policies are of one state; that an agent looks at them at all is a line of
// its own configuration. Of what a server passes on to the leader, the leader's line decides (Spec.PassedOn).
func (i Ingredients) denied(role pki.Role, r right) posture.Spec {
	ask, missing := r.ask, ""
	if r.of != nil {
		ask, missing = i.forSampleJob(r.of)
	}
	var passedOn func(context.Context, probe.Target) (probe.Target, bool)
	if role == pki.Server {
		ask = verified(unforwarded(ask))
		if forwarded(ask) {
			passedOn = i.leaderOf
		}
	}
	do := func(c probe.Caller) probe.Probe {
		p := probe.HTTPAsk(ask, c)
		if role == pki.Client && r.of != nil {
			p = p.Only(i.runsElsewhere)
		}
		return p
	}
	return withProbes(posture.Spec{
		ID:    lets(role, r.may),
		Title: fmt.Sprintf("a %s lets nobody %s without an ACL token", role, r.may),
		Kind:  r.kind, Severity: r.severity, Roles: []pki.Role{role}, ForwardedTo: passedOn,
		Settings: []string{aclEnabled},
		Why:      withoutToken(r.needs, r.at),
		Want:     posture.Want{probe.Denied}, Answer: permissionDenied,
	}, i.tokenlessCaller().orMissing(missing).sends(do), i.managementCaller().orMissing(missing).sends(do))
}

// permissionDenied is what Nomad says to whoever has not the right (nomad/structs/errors.go). Another refusal, such as that
// there is nothing of the kind, is one that whoever has the right would get as well.
const permissionDenied = "Permission denied"

// lets is the ID of the check that the role's agents let nobody do that.
func lets(role pki.Role, do string) string {
	return fmt.Sprintf("%s-lets-nobody-%s-without-token", role, inID(do))
}

// withoutToken is why such a check is there.
func withoutToken(needs, at string) string {
	return fmt.Sprintf("without a token there is the anonymous policy alone, which must not grant %s (%s; verified against Nomad 1.11.3)", needs, at)
}

// inID makes words fit for an ID.
func inID(words string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(words), "'", ""), " ", "-")
}

// denials are the checks of a family of rights.
func (i Ingredients) denials(role pki.Role, rights []right) []posture.Spec {
	specs := make([]posture.Spec, len(rights))
	for at, r := range rights {
		specs[at] = i.denied(role, r)
	}
	return specs
}

// witnessed is the request that the sample job has a part in. Without a sample job it is one with a placeholder.
func (i Ingredients) forSampleJob(of func(SampleJob) probe.Ask) (ask probe.Ask, missing string) {
	if i.SampleJob == nil {
		return of(SampleJob{Alloc: noID, Job: noName, Node: noID, Deployment: noID}), LacksSampleJob
	}
	return of(*i.SampleJob), ""
}

// lacking is the hand for what lacks for another reason than the hand itself; empty for no reason.
func (h maybeCaller) orMissing(why string) maybeCaller {
	if h.missing == "" {
		h.missing = why
	}
	return h
}
