package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// selfConfig is an agent's own configuration, with the names of GET /v1/agent/self (Nomad 1.11.3): what the agent has merged
// from its files.
type selfConfig struct {
	ACL       struct{ Enabled bool }
	TLSConfig struct {
		EnableHTTP, EnableRPC, VerifyHTTPSClient, RPCUpgradeMode bool
	}
	Client struct {
		Options        map[string]string
		TemplateConfig *struct { // nil in versions of Nomad that have none
			DisableSandbox   bool
			FunctionDenylist []string
		}
		Artifact struct {
			DisableFilesystemIsolation, DisableArtifactInspection bool
			FilesystemIsolationExtraPaths                         []string
		}
	}
	Plugins []struct {
		Name   string
		Config any
	}
}

// agentAnswer is what is known of a started agent.
type agentAnswer struct {
	node *Node
	// config is nil if the agent did not answer.
	config *selfConfig
	// drivers are the task drivers that the servers list for a client. Nil: they do not list the client.
	drivers map[string]*api.DriverInfo
}

// refuseExposed returns an error for a lab on this machine's loopback whose clients run commands for unauthenticated callers:
// any local program, or a POST from a web page, may reach it. It asks the started agents, which may have read more in their
// files than the plan has. A lab whose ACL system is not bootstrapped is passed over: its agents answer no such request, and
// it has no user configuration.
func (s *start) refuseExposed(ctx context.Context) error {
	l := s.lab
	if l.Contained() || l.Plan().NotBootstrapped || len(l.Clients()) == 0 {
		return nil
	}
	p := l.Plan()
	if problems := exposed(askAgents(ctx, l.regions()), p.MayLackProtection()); len(problems) > 0 {
		return &spec.InvalidError{Problems: problems}
	}
	return nil
}

// askAgents asks every started agent for its configuration, and the servers of each region for the drivers of their clients.
// An agent that does not answer, as in a cluster that has not formed, is no error.
func askAgents(ctx context.Context, regions []region) []agentAnswer {
	var mu sync.Mutex
	var all []agentAnswer
	for _, r := range regions {
		drivers := r.drivers(ctx)
		_ = eachNode(running(r.nodes), func(n *Node) error {
			one := agentAnswer{node: n, config: n.selfConfig(ctx), drivers: drivers[n.Name()]}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, one)
			return nil
		})
	}
	slices.SortFunc(all, func(a, b agentAnswer) int { return strings.Compare(a.node.Name(), b.node.Name()) })
	return all
}

// drivers returns the task drivers of the clients that the first server which answers lists, by the client's name.
func (r region) drivers(ctx context.Context) map[string]map[string]*api.DriverInfo {
	listed := map[string]map[string]*api.DriverInfo{}
	for _, n := range r.servers() {
		c, err := n.API()
		if err != nil {
			continue
		}
		ctx, cancel := deadline.Fair(ctx, answerTimeout)
		nodes, _, err := c.Nodes().List(query(ctx))
		cancel()
		for _, client := range nodes {
			listed[client.Name] = client.Drivers
		}
		if err == nil {
			break
		}
	}
	return listed
}

// selfConfig asks the agent for its configuration, as soon as it listens. It returns nil if the agent did not answer.
func (n *Node) selfConfig(ctx context.Context) *selfConfig {
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	var self struct {
		Config *selfConfig `json:"config"`
	}
	_ = poll.Until(ctx, n.Name()+" to listen", func(ctx context.Context) string {
		if err := n.get(ctx, "/v1/agent/self", &self); errors.Is(err, syscall.ECONNREFUSED) {
			return oneLine(err)
		}
		return ""
	})
	return self.Config
}

// exposed returns a problem for each client that runs commands for unauthenticated callers. unprotected is true for a lab
// whose plan may lack a protection: there, an agent that did not answer counts as one that accepts such callers.
func exposed(agents []agentAnswer, unprotected bool) []spec.Problem {
	open := acceptsUnauthenticated(agents, unprotected)
	if open == "" {
		return nil
	}
	var problems []spec.Problem
	for _, a := range agents {
		if a.node.Role() != pki.Client {
			continue
		}
		if found := a.runs(); found != "" {
			problems = append(problems, spec.Problem{Field: a.node.Name(), Found: found + ", and " + open, Mend: exposedRemedy})
		}
	}
	return problems
}

