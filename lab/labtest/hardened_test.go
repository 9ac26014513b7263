package labtest_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// The extra nodes of the hardened lab, named after their introduction tokens.
const introduced, notIntroduced, namesake = "introduced", "not-introduced", "namesake"

// TestHardened checks the properties of a hardened lab on every engine; in Docker with followers too.
func TestHardened(t *testing.T) {
	onEach(t, func(t *testing.T, k engines.Kind) {
		e := labtest.EngineOf(t, k)
		l := labtest.StartOn(t, k, spec.Servers(map[engines.Kind]int{engines.Docker: 3, engines.Process: 1}[k]), spec.Clients(1), spec.Hardened(), spec.ExtraNodes(
			spec.ExtraNode{Name: introduced, Role: pki.Client},
			spec.ExtraNode{Name: notIntroduced, Role: pki.Client, Introduction: spec.NotIntroduced},
			spec.ExtraNode{Name: namesake, Role: pki.Client, Introduction: spec.OtherIntroduction},
		))
		t.Run("anonymous is denied", func(t *testing.T) { anonymousIsDenied(t, l, k) })
		t.Run("policies", func(t *testing.T) { policiesAllow(t, l) })
		t.Run("drivers", func(t *testing.T) { noRawExec(t, l) })
		t.Run("introduction", func(t *testing.T) { onlyIntroducedClientsJoin(t, l) })
		t.Run("token", func(t *testing.T) { tokenIsKept(t, l, e) })
		t.Run("evidence", func(t *testing.T) { evidenceHasNoToken(t, l, e) })
		t.Run("restart", func(t *testing.T) { restartKeepsTheToken(t, l) })
	})
}

