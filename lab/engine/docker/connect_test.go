package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/engine/docker"
)

// anotherDaemon answers what is asked at the beginning, at that address.
func anotherDaemon(t *testing.T, network, address string) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Api-Version", "1.44")
		_ = json.NewEncoder(w).Encode(map[string]any{"ID": "another", "OperatingSystem": "another"})
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr()
}

// visit is docker.New in a process of its own. Its home has those ~/.testcontainers.properties.
func visit(t *testing.T, properties string, environment ...string) (said string, connected bool) {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".testcontainers.properties"), []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), "HOME="+home, "DOCKER_HOST=", "DOCKER_CONTEXT=", "TESTCONTAINERS_RYUK_DISABLED=", asVisitor+"=early")
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// TestNewAsksTheDaemonThatItUses: testcontainers looks in more places than DOCKER_HOST, and what it finds is what has to
// be on this machine, and what has to answer.
func TestNewAsksTheDaemonThatItUses(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	other := "unix://" + anotherDaemon(t, "unix", socket).String()
	remote := "tcp://" + anotherDaemon(t, "tcp", "127.0.0.1:0").String()
	const usual = "unix:///var/run/docker.sock"
	for name, c := range map[string]struct {
		properties  string
		environment []string
		says        string
	}{
		"nothing said":                   {"", nil, "connected to " + usual},
		"DOCKER_HOST":                    {"", []string{"DOCKER_HOST=" + other}, "connected to " + other},
		"tc.host":                        {"tc.host=" + other, nil, "connected to " + other},
		"tc.host and DOCKER_HOST, alike": {"tc.host=" + other, []string{"DOCKER_HOST=" + other}, "connected to " + other},
		"tc.host, and another host":      {"tc.host=" + other, []string{"DOCKER_HOST=" + usual}, `DOCKER_HOST is "` + usual + `", but testcontainers uses "` + other + `"`},
		"remote tc.host":                 {"tc.host=" + remote, nil, `"` + remote + `" is a Docker daemon on another machine`},
		"remote DOCKER_HOST":             {"", []string{"DOCKER_HOST=" + remote}, `"` + remote + `" is a Docker daemon on another machine`},
		"nobody at DOCKER_HOST":          {"", []string{"DOCKER_HOST=unix:///no/such.sock"}, "/no/such.sock"},
		"last resort":                    {"docker.host=" + remote, nil, "connected to " + usual},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, connected := visit(t, c.properties, c.environment...)
			if !strings.Contains(said, c.says) || connected != strings.HasPrefix(c.says, "connected") {
				t.Errorf("it says %q (connected: %v), want %q", said, connected, c.says)
			}
			if !connected && !strings.HasPrefix(said, "engine unavailable: ") {
				t.Errorf("no ErrUnavailable: %s", said)
			}
		})
	}
}

// TestNewEndsWithItsContext: New ends with its context if a program listens at the socket and never answers.
func TestNewEndsWithItsContext(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	silent, err := net.Listen("unix", filepath.Join(folder, "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	said, connected := visit(t, "", "DOCKER_HOST=unix://"+filepath.Join(folder, "silent"), asVisitor+"=hurried")
	if connected || !strings.Contains(said, "look for the Docker daemon: context deadline exceeded") {
		t.Errorf("it says %q", said)
	}
	other := anotherDaemon(t, "unix", filepath.Join(folder, "other")).String()
	if said, connected := visit(t, "", "DOCKER_HOST=unix://"+other, asVisitor+"=hurried"); !connected {
		t.Errorf("the control says %q", said)
	}
}

// TestNewLeavesTheReaperAsItIs: it is the rest of the process that uses it, and New neither needs it nor switches it.
func TestNewLeavesTheReaperAsItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		properties, off, when string
		on                    bool
	}{
		"by default":           {"", "", "early", true},
		"off":                  {"", "true", "early", false},
		"off in the file":      {"ryuk.disabled=true", "", "early", false},
		"on":                   {"", "false", "early", true},
		"settled before":       {"", "", "late", true},
		"settled before: off":  {"", "true", "late", false},
		"on, against the file": {"ryuk.disabled=true", "false", "early", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, connected := visit(t, c.properties, "TESTCONTAINERS_RYUK_DISABLED="+c.off, asVisitor+"="+c.when)
			if !connected || !strings.Contains(said, fmt.Sprintf("the reaper is on: %t", c.on)) {
				t.Errorf("connected: %v: %s, want on: %t", connected, said, c.on)
			}
		})
	}
}

// TestUnavailableKnowsOfDockerContexts: the docker command works, and only its context says where.
func TestUnavailableKnowsOfDockerContexts(t *testing.T) {
	const mend = `export DOCKER_HOST=$(docker context inspect -f '{{.Endpoints.docker.Host}}')`
	for name, c := range map[string]struct {
		config, context, host string
		hint                  bool
	}{
		"none":                  {"{}", "", "", false},
		"default":               {`{"currentContext":"default"}`, "", "", false},
		"chosen":                {`{"currentContext":"desktop-linux"}`, "", "", true},
		"chosen by environment": {"{}", "desktop-linux", "", true},
		"overruled":             {`{"currentContext":"desktop-linux"}`, "default", "", false},
		"DOCKER_HOST is set":    {`{"currentContext":"desktop-linux"}`, "", "unix:///x", false},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("DOCKER_CONFIG", folder)
			t.Setenv("DOCKER_CONTEXT", c.context)
			t.Setenv("DOCKER_HOST", c.host)
			err := docker.Unavailable(errors.Join(os.ErrNotExist, os.ErrNotExist))
			if got := strings.Contains(err.Error(), mend); got != c.hint {
				t.Errorf("tells of the context: %v: %v", got, err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %v", err)
			}
		})
	}
}
