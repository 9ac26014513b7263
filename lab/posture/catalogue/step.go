package catalogue

import (
	"cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// hand is a caller, or what lacks to be one.
type maybeCaller struct {
	caller probe.Caller
	// lacks says why the caller is of no use; empty where it is.
	missing string
}

// as is the hand of whoever holds a certificate of the kind, and no ACL token.
func (i Ingredients) callerOf(k caller.Kind) maybeCaller {
	as, missing := i.Callers.Caller(k)
	if missing != "" {
		as = probe.Caller{}.Called(k.Title())
	}
	return maybeCaller{caller: as, missing: missing}
}

// managementLabel is how the token is called in sentences.
const managementLabel = "a management token"

// holder is the hand of whoever holds a certificate that the HTTP API takes, and no ACL token.
func (i Ingredients) certificateCaller() maybeCaller {
	as, missing := i.Callers.Holder()
	if missing != "" {
		return i.callerOf(caller.CLI)
	}
	return maybeCaller{caller: as}
}

// asker is the hand for questions whose answer does not rest on TLS, such as rights and limits.
func (i Ingredients) tokenlessCaller() maybeCaller {
	return i.certificateCaller().changed(probe.Caller.OrInClear)
}

// manager is the hand of an operator: the asker with a management token.
func (i Ingredients) managementCaller() maybeCaller {
	h := i.tokenlessCaller()
	if i.NoACL {
		h = h.orMissing("the cluster has no ACL system, so there is no token to compare with")
	}
	return h.withToken(i.Management, managementLabel)
}

// reader is the hand of whoever may do everything: an operator, or anybody where there is no ACL system.
func (i Ingredients) privilegedCaller() maybeCaller {
	if i.NoACL {
		return i.tokenlessCaller()
	}
	return i.managementCaller()
}

// notAtHand follows what lacks.
const notAtHand = " is not at hand"

// with is the hand with an ACL token, which the label names as probe.Caller.WithToken has it. No secret means that there
// is no such token.
func (h maybeCaller) withToken(secret, label string) maybeCaller {
	h.caller = h.caller.WithToken(secret, label)
	if secret == "" && h.missing == "" {
		h.missing = label + notAtHand
	}
	return h
}

// limited is the hand whose caller was changed, for example by a limit of its TLS versions.
func (h maybeCaller) changed(change func(probe.Caller) probe.Caller) maybeCaller {
	h.caller = change(h.caller)
	return h
}

// step is something to try, or what lacks to try it.
type maybeProbe struct {
	probe probe.Probe
	missing string
}

// does is what the hand's caller tries. Without a caller it is a probe of the same plane and sentence that reaches nothing.
func (h maybeCaller) sends(try func(probe.Caller) probe.Probe) maybeProbe {
	p := try(h.caller)
	if h.missing == "" {
		return maybeProbe{probe: p}
	}
	return unavailable(h.missing, p)
}

// without is the step of a probe whose ingredient lacks.
func unavailable(missing string, p probe.Probe) maybeProbe {
	unavailable := probe.Unavailable(p.Plane, missing)
	unavailable.Sentence = p.Sentence
	// The class stays that of the request, so that a check is of one kind, whatever is at hand.
	return maybeProbe{probe: unavailable.Classed(p.Effect()), missing: missing}
}

// anyway is the step of a probe that needs no ingredient.
func always(p probe.Probe) maybeProbe { return maybeProbe{probe: p} }

// tried is the spec with its probe and its control, and with what lacks for either.
func withProbes(s posture.Spec, try, control maybeProbe) posture.Spec {
	s.Probe, s.Control = try.probe, control.probe
	s.Lacks = cmp.Or(try.missing, control.missing)
	return s
}

// side is whose door it is: that of servers or that of clients, each of which has a configuration of its own.
type side struct {
	role pki.Role
}

// sides are the two.
func sides() []side { return []side{{pki.Server}, {pki.Client}} }

// of is the spec for this side's agents alone: its ID and its title begin with whose door it is.
func (d side) of(s posture.Spec) posture.Spec {
	s.ID = string(d.role) + "-" + s.ID
	s.Title = "a " + string(d.role) + "'s " + s.Title
	s.Roles = []pki.Role{d.role}
	return s
}

// forBoth are the specs that a family has for either side: all of servers first.
func forBoth(family func(side) []posture.Spec) []posture.Spec {
	var all []posture.Spec
	for _, d := range sides() {
		for _, s := range family(d) {
			all = append(all, d.of(s))
		}
	}
	return all
}

// region is the cluster's.
func (i Ingredients) region() string { return cmp.Or(i.Region, pki.DefaultRegion) }