// policiesAllow what their texts say, as far as requests can show it, and nothing else.
func policiesAllow(t *testing.T, l *lab.Lab) {
	leader := labtest.Leader(t, l)
	c, err := leader.API()
	if err != nil {
		t.Fatal(err)
	}
	// What is asked for, each with the policies that allow it. The last two are for the management token alone.
	asked := map[string]string{
		"/v1/nodes":                            "node-reader developer read-only operator",
		"/v1/jobs":                             "developer read-only operator",
		"/v1/node/pool/default":                "developer read-only operator",
		"/v1/agent/self":                       "developer read-only operator",
		"/v1/operator/autopilot/configuration": "read-only operator",
		"/v1/operator/keyring/keys":            "read-only operator",
		"/v1/agent/keyring/list":               "operator",
		"/v1/operator/snapshot":                "operator",
		"/v1/operator/raft/configuration":      "",
		"/v1/acl/tokens":                       "",
	}
	for _, policy := range []string{"node-reader", "developer", "read-only", "operator"} {
		made, _, err := c.ACLTokens().Create(&api.ACLToken{Name: policy, Type: "client", Policies: []string{policy}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for at, allowed := range asked {
			want := http.StatusForbidden
			if slices.Contains(strings.Fields(allowed), policy) {
				want = http.StatusOK
			}
			if got := status(t, leader, made.SecretID, at); got != want {
				t.Errorf("%s, %s: %d, want %d", policy, at, got, want)
			}
		}
		if job, _, err := asToken(t, leader, made.SecretID).Jobs().Register(rawExecJob("by-"+policy), nil); (err == nil) != (policy == "developer") {
			t.Errorf("%s runs a job: %v, %v", policy, job, err)
		}
	}
}

func asToken(t *testing.T, n *lab.Node, token string) *api.Client {
	t.Helper()
	c, err := n.APIWith(token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rawExecJob returns a job of raw_exec that would end at once.
func rawExecJob(id string) *api.Job {
	task := api.NewTask("t", "raw_exec").SetConfig("command", "/bin/true").Require(&api.Resources{CPU: new(20), MemoryMB: new(16)})
	return api.NewBatchJob(id, id, "global", 50).AddDatacenter("dc1").AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(task))
}

// noRawExec demands that no client can run a job of raw_exec.
func noRawExec(t *testing.T, l *lab.Lab) {
	c := asToken(t, labtest.Leader(t, l), l.ManagementToken())
	made, _, err := c.Jobs().Register(rawExecJob("raw"), nil)
	if err != nil {
		t.Fatal(err)
	}
	within(t, deadline.Hang, func() string {
		eval, _, err := c.Evaluations().Info(made.EvalID, nil)
		if err != nil || eval.Status != "complete" {
			return fmt.Sprintf("%v, %v", eval, err)
		}
		if failed := eval.FailedTGAllocs["g"]; failed == nil || failed.ConstraintFiltered["missing drivers"] != 1 {
			t.Errorf("the evaluation says %+v", failed)
		}
		return ""
	})
	nodes, _, err := c.Nodes().List(nil)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	if d := nodes[0].Drivers["raw_exec"]; d == nil || d.Detected || d.HealthDescription != "disabled" {
		t.Errorf("raw_exec is %+v", d)
	}
}

// onlyIntroducedClientsJoin: of three clients with valid certificates, only the one with a token for its own name joins.
func onlyIntroducedClientsJoin(t *testing.T, l *lab.Lab) {
	c := asToken(t, labtest.Leader(t, l), l.ManagementToken())
	for _, name := range []string{notIntroduced, namesake, introduced} {
		n, err := l.Node(name)
		if err == nil {
			err = n.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range map[string]string{
		notIntroduced: "node registration without introduction token: enforcement_level=strict",
		namesake:      "node registration introduction claims mismatch: enforcement_level=strict",
	} {
		within(t, deadline.Hang, func() string { return logged(l, says, "node_name="+name) })
	}
	within(t, deadline.Hang, func() string {
		nodes, _, err := c.Nodes().List(nil)
		ready := map[string]bool{}
		for _, n := range nodes {
			ready[n.Name] = n.Status == api.NodeStatusReady
		}
		if _, there := ready[notIntroduced]; there || ready[namesake] {
			t.Errorf("the nodes are %v", ready)
		}
		if !ready[introduced] {
			return fmt.Sprintf("ready are %v, %v", ready, err)
		}
		return ""
	})
}

// logged returns "" if a line of a server's log has all the parts.
func logged(l *lab.Lab, parts ...string) string {
	for _, n := range l.Servers() {
		lines, err := n.Log().Since(0)
		if err != nil {
			return err.Error()
		}
		if slices.ContainsFunc(lines, func(line string) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
		}) {
			return ""
		}
	}
	return fmt.Sprintf("no server logs %v", parts)
}

// tokenIsKept for the user who opens the lab, in a file that no other user may read.
func tokenIsKept(t *testing.T, l *lab.Lab, e engine.Engine) {
	file := filepath.Join(filepath.Dir(l.TLSFolder()), "management.token")
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v: %v", info, err)
	}
	opened, err := lab.Open(t.Context(), e, l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if l.ManagementToken() == "" || opened.ManagementToken() != l.ManagementToken() {
		t.Error("the lab that was opened has another token than the one that was brought up")
	}
	if s := opened.Status(t.Context()); !s.Ready || !s.ACL {
		t.Errorf("ACLs: %v, trouble %v", s.ACL, s.Trouble)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if shown := fmt.Sprintf(verb, opened); strings.Contains(shown, l.ManagementToken()) {
			t.Errorf("printed with %s, the lab shows its token", verb)
		}
	}
}

// evidenceHasNoToken, neither the management token nor a client's introduction token.
func evidenceHasNoToken(t *testing.T, l *lab.Lab, e engine.Engine) {
	secrets := []string{l.ManagementToken()}
	for _, n := range l.Plan().Nodes {
		for _, f := range n.Files {
			if f.Secret != plan.IntroToken {
				continue
			}
			files, err := e.CopyOut(t.Context(), engine.Ref{Lab: l.Name(), Node: n.Name}, path.Dir(f.Path))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(files, func(x engine.File) bool { return path.Base(x.Path) == path.Base(f.Path) })
			if i < 0 || strings.Count(string(files[i].Data), ".") != 2 || files[i].Mode != 0o600 {
				t.Fatalf("%s has no introduction token of its own alone: %d", n.Name, i)
			}
			secrets = append(secrets, string(files[i].Data))
		}
	}
	if len(secrets) != 4 {
		t.Fatalf("%d secrets, want those of one client and two extra nodes and the management token", len(secrets))
	}
	folder, err := l.Evidence(t.Context(), errors.New("because"))
	if err != nil {
		t.Fatal(err)
	}
	demandEvidence(t, folder, map[string]string{
		"plan.json": `"introduction token"`, "client-1/agent-self.json": `"stats"`, "server-1/agent-self.json": `"stats"`,
		"server-1/agent.hcl": "acl {", "status.json": `"acl": true`,
	}, secrets)
	if record, err := os.ReadFile(filepath.Join(filepath.Dir(l.TLSFolder()), "lab.json")); err != nil || strings.Contains(string(record), secrets[0]) {
		t.Errorf("the lab's record has its token, %v", err)
	}
}

// restartKeepsTheToken: a restart neither bootstraps ACLs nor introduces clients a second time.
func restartKeepsTheToken(t *testing.T, l *lab.Lab) {
	before := l.ManagementToken()
	for _, n := range append(l.Servers(), l.Clients()...) {
		if err := n.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(t.Context()); !s.Ready || l.ManagementToken() != before {
		t.Errorf("the token is the same: %v, trouble %v", l.ManagementToken() == before, s.Trouble)
	}
}
