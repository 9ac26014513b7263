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

// account is what an agent says that it runs, by the names of GET /v1/agent/self (Nomad 1.11.3). It is the configuration as the
// agent has merged it, whatever the files look like.
type account struct {
	ACL       struct{ Enabled bool }
	TLSConfig struct {
		EnableHTTP, EnableRPC, VerifyHTTPSClient, RPCUpgradeMode bool
	}
	Client struct {
		Options        map[string]string
		TemplateConfig *struct { // nil where a version of Nomad has none
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

// asked is what was learnt of a started agent. Account is nil where the agent did not give one. Drivers are those that its
// servers list of a client; nil where they do not list the client.
type asked struct {
	node    *Node
	account *account
	drivers map[string]*api.DriverInfo
}

// refuseExposed refuses a lab on this machine's loopback whose clients run something for strangers: any local program, or a
// web page's POST, may reach it. The started agents are asked, as the files may say more than was read in them. A lab whose
// ACL system nobody bootstrapped answers nobody, and has the lab's own files alone.
func (l *Lab) refuseExposed(ctx context.Context) error {
	if l.Contained() || l.record.Plan.NotBootstrapped || len(l.Clients()) == 0 {
		return nil
	}
	if problems := exposed(l.askAgents(ctx), l.record.Plan.WeakensTheLab()); len(problems) > 0 {
		return &spec.InvalidError{Problems: problems}
	}
	return nil
}

// askAgents asks every started agent what it runs, and the servers of each region for the drivers of their clients. An agent
// that does not answer, as in a cluster that has not formed, is no error.
func (l *Lab) askAgents(ctx context.Context) []asked {
	listed := map[string]map[string]*api.DriverInfo{}
	for _, region := range l.regions() {
		for _, n := range l.running(region) {
			nodes, err := n.listClients(ctx)
			for _, c := range nodes {
				listed[region+"/"+c.Name] = c.Drivers
			}
			if err == nil {
				break
			}
		}
	}
	var mu sync.Mutex
	var all []asked
	_ = eachNode(startedOf(l.nodes), func(n *Node) error {
		one := asked{node: n, account: n.account(ctx), drivers: listed[n.Region()+"/"+n.Name()]}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return nil
	})
	slices.SortFunc(all, func(a, b asked) int { return strings.Compare(a.node.Name(), b.node.Name()) })
	return all
}

// startedOf are the nodes that had an address when they were last looked at.
func startedOf(nodes []*Node) []*Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *Node) bool { return !n.HTTP().IsValid() })
}

// listClients returns the clients that a server lists, with their drivers.
func (n *Node) listClients(ctx context.Context) ([]*api.NodeListStub, error) {
	c, err := n.API()
	if err != nil {
		return nil, err
	}
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	nodes, _, err := c.Nodes().List(query(ctx))
	if err != nil {
		return nil, fmt.Errorf("list the clients at %s: %w", n.Name(), err)
	}
	return nodes, nil
}

// account asks the agent what it runs, once it listens. Nil: it did not say.
func (n *Node) account(ctx context.Context) *account {
	c, err := n.API()
	if err != nil {
		return nil
	}
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	var self struct {
		Config *account `json:"config"`
	}
	_ = poll.Until(ctx, n.Name()+" to listen", func(ctx context.Context) string {
		_, err := c.Raw().Query("/v1/agent/self", &self, query(ctx))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return text(err)
		}
		return ""
	})
	return self.Config
}

// exposed finds the clients that run something for strangers, where nothing shuts those out. An agent that did not say whom it
// takes counts as one that takes anybody where the lab's plan is weakened, and else as it was planned.
func exposed(agents []asked, weakened bool) []spec.Problem {
	open := unshut(agents, weakened)
	if open == "" {
		return nil
	}
	var problems []spec.Problem
	for _, a := range agents {
		if a.node.Role() != pki.Client {
			continue
		}
		if found := a.lets(); found != "" {
			problems = append(problems, spec.Problem{Field: a.node.Name(), Found: found + ", and " + open, Mend: exposedRemedy})
		}
	}
	return problems
}

