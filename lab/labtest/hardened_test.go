package labtest_test

import (
	"context"
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

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
)

// The joiners of a hardened lab, by the introduction that they have.
const introduced, stranger, namesake = "introduced", "stranger", "namesake"

// TestHardened: what a hardened lab promises, on every engine.
func TestHardened(t *testing.T) {
	for _, k := range []engines.Kind{engines.Docker, engines.Process} {
		t.Run(string(k), func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			t.Setenv(engines.Variable, string(k))
			l := labtest.Start(t, lab.Servers(3), lab.Clients(1), lab.Hardened(), lab.Outside(
				lab.Joiner{Name: introduced, Role: pki.Client},
				lab.Joiner{Name: stranger, Role: pki.Client, Introduction: lab.NotIntroduced},
				lab.Joiner{Name: namesake, Role: pki.Client, Introduction: lab.OtherIntroduction},
			))
			t.Run("anonymous is denied", func(t *testing.T) { anonymousIsDenied(t, l) })
			t.Run("policies", func(t *testing.T) { policiesAllow(t, l) })
			t.Run("drivers", func(t *testing.T) { noRawExec(t, l) })
			t.Run("introduction", func(t *testing.T) { onlyIntroducedClientsJoin(t, l) })
			t.Run("token", func(t *testing.T) { tokenIsKept(t, l) })
			t.Run("evidence", func(t *testing.T) { evidenceHasNoToken(t, l) })
			t.Run("restart", func(t *testing.T) { restartKeepsTheToken(t, l) })
		})
	}
}

// status asks with a token and returns the HTTP status, 200 for an answer.
func status(t *testing.T, n *lab.Node, token, at string) int {
	t.Helper()
	c, err := n.APIWith(token)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Raw().Response(at, new(api.QueryOptions).WithContext(t.Context()))
	if err == nil {
		_ = answer.Close()
		return http.StatusOK
	}
	refused, ok := errors.AsType[api.UnexpectedResponseError](err)
	if !ok {
		t.Fatalf("%s of %s: %v", at, n.Name(), err)
	}
	return refused.StatusCode()
}

// anonymousIsDenied by servers and clients alike; the control is the management token.
func anonymousIsDenied(t *testing.T, l *lab.Lab) {
	t.Setenv("NOMAD_TOKEN", l.ManagementToken()) // what the user's shell has is nobody's token here
	for _, n := range append(l.Servers(), l.Clients()...) {
		asked := []string{"/v1/agent/self", "/v1/jobs", "/v1/nodes", "/v1/acl/tokens"}
		if n.Role() == pki.Client {
			asked = append(asked, "/v1/client/stats")
		}
		for _, at := range asked {
			none, wrong := status(t, n, "", at), status(t, n, "b2b1b0c6-5f0e-4c5e-9d3c-0123456789ab", at)
			with := status(t, n, l.ManagementToken(), at)
			if none != http.StatusForbidden || wrong != http.StatusForbidden || with != http.StatusOK {
				t.Errorf("%s of %s: without a token %d, with an unknown one %d, with the management token %d", at, n.Name(), none, wrong, with)
			}
		}
	}
}

// policiesAllow what their texts say, as far as it can be asked for, and nothing beyond.
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

// rawExecJob would end at once.
func rawExecJob(id string) *api.Job {
	task := api.NewTask("t", "raw_exec").SetConfig("command", "/bin/true").Require(&api.Resources{CPU: new(20), MemoryMB: new(16)})
	return api.NewBatchJob(id, id, "global", 50).AddDatacenter("dc1").AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(task))
}

// noRawExec: a job of it finds no client that could run it.
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

