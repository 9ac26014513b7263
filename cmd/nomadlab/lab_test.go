package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// TestALabFromUpToDown: what the command says and does is the same on every engine.
func TestALabFromUpToDown(t *testing.T) {
	t.Parallel()
	for _, k := range []engines.Kind{engines.Docker, engines.Process} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			fromUpToDown(t, user{engine: k})
		})
	}
}

func fromUpToDown(t *testing.T, u user) {
	name := unused(t)
	e := realEngine(t, u.engine, name)
	defer func() { u.must(t, "down", name) }()

	contains(t, u.must(t, "plan", "--name", name, "--servers", "1", "--clients", "1"), "lab "+name+" would be", "server.global.nomad", "agent.hcl")
	contains(t, u.mustApart(t, "up", "--name", name, "--servers", "1", "--clients", "1"), "is ready", "1 server, 1 client", "leader", " down "+name+" # remove it")
	if r := u.call(t, "", "up", "--name", name); r.code != exitUsage || !strings.Contains(r.errs, "taken") {
		t.Errorf("a second up: %+v", r)
	}
	contains(t, listedLine(t, u, name), name+"  ", "2/2", "  "+string(u.engine)+" ")
	contains(t, u.must(t, "status", name), "is ready", "client-1", "6d 23h", "encrypted")
	t.Run("env", func(t *testing.T) { tryEnv(t, u, name) })
	t.Run("nomad", func(t *testing.T) { tryNomad(t, u, name) })
	t.Run("exec", func(t *testing.T) { tryExec(t, u, name) })
	t.Run("logs", func(t *testing.T) { tryLogs(t, u, name) })
	t.Run("check", func(t *testing.T) { checkKnown(t, u, name) })
	t.Run("start", func(t *testing.T) { tryStart(t, u, e, name) })
	contains(t, u.must(t, "down", name), "removed, 2 nodes")
	contains(t, u.must(t, "down", name), "there is none")
}

// listedLine returns the lab's line in the output of list.
func listedLine(t *testing.T, u user, name string) string {
	t.Helper()
	list := u.must(t, "list")
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, name+" ") {
			return line
		}
	}
	t.Errorf("lab %s is not in:\n%s", name, list)
	return ""
}

// tryEnv lets bash evaluate what env prints, where the variables have values of another cluster, and asks the agent with
// the files that it names.
func tryEnv(t *testing.T, u user, name string) {
	line := `eval "$1"; printf '%s\n' "$NOMAD_ADDR" "$NOMAD_CACERT" "$NOMAD_CLIENT_CERT" "$NOMAD_CLIENT_KEY" "$NOMAD_REGION"; env | grep =production`
	shell := exec.CommandContext(t.Context(), "bash", "-c", line, "bash", u.must(t, "env", name))
	shell.Env = os.Environ()
	for _, v := range apiVariables() {
		shell.Env = append(shell.Env, v+"=production")
	}
	out, err := shell.Output()
	v := strings.Split(string(out), "\n")
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || len(v) != 6 || v[4] != "global" { // grep finds none
		t.Fatalf("bash: %v: %q", err, v)
	}
	ca, err := os.ReadFile(v[1])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	own, err := tls.LoadX509KeyPair(v[2], v[3])
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t, v[0], &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}); err != nil {
		t.Errorf("with the files that env names: %v", err)
	}
	if err := ask(t, v[0], &tls.Config{RootCAs: pool}); err == nil {
		t.Error("without a certificate the agent answers too, so that env's is not what opened it")
	}
	var object map[string]string
	if err := json.Unmarshal([]byte(u.must(t, "env", name, "--json")), &object); err != nil || object["NOMAD_ADDR"] != v[0] {
		t.Errorf("as JSON: %v: %v", err, object)
	}
}