// exposedRemedy is what to do about a lab that was refused after its agents were asked.
const exposedRemedy = "the lab was removed again, as any local program could run commands as you; run it in containers " +
	"(--engine docker), or turn that off: nothing of it may be open on this machine's loopback"

// unshut says why strangers may submit jobs: not every server has ACLs on, and an agent takes calls without a certificate. Empty:
// they are shut out.
func unshut(agents []asked, weakened bool) string {
	acl, servers, open := true, 0, ""
	for _, a := range agents {
		if a.node.Role() == pki.Server {
			servers++
			acl = acl && a.account != nil && a.account.ACL.Enabled
		}
		if words := a.takesAnybody(); words != "" && open == "" && (a.account != nil || weakened) {
			open = words
		}
	}
	if acl && servers > 0 || open == "" {
		return ""
	}
	return "its servers have no ACLs while " + open
}

// takesAnybody says how a caller without a certificate gets to the agent. Empty: not at all.
func (a asked) takesAnybody() string {
	if a.account == nil {
		return a.node.Name() + " does not say whom it takes"
	}
	switch t := a.account.TLSConfig; {
	case !t.EnableHTTP:
		return a.node.Name() + " serves plain HTTP"
	case !t.VerifyHTTPSClient:
		return a.node.Name() + " asks nobody for a certificate (tls.verify_https_client)"
	case !t.EnableRPC || t.RPCUpgradeMode && a.node.Role() == pki.Server:
		return a.node.Name() + " takes plain RPC"
	default:
		return ""
	}
}

// lets says by what a client runs commands for whoever may submit a job. Empty: by nothing.
func (a asked) lets() string {
	var found []string
	for name, driver := range a.drivers {
		if name != "mock_driver" && driver != nil && driver.Detected { // the mock runs nothing
			found = append(found, name)
		}
	}
	if a.account != nil && a.account.rawExec() && !slices.Contains(found, "raw_exec") { // its driver may be listed later
		found = append(found, "raw_exec")
	}
	slices.Sort(found)
	var words []string
	if len(found) > 0 {
		words = append(words, "with the task drivers "+strings.Join(found, ", "))
	}
	if a.account != nil {
		words = append(words, a.account.outside()...)
	}
	if len(words) == 0 {
		return ""
	}
	return "running " + strings.Join(words, ", ")
}

// rawExec reports whether the agent has the raw_exec driver on, be it a client that its servers do not list yet.
func (a *account) rawExec() bool {
	for _, p := range a.Plugins {
		if p.Name == "raw_exec" && enabledIn(p.Config) {
			return true
		}
	}
	switch strings.ToLower(a.Client.Options["driver.raw_exec.enable"]) {
	case "", "0", "f", "false":
		return false
	default:
		return true
	}
}

// enabledIn reports whether a plugin's configuration turns it on. A text may be a template that gives true: only what is surely
// off is off.
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

// outside says by what a job's templates and downloads leave the task's own folder, for which they need no driver of danger.
func (a *account) outside() []string {
	var words []string
	say := func(on bool, setting string) {
		if on {
			words = append(words, "with client."+setting)
		}
	}
	if template := a.Client.TemplateConfig; template != nil {
		say(template.DisableSandbox, "template.disable_file_sandbox")
		// These run programs and write files as the agent's user (client/config/config.go:77).
		say(!slices.Contains(template.FunctionDenylist, "plugin") || !slices.Contains(template.FunctionDenylist, "writeToFile"),
			"template.function_denylist short of plugin or writeToFile")
	}
	artifact := a.Client.Artifact
	say(artifact.DisableFilesystemIsolation, "artifact.disable_filesystem_isolation")
	say(artifact.DisableArtifactInspection, "artifact.disable_artifact_inspection")
	say(len(artifact.FilesystemIsolationExtraPaths) > 0, "artifact.filesystem_isolation_extra_paths")
	return words
}
