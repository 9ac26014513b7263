package labtest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// secretsOf are the secrets in a node's files: its private key and the gossip key.
func secretsOf(t *testing.T, e engine.Engine, r engine.Ref) []string {
	t.Helper()
	var out bytes.Buffer
	read := engine.Command{Args: []string{"/bin/sh", "-c", "cat /nomad/tls/*-key.pem /nomad/config/gossip.hcl"}, Streams: engine.Streams{Stdout: &out}}
	if code, err := e.Exec(t.Context(), r, read); err != nil || code != 0 {
		t.Fatalf("read the secrets of %s: code %d, %v", r, code, err)
	}
	secrets := regexp.MustCompile(`(?m)^[A-Za-z0-9+/]{40,}=*$|[A-Za-z0-9+/]{43}=`).FindAllString(out.String(), -1)
	if len(secrets) < 2 {
		t.Fatalf("%s has %d secrets, want its key's lines and the gossip key", r, len(secrets))
	}
	return append(secrets, "PRIVATE KEY")
}

// readAll reads the folder's files, by their path in it.
func readAll(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, mode %s: others may look", path, err, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// demandEvidence looks for what must be there, each file with something that it must say, and for what must not.
func demandEvidence(t *testing.T, folder string, wanted map[string]string, secrets []string) {
	t.Helper()
	files := readAll(t, folder)
	for name, says := range wanted {
		if !strings.Contains(files[name], says) || files[name] == "" {
			t.Errorf("%s does not say %q, it says %.300q", name, says, files[name])
		}
	}
	for name, text := range files {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s has a secret in it", name)
			}
		}
	}
}

// TestEvidenceOfAFailedStart: certificates that end within a second keep the lab from getting ready. What its error
// names shows why, and nothing runs any more.
func TestEvidenceOfAFailedStart(t *testing.T) {
	t.Parallel()
	home := os.Getenv("XDG_STATE_HOME")
	e, name := labtest.Engine(t), victimName()
	var secrets []string
	var run string
	const ttl = time.Second
	timeout := deadline.Stretch(3 * time.Second) // in which the servers must be started
	spec := spec.Spec{Certificates: spec.Certificates{TTL: ttl}}.With(spec.Name(name), spec.Servers(1), spec.Clients(0))
	_, err := lab.Up(t.Context(), e, spec, lab.UpOptions{Timeout: timeout, Progress: func(ev lab.Event) {
		if ev.Phase == "servers" && ev.Done {
			secrets = secretsOf(t, e, engine.Ref{Lab: name, Node: "server-1"})
			_, run = look(t, name, home)
			// A connection that is made before the end would live on after it, and the lab would get ready.
			<-time.After(ttl)
		}
	}})
	failed, ok := errors.AsType[*lab.StartError](err)
	if !ok {
		t.Fatalf("error %v, want a *StartError", err)
	}
	if failed.Lab != name || !strings.HasPrefix(failed.Evidence, home) || !strings.Contains(err.Error(), failed.Evidence) {
		t.Fatalf("lab %q, evidence %q, text %q", failed.Lab, failed.Evidence, err)
	}
	if !strings.Contains(err.Error(), "not up within "+timeout.String()) || !strings.Contains(err.Error(), "last seen: ") {
		t.Errorf("the error does not say what was awaited, or seen last: %v", err)
	}
	demandEvidence(t, failed.Evidence, map[string]string{
		"cause.txt": "not up within " + timeout.String(), "plan.json": name, "status.json": "server-1",
		"server-1/agent.log": "Nomad agent started!", "server-1/agent.hcl": `name`, "server-1/state.json": `"Running": true`,
		"server-1/certificate-given.txt": "server.global.nomad",
	}, secrets)
	gone(t, name, run, home, 0)
}

// evidenceOfARunningLab has what the agents say of themselves as well.
func evidenceOfARunningLab(t *testing.T, l *lab.Lab) {
	secrets := secretsOf(t, labtest.Engine(t), engine.Ref{Lab: l.Name(), Node: "server-1"})
	folder, err := l.Evidence(t.Context(), errors.New("because"))
	if err != nil {
		t.Fatal(err)
	}
	demandEvidence(t, folder, map[string]string{
		"cause.txt": "because", "plan.json": l.Name(), "status.json": `"ready": true`, "server-1/agent.log": "Nomad agent started!",
		"server-1/agent.hcl": "server-1", "server-1/state.json": `"Running": true`, "server-1/certificate-shown.txt": "server.global.nomad", "server-1/certificate-given.txt": "server.global.nomad",
		"server-1/agent-self.json": `"stats"`,
	}, secrets)
	// The control: the secrets are such that a search finds them.
	planted := filepath.Join(folder, "planted")
	if err := os.WriteFile(planted, []byte("x"+secrets[0]+"y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if files := readAll(t, folder); !strings.Contains(files["planted"], secrets[0]) {
		t.Error("a planted secret is not found")
	}
}

// TestInterruptedStartLeavesNothing, and no evidence either: the user who pressed Ctrl-C knows why.
func TestInterruptedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	home := os.Getenv("XDG_STATE_HOME")
	e, name := labtest.Engine(t), victimName()
	ctx, cancel := context.WithCancel(t.Context())
	var run string
	spec := spec.Spec{}.With(spec.Name(name), spec.Servers(1), spec.Clients(0))
	_, err := lab.Up(ctx, e, spec, lab.UpOptions{Progress: func(ev lab.Event) {
		if ev.Phase == "servers" && ev.Done {
			_, run = look(t, name, home)
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || run == "" {
		t.Errorf("error %v, run %q, want context.Canceled", err, run)
	}
	gone(t, name, run, home, 0)
	if left, err := filepath.Glob(filepath.Join(home, "nomadlab", "evidence", name+"*")); err != nil || len(left) != 0 {
		t.Errorf("evidence is left: %v, %v", left, err)
	}
}

// TestFailedTestKeepsItsEvidence and says where, while its lab is removed as any other.
func TestFailedTestKeepsItsEvidence(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	c := launch(t, home, "fail", 1)
	f := c.ready(t, 1)[0]
	if err := c.end(); err == nil {
		t.Error("the child's test did not fail")
	}
	named := regexp.MustCompile(`logs and configuration of every node: (\S+)`).FindStringSubmatch(c.printed.String())
	if named == nil || !strings.HasPrefix(named[1], home) {
		t.Fatalf("no folder of evidence is named:\n%s", c.printed)
	}
	demandEvidence(t, named[1], map[string]string{"cause.txt": "TestChild0 failed", "server-1/agent.log": "Nomad agent started!"}, []string{"PRIVATE KEY"})
	gone(t, f.Name, f.Run, home, 0)
}