// TestAHardenedLabAndItsToken: env sets the lab's token, and nomad calls with it, before and after `start`.
func TestAHardenedLabAndItsToken(t *testing.T) {
	t.Parallel()
	name := unused(t)
	u := user{engine: engines.Process, env: []string{token + "=production"}}
	e := realEngine(t, u.engine, name)
	defer func() { u.must(t, "down", name) }()

	contains(t, u.must(t, "plan", "--name", name, "--hardened"), "hardened: ACLs on every agent", "introduction token")
	said := u.mustApart(t, "up", "--name", name, "--servers", "1", "--clients", "1", "--hardened")
	contains(t, said, "is ready", "it has ACLs", "use it from this shell, with its token", "bootstrapped, 1 client introduced")
	var object map[string]string
	if err := json.Unmarshal([]byte(u.must(t, "env", name, "--json")), &object); err != nil || len(object[token]) != 36 {
		t.Fatalf("as JSON: %v: %d characters", err, len(object[token]))
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", `eval "$1"; printf '%s' "$NOMAD_TOKEN"`, "bash", u.must(t, "env", name))
	shell.Env = append(os.Environ(), u.env...)
	if out, err := shell.Output(); err != nil || string(out) != object[token] {
		t.Errorf("bash has another token than the JSON: %v", err)
	}
	contains(t, u.must(t, "env", "--unset"), " NOMAD_TOKEN ")
	for _, shown := range []string{said, u.must(t, "status", name), u.must(t, "status", name, "--json"), u.must(t, "logs", name)} {
		if strings.Contains(shown, object[token]) {
			t.Errorf("the token is in:\n%s", shown)
		}
	}
	contains(t, u.must(t, "status", name, "--json"), `"acl": true`)
	contains(t, u.must(t, "nomad", name, "--", "acl", "token", "create", "-name", "me", "-policy", "developer"), "developer")
	tryStart(t, u, e, name)
	contains(t, u.must(t, "nomad", name, "--", "node", "status"), "client-1", "ready")
}

func ask(t *testing.T, address string, c *tls.Config) error {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v1/agent/health", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func tryExec(t *testing.T, u user, name string) {
	where := map[engines.Kind]string{engines.Docker: "hostname", engines.Process: "echo $NOMADLAB_NODE"}[u.engine]
	r := u.call(t, "in", "exec", name, "client-1", "--", "sh", "-c", "cat; "+where+"; echo bad >&2; exit 7")
	if r.code != 7 || r.out != "inclient-1\n" || r.errs != "bad\n" {
		t.Errorf("%+v", r)
	}
	if r := u.call(t, "", "exec", name, "client-9", "--", "true"); r.code != exitUsage || !strings.Contains(r.errs, "server-1 client-1") {
		t.Errorf("a node that does not exist: %+v", r)
	}
}

func tryLogs(t *testing.T, u user, name string) {
	contains(t, u.must(t, "logs", name), "server-1 |     2", "client-1 |     2", "cluster leadership acquired")
	if one := u.must(t, "logs", name, "client-1"); strings.Contains(one, "client-1 |") || !strings.Contains(one, "node registration complete") {
		t.Errorf("log of one node:\n%s", one)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelling{at: "node registration complete", cancel: cancel}
	var errs strings.Builder
	if code := newApp().execute(ctx, u.on([]string{"logs", name, "-f"}), nil, out, &errs); code != exitFine || errs.Len() > 0 {
		t.Errorf("following until interrupted: exit code %d, %s", code, errs.String())
	}
}

func tryStart(t *testing.T, u user, e engine.Engine, name string) {
	for _, node := range []string{"server-1", "client-1"} {
		if err := e.Kill(t.Context(), engine.Ref{Lab: name, Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, listedLine(t, u, name), "stopped")
	if r := u.call(t, "", "status", name); r.code != exitFailed || !strings.Contains(r.out, "not ready") {
		t.Errorf("status of a stopped lab: %+v", r)
	}
	if r := u.call(t, "", "env", name); r.code != exitFailed || r.out != "" || !strings.Contains(r.errs, "nomadlab start "+name) {
		t.Errorf("env of a stopped lab: %+v", r)
	}
	contains(t, u.must(t, "start", name), "is ready in", "leader")
	u.must(t, "status", name)
}

// cancelling is a writer that interrupts when it sees a text.
type cancelling struct {
	strings.Builder
	at     string
	cancel context.CancelFunc
}

func (c *cancelling) Write(p []byte) (int, error) {
	n, err := c.Builder.Write(p)
	if strings.Contains(c.String(), c.at) {
		c.cancel()
	}
	return n, err
}

func TestRunsAndInterruptions(t *testing.T) {
	t.Parallel()
	u, name := user{engine: engines.Auto}, unused(t)
	e := realEngine(t, u.engine, name)

	t.Run("interrupted up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		errs := &cancelling{at: "waiting for a leader", cancel: cancel}
		var out strings.Builder
		code := newApp().execute(ctx, u.on([]string{"up", "--name", name, "--servers", "1", "--clients", "0"}), nil, &out, errs)
		if code != exitFailed || out.Len() > 0 {
			t.Errorf("exit code %d, %q", code, out.String())
		}
		contains(t, errs.String(), "interrupted: what was started of lab "+name+" has been removed")
		if left, err := e.Nodes(t.Context(), name); len(left) > 0 || err != nil {
			t.Errorf("left: %v (%v)", left, err)
		}
	})
	t.Run("run", func(t *testing.T) { tryRun(t, u, e) })
}

func tryRun(t *testing.T, u user, e engine.Engine) {
	var labs []string
	named := func(name string, err error) scenario.Scenario {
		return scenario.Scenario{Name: name, Claim: "Claims " + name + ".", Spec: spec.Spec{}.With(spec.Servers(1), spec.Clients(0)), Steps: func() []scenario.Step {
			return []scenario.Step{{Title: "A check is made", Do: func(_ context.Context, t *scenario.T) error {
				labs = append(labs, t.Lab.Name())
				t.Say("seen by %s", name)
				return errors.Join(err, t.Record(finding.Finding{ID: "some-check", Title: "it is refused", Node: "server-1", Result: finding.Pass}))
			}}}
		}}
	}
	a := newApp()
	a.all = func() []scenario.Scenario {
		return []scenario.Scenario{named("bad", errors.New("boom")), named("good", nil)}
	}
	r := call(t, a, "", u.on([]string{"run", "--all", "--json"})...)
	var results []scenarioResult
	if err := json.Unmarshal([]byte(r.out), &results); err != nil || len(results) != 2 {
		t.Fatalf("%v\n%s%s", err, r.out, r.errs)
	}
	bad, good := results[0], results[1]
	if r.code != exitFailed || bad.Passed || !good.Passed || good.Steps != 1 || len(good.Findings) != 1 || good.Evidence != "" {
		t.Errorf("exit code %d, %+v", r.code, results)
	}
	contains(t, bad.Error, "boom")
	if _, err := os.Stat(filepath.Join(bad.Evidence, "server-1", "agent.log")); err != nil {
		t.Error(err)
	}
	contains(t, r.errs, "Claims good.", "1/1  A check is made", "seen by good", "ok server-1: it is refused: pass", "1 step, 1 check passes in ", "evidence: "+bad.Evidence, "1 of 2 scenarios passed, failed: bad")
	for _, name := range labs {
		if left, err := e.Nodes(t.Context(), name); len(left) > 0 || err != nil {
			t.Errorf("left of %s: %v (%v)", name, left, err)
		}
	}
}