// exposedRemedy is what to do about a lab that refuseExposed has refused.
const exposedRemedy = "the lab was removed again, as any local program could run commands as you; run it in containers " +
	"(--engine docker), or turn that off: nothing of it may be open on this machine's loopback"

// acceptsUnauthenticated returns why a caller without credentials may submit jobs: a server has its ACLs off, and an agent
// accepts calls without a certificate. It returns "" if no such caller may.
func acceptsUnauthenticated(agents []agentAnswer, unprotected bool) string {
	acl, servers, open := true, 0, ""
	for _, a := range agents {
		if a.node.Role() == pki.Server {
			servers++
			acl = acl && a.config != nil && a.config.ACL.Enabled
		}
		if words := a.acceptsWithoutCertificate(); words != "" && open == "" && (a.config != nil || unprotected) {
			open = words
		}
	}
	if acl && servers > 0 || open == "" {
		return ""
	}
	return "its servers have no ACLs while " + open
}

// acceptsWithoutCertificate returns how a caller without a certificate reaches the agent; empty if it cannot.
func (a agentAnswer) acceptsWithoutCertificate() string {
	if a.config == nil {
		return a.node.Name() + " does not say which callers it accepts"
	}
	switch t := a.config.TLSConfig; {
	case !t.EnableHTTP:
		return a.node.Name() + " serves plain HTTP"
	case !t.VerifyHTTPSClient:
		return a.node.Name() + " demands no certificate of its callers (tls.verify_https_client)"
	case !t.EnableRPC || t.RPCUpgradeMode && a.node.Role() == pki.Server:
		return a.node.Name() + " accepts plain RPC"
	default:
		return ""
	}
}

// runs returns by which drivers and settings a client runs commands of a submitted job; empty if it runs none.
func (a agentAnswer) runs() string {
	var found []string
	for name, driver := range a.drivers {
		if name != "mock_driver" && driver != nil && driver.Detected { // the mock runs nothing
			found = append(found, name)
		}
	}
	if a.config != nil && a.config.rawExec() && !slices.Contains(found, "raw_exec") { // its driver may be listed later
		found = append(found, "raw_exec")
	}
	slices.Sort(found)
	var words []string
	if len(found) > 0 {
		words = append(words, "with the task drivers "+strings.Join(found, ", "))
	}
	if a.config != nil {
		words = append(words, a.config.leavesTask()...)
	}
	if len(words) == 0 {
		return ""
	}
	return "running " + strings.Join(words, ", ")
}

// rawExec reports whether the agent has the raw_exec driver on.
func (c *selfConfig) rawExec() bool {
	for _, p := range c.Plugins {
		if p.Name == "raw_exec" && enabledIn(p.Config) {
			return true
		}
	}
	switch strings.ToLower(c.Client.Options["driver.raw_exec.enable"]) {
	case "", "0", "f", "false":
		return false
	default:
		return true
	}
}

// enabledIn reports whether a plugin's configuration turns it on. A text may be a template that gives true, so that only
// "false", "0" and "" are off.
func enabledIn(config any) bool {
	switch c := config.(type) {
	case []any:
		return slices.ContainsFunc(c, enabledIn)
	case map[string]any:
		switch on := c["enabled"].(type) {
		case nil:
			return false
		case bool:
			return on
		default:
			text := strings.ToLower(fmt.Sprint(on))
			return text != "false" && text != "0" && text != ""
		}
	default:
		return false
	}
}

// leavesTask returns the settings by which a job's templates and downloads leave the task's folder. They need no driver.
func (c *selfConfig) leavesTask() []string {
	var words []string
	say := func(on bool, setting string) {
		if on {
			words = append(words, "with client."+setting)
		}
	}
	if template := c.Client.TemplateConfig; template != nil {
		say(template.DisableSandbox, "template.disable_file_sandbox")
		// These run programs and write files as the agent's user (client/config/config.go:77).
		say(!slices.Contains(template.FunctionDenylist, "plugin") || !slices.Contains(template.FunctionDenylist, "writeToFile"),
			"template.function_denylist short of plugin or writeToFile")
	}
	artifact := c.Client.Artifact
	say(artifact.DisableFilesystemIsolation, "artifact.disable_filesystem_isolation")
	say(artifact.DisableArtifactInspection, "artifact.disable_artifact_inspection")
	say(len(artifact.FilesystemIsolationExtraPaths) > 0, "artifact.filesystem_isolation_extra_paths")
	return words
}