// onlyIntroducedClientsJoin: of three clients with good certificates, the one whose token speaks of it.
func onlyIntroducedClientsJoin(t *testing.T, l *lab.Lab) {
	c := asToken(t, labtest.Leader(t, l), l.ManagementToken())
	for _, name := range []string{stranger, namesake, introduced} {
		n, err := l.Node(name)
		if err == nil {
			err = n.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range map[string]string{
		stranger: "node registration without introduction token: enforcement_level=strict",
		namesake: "node registration introduction claims mismatch: enforcement_level=strict",
	} {
		within(t, deadline.Hang, func() string { return logged(l, says, "node_name="+name) })
	}
	within(t, deadline.Hang, func() string {
		nodes, _, err := c.Nodes().List(nil)
		ready := map[string]bool{}
		for _, n := range nodes {
			ready[n.Name] = n.Status == api.NodeStatusReady
		}
		if _, there := ready[stranger]; there || ready[namesake] {
			t.Errorf("the nodes are %v", ready)
		}
		if !ready[introduced] {
			return fmt.Sprintf("ready are %v, %v", ready, err)
		}
		return ""
	})
}

// logged is "" when a line of a server's log has all the parts.
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

// tokenIsKept for those who open the lab, and for nobody else on this machine.
func tokenIsKept(t *testing.T, l *lab.Lab) {
	file := filepath.Join(filepath.Dir(l.TLSFolder()), "management.token")
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v: %v", info, err)
	}
	opened, err := lab.Open(t.Context(), labtest.Engine(t), l.Name())
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

// evidenceHasNoToken: neither the management token nor a client's.
func evidenceHasNoToken(t *testing.T, l *lab.Lab) {
	secrets := []string{l.ManagementToken()}
	for _, n := range l.Plan().Nodes {
		for _, f := range n.Files {
			if f.Secret != lab.IntroToken {
				continue
			}
			files, err := labtest.Engine(t).CopyOut(t.Context(), engine.Ref{Lab: l.Name(), Node: n.Name}, path.Dir(f.Path))
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
		t.Fatalf("%d secrets, want those of one client and two joiners and the management token", len(secrets))
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

// restartKeepsTheToken: nothing is bootstrapped, or introduced, a second time.
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

// edited is an engine on which somebody changes the nodes' configuration.
type edited struct {
	engine.Engine
	old, with string
}

func (e edited) Create(ctx context.Context, n engine.Node) error {
	for i, f := range n.Files {
		n.Files[i].Data = []byte(strings.ReplaceAll(string(f.Data), e.old, e.with))
	}
	return e.Engine.Create(ctx, n)
}

func onProcesses(t *testing.T) engine.Engine {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv(engines.Variable, string(engines.Process))
	return labtest.Engine(t)
}

// TestHardenedLabWithItsACLsEditedOut comes up all the same, and has no token.
func TestHardenedLabWithItsACLsEditedOut(t *testing.T) {
	e := edited{onProcesses(t), "acl {\n  enabled = true", "acl {\n  enabled = false"}
	l, err := lab.Up(t.Context(), e, lab.Spec{}.With(lab.Name(victimName()), lab.Servers(1), lab.Clients(1), lab.Hardened()), lab.UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := os.Stat(filepath.Join(filepath.Dir(l.TLSFolder()), "management.token")); !errors.Is(err, os.ErrNotExist) || l.ManagementToken() != "" {
		t.Errorf("it has a token: %v", err)
	}
	if got := status(t, l.Servers()[0], "", "/v1/nodes"); got != http.StatusOK || !l.Status(t.Context()).Ready {
		t.Errorf("anonymous gets %d, trouble %v", got, l.Status(t.Context()).Trouble)
	}
}

// TestNotBootstrapped leaves the token to whoever comes first, who gets it once.
func TestNotBootstrapped(t *testing.T) {
	onProcesses(t)
	l := labtest.Start(t, lab.Servers(3), lab.Clients(0), lab.Hardened(), lab.NotBootstrapped())
	first := l.Servers()[0]
	if got := status(t, first, "", "/v1/nodes"); got != http.StatusForbidden || l.ManagementToken() != "" {
		t.Errorf("anonymous gets %d", got)
	}
	c := asToken(t, first, "")
	made, _, err := c.ACLTokens().Bootstrap(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, first, made.SecretID, "/v1/nodes"); got != http.StatusOK {
		t.Errorf("the token that was got opens nothing: %d", got)
	}
	if _, _, err := c.ACLTokens().Bootstrap(nil); err == nil || !strings.Contains(err.Error(), "already done") {
		t.Errorf("a second time: %v", err)
	}
}

// TestSomebodyElseBootstraps first: the lab does not come up, for it would not be its user's.
func TestSomebodyElseBootstraps(t *testing.T) {
	e := onProcesses(t)
	var begun *lab.Lab
	_, err := lab.Up(t.Context(), e, lab.Spec{}.With(lab.Name(victimName()), lab.Servers(1), lab.Clients(0), lab.Hardened()), lab.UpOptions{
		Begun: func(l *lab.Lab) { begun = l },
		Progress: func(ev lab.Event) {
			if ev.Stage != "leader" || !ev.Done {
				return
			}
			within(t, deadline.Hang, func() string {
				if _, _, err := asToken(t, begun.Servers()[0], "").ACLTokens().Bootstrap(nil); err != nil {
					return err.Error()
				}
				return ""
			})
		},
	})
	if _, failed := errors.AsType[*lab.StartError](err); !failed || !strings.Contains(err.Error(), "ACL bootstrap already done") {
		t.Errorf("error %v, want a *StartError that says why", err)
	}
}
