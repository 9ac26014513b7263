package catalogue

import (
	"cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// maybeCaller is a caller, or the reason why there is none.
type maybeCaller struct {
	caller probe.Caller
	// missing is the reason; empty where the caller can call.
	missing string
}

// maybeProbe is a probe, or the reason why it cannot be sent.
type maybeProbe struct {
	probe   probe.Probe
	missing string
}

// managementLabel names the management token in sentences; notAtHand follows what is missing.
const (
	managementLabel = "a management token"
	notAtHand       = " is not at hand"
)

// region returns the cluster's region.
func (i Ingredients) region() string { return cmp.Or(i.Region, pki.DefaultRegion) }

// callerOf returns the caller that has a certificate of the kind and no ACL token.
func (i Ingredients) callerOf(k caller.Kind) maybeCaller {
	as, missing := i.Callers.Caller(k)
	if missing != "" {
		as = probe.Caller{}.WithLabel(k.Title())
	}
	return maybeCaller{caller: as, missing: missing}
}

// certificateCaller returns the caller that has a certificate which the HTTP API accepts, and no ACL token.
func (i Ingredients) certificateCaller() maybeCaller {
	as, missing := i.Callers.ForHTTPS()
	if missing != "" {
		return i.callerOf(caller.CLI)
	}
	return maybeCaller{caller: as}
}

// tokenlessCaller returns the caller for questions that do not depend on TLS, such as ACL rights and limits. It has no ACL
// token, and calls without TLS where the agent has none.
func (i Ingredients) tokenlessCaller() maybeCaller {
	return i.certificateCaller().changed(probe.Caller.OrPlaintext)
}

// managementCaller returns tokenlessCaller with a management token.
func (i Ingredients) managementCaller() maybeCaller {
	c := i.tokenlessCaller()
	if i.NoACL {
		c = c.orMissing("the cluster has no ACL system, so there is no token to compare with")
	}
	return c.withToken(i.Management, managementLabel)
}

// privilegedCaller returns a caller that may do everything: managementCaller, or tokenlessCaller where ACLs are off.
func (i Ingredients) privilegedCaller() maybeCaller {
	if i.NoACL {
		return i.tokenlessCaller()
	}
	return i.managementCaller()
}

// unverifyingCaller returns the caller for questions about the state of the cluster. It accepts any certificate of the agent:
// a wrong certificate shows as a cluster that does not form.
func (i Ingredients) unverifyingCaller() maybeCaller {
	return i.tokenlessCaller().changed(probe.Caller.SkipVerify)
}

// withToken adds an ACL token to the caller; the label names it, as in probe.Caller.WithToken. An empty secret means that
// the token is missing.
func (c maybeCaller) withToken(secret, label string) maybeCaller {
	c.caller = c.caller.WithToken(secret, label)
	if secret == "" {
		c = c.orMissing(label + notAtHand)
	}
	return c
}

// changed changes the caller, for example its TLS versions.
func (c maybeCaller) changed(change func(probe.Caller) probe.Caller) maybeCaller {
	c.caller = change(c.caller)
	return c
}

// orMissing adds a reason why the caller cannot call. An earlier reason stays; an empty reason changes nothing.
func (c maybeCaller) orMissing(reason string) maybeCaller {
	c.missing = cmp.Or(c.missing, reason)
	return c
}

// sends returns the probe as the caller sends it.
func (c maybeCaller) sends(as func(probe.Caller) probe.Probe) maybeProbe {
	p := as(c.caller)
	if c.missing == "" {
		return maybeProbe{probe: p}
	}
	return unavailable(c.missing, p)
}

// unavailable returns a probe of the same plane, sentence and class that calls nothing, for the reason. The class stays, so
// that a check has the same Kind whatever is missing.
func unavailable(reason string, p probe.Probe) maybeProbe {
	none := probe.Unavailable(p.Plane, reason)
	none.Sentence = p.Sentence
	return maybeProbe{probe: none.WithEffect(p.Effect()), missing: reason}
}

// always returns a probe that needs no ingredient.
func always(p probe.Probe) maybeProbe { return maybeProbe{probe: p} }

// withProbes sets the probe and the control of the spec, and what is missing for either.
func withProbes(s posture.Spec, p, control maybeProbe) posture.Spec {
	s.Probe, s.Control = p.probe, control.probe
	s.Missing = cmp.Or(p.missing, control.missing)
	return s
}

// forBoth returns the specs of a family once for servers and once for clients, each of which has a configuration of its own.
// The role begins the ID and the title.
func forBoth(family func(pki.Role) []posture.Spec) []posture.Spec {
	var all []posture.Spec
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		for _, s := range family(role) {
			s.ID = string(role) + "-" + s.ID
			s.Title = "a " + string(role) + "'s " + s.Title
			s.Roles = []pki.Role{role}
			all = append(all, s)
		}
	}
	return all
}

// atServers limits the specs to servers.
func atServers(specs ...posture.Spec) []posture.Spec {
	for at := range specs {
		specs[at].Roles = []pki.Role{pki.Server}
	}
	return specs
}
