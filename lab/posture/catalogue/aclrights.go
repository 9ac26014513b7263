package catalogue

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// Names of things that no cluster has. Nomad answers a permitted request for them with "not found", and changes nothing.
const (
	// noName is used wherever Nomad wants the name of a job, a variable, a volume and the like.
	noName = "nomadlab-none"
	// noID is used wherever Nomad wants the UUID of something that it has made itself.
	noID = "00000000-0000-4000-8000-000000000000"
	// noIndex is a Raft index that no cluster has reached. A change that is conditional on that index does not happen.
	noIndex = "9007199254740991"
)

// permissionDenied is Nomad's answer to a caller without the right (nomad/structs/errors.go). Another refusal, such as "not
// found", is one that a permitted caller gets as well.
const permissionDenied = "Permission denied"

// right is something that an ACL policy grants. It is tried with a request that changes nothing if it is permitted: a read, or
// a request for something that does not exist or cannot be done.
type right struct {
	// may names the right, as it follows the word "may": "list jobs".
	may string
	// needs is the line of a policy that grants it.
	needs string
	// at is the line of Nomad's source that looks for needs.
	at       string
	severity posture.Severity
	// kind is the check's Kind; zero for the one that follows from the class of the request.
	kind posture.Kind
	// ask is the request; of returns it where it is about the sample job, and is nil otherwise.
	ask probe.Request
	of  func(SampleJob) probe.Request
}

func newRight(may, needs, at string, severity posture.Severity, ask probe.Request) right {
	return right{may: may, needs: needs, at: at, severity: severity, ask: ask}
}

func sampleJobRight(may, needs, at string, severity posture.Severity, of func(SampleJob) probe.Request) right {
	return right{may: may, needs: needs, at: at, severity: severity, of: of}
}

// get returns a read.
func get(path string, behind ...string) probe.Request {
	return probe.Request{Path: path, AcceptedErrors: behind}
}

// put and drop return a request that changes something, unless verifiedRequests lists it.
func put(path, body string, behind ...string) probe.Request {
	return verified(probe.Request{Method: http.MethodPut, Path: path, Body: body, AcceptedErrors: behind})
}

func drop(path string, behind ...string) probe.Request {
	return verified(probe.Request{Method: http.MethodDelete, Path: path, AcceptedErrors: behind})
}

// capability names a capability of a namespace.
func capability(name string) string { return fmt.Sprintf("the namespace capability %q", name) }

// policy names a block of a policy with its level.
func policy(block, level string) string { return fmt.Sprintf("policy = %q for %s", level, block) }

// denials returns the checks that agents of the role deny each right to callers without a token.
func (i Ingredients) denials(role pki.Role, rights ...right) []posture.Spec {
	specs := make([]posture.Spec, len(rights))
	for at, r := range rights {
		specs[at] = i.denied(role, r)
	}
	return specs
}

// denied returns the check that agents of the role deny the right to a caller that has a certificate and no token. Its control
// is the same request with a management token. All servers share tokens and policies; whether an agent enforces them is a
// setting of its own. A request that a server forwards to the leader is decided by the leader's setting (Spec.ForwardedTo).
func (i Ingredients) denied(role pki.Role, r right) posture.Spec {
	ask, missing := i.request(r)
	s := posture.Spec{
		ID:    lets(role, r.may),
		Title: fmt.Sprintf("a %s lets nobody %s without an ACL token", role, r.may),
		Kind:  r.kind, Severity: r.severity, Roles: []pki.Role{role},
		Settings: []string{aclEnabled},
		Why:      withoutToken(r.needs, r.at),
		Want:     posture.Want{probe.Denied}, Answer: permissionDenied,
	}
	if role == pki.Server {
		ask, s.ForwardedTo = i.atServer(ask)
	}
	do := func(c probe.Caller) probe.Probe {
		p := probe.HTTPRequest(ask, c)
		if role == pki.Client && r.of != nil {
			p = p.OnlyFor(i.runsElsewhere)
		}
		return p
	}
	return withProbes(s, i.tokenlessCaller().orMissing(missing).sends(do), i.managementCaller().orMissing(missing).sends(do))
}

// request returns the request of the right. Without a sample job, a request about it has placeholders, and missing says why it
// cannot be sent.
func (i Ingredients) request(r right) (ask probe.Request, missing string) {
	switch {
	case r.of == nil:
		return r.ask, ""
	case i.SampleJob == nil:
		return r.of(SampleJob{Alloc: noID, Job: noName, Node: noID, Deployment: noID}), NoSampleJob
	default:
		return r.of(*i.SampleJob), ""
	}
}

// atServer returns the request as a server answers it itself. to is the leader where a server forwards it all the same, and
// nil otherwise.
func (i Ingredients) atServer(ask probe.Request) (_ probe.Request, to func(context.Context, probe.Target) (probe.Target, bool)) {
	ask = verified(unforwarded(ask))
	if forwarded(ask) {
		to = i.leaderOf
	}
	return ask, to
}

// lets returns the ID of the check that agents of the role let nobody do that.
func lets(role pki.Role, do string) string {
	return fmt.Sprintf("%s-lets-nobody-%s-without-token", role, inID(do))
}

// withoutToken returns the reason for such a check.
func withoutToken(needs, at string) string {
	return fmt.Sprintf("without a token there is the anonymous policy alone, which must not grant %s (%s; verified against Nomad 1.11.3)", needs, at)
}

// inID turns words into a part of an ID.
func inID(words string) string {
	return strings.NewReplacer("'", "", " ", "-").Replace(strings.ToLower(words))
}
