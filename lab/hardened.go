package lab

import (
	"io/fs"
	"slices"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// introTokenFile is where a client looks for its introduction token, in the folder of its state
// (command/agent/agent.go:811 and :858).
const introTokenFile = "intro_token.jwt"

// harden turns on what a hardened lab has beyond others. That it has no raw_exec, rawExec says.
func (p *Plan) harden(a *agentconf.Agent) {
	if !p.Hardened {
		return
	}
	a.ACL, a.TLS.MinVersion = true, "tls12"
	if a.Server != nil {
		a.Server.ClientIntroduction = "strict"
	}
}

// bootstrapped is true for a lab whose ACL system Up bootstraps.
func (p *Plan) bootstrapped() bool { return p.Hardened && !p.NotBootstrapped }

// introduction is what introduces a client to the servers of a hardened lab.
func (p *Plan) introduction(n PlannedNode, at paths) []PlannedFile {
	if !p.bootstrapped() || n.Role != pki.Client || n.Introduction == spec.NotIntroduced {
		return nil
	}
	state := at.data + "/client"
	return []PlannedFile{
		{Path: state, Mode: fs.ModeDir | 0o700},
		{Path: state + "/" + introTokenFile, Mode: 0o600, Secret: IntroToken},
	}
}

// introducedFor is how long an introduction token is good for: the longest that Nomad has (nomad/structs/node.go:867). A
// client needs it until it has registered for the first time. A joiner that is started later is not let in.
const introducedFor = 30 * time.Minute

// introducedAs is the name of the client that the node's introduction token speaks of. Empty for a node that has no token.
func (n *Node) introducedAs() string {
	if !slices.ContainsFunc(n.plan.Files, func(f PlannedFile) bool { return f.Secret == IntroToken }) {
		return ""
	}
	if n.plan.Introduction == spec.OtherIntroduction {
		return "not-" + n.Name()
	}
	return n.Name()
}
