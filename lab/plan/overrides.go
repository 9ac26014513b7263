package plan

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/settings"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// mayDisableACL reports whether the override may let callers without a token submit jobs: it is for servers, and sets
// their acl block or its "enabled".
func mayDisableACL(s spec.Override) bool {
	path := strings.ToLower(s.Path)
	return s.ConcernsRole(pki.Server) && (path == "acl" || path == "acl.enabled")
}

// MayLackProtection reports whether an agent of the lab may lack a protection: the lab has a user configuration, altered
// certificates, or an override other than one of a task driver.
func (p *Plan) MayLackProtection() bool {
	return p.UserConfiguration || p.Certificates.Altered() || slices.ContainsFunc(p.Overrides, func(s spec.Override) bool { return !s.Below("plugin") })
}

// edit applies the overrides to the lab's own configuration of a node.
func (p *Plan) edit(n Node, config []byte) ([]byte, error) {
	for _, s := range p.Overrides {
		if !s.ConcernsNode(n.Role, n.Name) || s.RemovesGossipKey() { // the key is in a file of its own, which is left out
			continue
		}
		changed, err := agentconf.Edit(config, s.Path, s.Value)
		if err != nil {
			return nil, overrideError(s, n, err)
		}
		config = changed
	}
	return config, nil
}

// overrideError returns an *InvalidError for an override that cannot be applied to the node's configuration.
func overrideError(s spec.Override, n Node, err error) error {
	return invalid("overrides", fmt.Sprintf("%q, for %s", s, n.Name), err.Error())
}

// invalid returns an *InvalidError with one problem.
func invalid(field, found, mend string) error {
	return &spec.InvalidError{Problems: []spec.Problem{{Field: field, Found: found, Mend: mend}}}
}

// checkHost refuses overrides that other users of this machine's loopback could exploit: task drivers and listening
// addresses that a lab leaves out there and, if no token is needed to submit a job, what lets a job's templates,
// downloads and volumes leave the task's folder, so that the job runs commands without any driver. For a user
// configuration see refuseHere.
func (p *Plan) checkHost(host HostEnvironment) error {
	if host.contained() {
		return nil
	}
	var problems []spec.Problem
	tokens := p.Bootstrapped() && !slices.ContainsFunc(p.Overrides, mayDisableACL)
	for _, s := range p.Overrides {
		if isOf(s, settings.Listens) || s.Below("client.options") || !p.UserConfiguration && isRefused(s, p.MayLackProtection(), tokens) {
			problems = append(problems, spec.Problem{
				Field: "overrides", Found: fmt.Sprintf("%q, on this machine's loopback, where others could make use of it", s),
				Mend: "bring the lab up in containers, or leave it out",
			})
		}
	}
	if len(problems) > 0 {
		return &spec.InvalidError{Problems: problems}
	}
	return nil
}

// isOf reports whether the override is in a block that has a setting of one of these dangers.
func isOf(s spec.Override, dangers ...settings.Danger) bool {
	return slices.ContainsFunc(settings.All(), func(known settings.Setting) bool {
		return slices.Contains(dangers, known.Danger) && s.Below(known.Block())
	})
}

// isRefused reports whether a lab on this machine's loopback must not have the override: one of a driver if a protection
// may be missing, or one that lets jobs leave the task's folder if no token is needed to submit a job.
func isRefused(s spec.Override, unprotected, tokens bool) bool {
	leaves := isOf(s, settings.LeavesTask, settings.KeepsInTask, settings.GivesFolders, settings.RunsFolder)
	return s.Below("plugin") && unprotected || leaves && !tokens
}
