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

// letsAnybodySubmit reports whether the setting may let a job be submitted without a token, which servers decide: their acl block
// or its "enabled" is another one.
func letsAnybodySubmit(s spec.Override) bool {
	path := strings.ToLower(s.Path)
	return s.ConcernsRole(pki.Server) && (path == "acl" || path == "acl.enabled")
}

// Weakened reports whether an agent of the lab may lack a protection: each setting but one about a task driver counts, and
// each certificate that a lab would not give.
func (p *Plan) WeakensTheLab() bool {
	return p.Configured || p.Certificates.Altered() || slices.ContainsFunc(p.Overrides, func(s spec.Override) bool { return !s.Below("plugin") })
}

// edit changes the lines of a node's configuration that are not to be as a lab has them.
func (p *Plan) edit(n Node, config []byte) ([]byte, error) {
	for _, s := range p.Overrides {
		if !s.ConcernsNode(n.Role, n.Name) || s.RemovesGossipKey() { // which is in no file of the node then
			continue
		}
		changed, err := agentconf.Edit(config, s.Path, s.Value)
		if err != nil {
			return nil, &spec.InvalidError{Problems: []spec.Problem{{
				Field: "overrides", Found: fmt.Sprintf("%q, for %s", s, n.Name), Mend: err.Error(),
			}}}
		}
		config = changed
	}
	return config, nil
}

// checkGround refuses what must not be on this machine's loopback: tasks of a weakened lab, which any local program could
// start, task drivers and addresses that a lab leaves out there, and, where no token is needed to submit a job, what lets a
// job's templates, downloads and volumes out of the task's own folder: with them a job runs commands without any driver.
// A user's configuration has rules of its own, see refuseHere.
func (p *Plan) checkHost(g HostEnvironment) error {
	if g.contained() {
		return nil
	}
	var problems []spec.Problem
	tokens := p.Bootstrapped() && !slices.ContainsFunc(p.Overrides, letsAnybodySubmit)
	for _, s := range p.Overrides {
		if isOf(s, settings.Listens) || s.Below("client.options") || !p.Configured && isRefused(s, p.WeakensTheLab(), tokens) {
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

// isOf reports whether the setting is in a block that has one of such a danger.
func isOf(s spec.Override, dangers ...settings.Danger) bool {
	return slices.ContainsFunc(settings.All(), func(known settings.Setting) bool {
		return slices.Contains(dangers, known.Danger) && s.Below(known.Block())
	})
}

// isRefused reports whether a lab of its own configuration that shares this machine's loopback must not have the setting: one of
// drivers where the lab is weakened, and what lets jobs out of the task's folder where no token is needed to submit one.
func isRefused(s spec.Override, weakened, tokens bool) bool {
	outside := isOf(s, settings.LeavesTask, settings.KeepsInTask, settings.GivesFolders, settings.RunsFolder)
	return s.Below("plugin") && weakened || outside && !tokens
}
