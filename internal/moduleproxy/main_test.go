package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program is the test of another module: a lab in a few lines, and Nomad's own client.
const program = `package app_test

import (
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

func TestServerKnowsItsLeader(t *testing.T) {
	cluster := labtest.Start(t, spec.Servers(1), spec.Clients(0))
	api, err := cluster.Nodes()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	leader, err := api.Status().Leader()
	if err != nil || leader == "" {
		t.Fatalf("leader %q, %v", leader, err)
	}
	t.Log("the leader is", leader)
}
`

// TestAModuleElsewhereUsesLabtest: a module outside this tree gets this one from the proxy, without a replace, and its
// test brings up a real lab. Other modules come from this machine's module cache, and what it lacks from the usual proxy.
func TestAModuleElsewhereUsesLabtest(t *testing.T) {
	proxy, app, root := t.TempDir(), t.TempDir(), filepath.Join("..", "..")
	version, err := write(t.Context(), root, proxy)
	if err != nil {
		t.Fatal(err)
	}
	usual := strings.Fields(goCommand(t, root, nil, "env", "GOMODCACHE", "GOPROXY"))
	env := []string{
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(usual[0], "cache", "download") + "," + usual[1], "GOFLAGS=-modcacherw",
		"GOMODCACHE=" + t.TempDir(), "GONOSUMDB=*", "GOTOOLCHAIN=local", "NOMADLAB_ENGINE=process",
	}
	if err := os.WriteFile(filepath.Join(app, "app_test.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	goCommand(t, app, env, "mod", "init", "example.test/app")
	goCommand(t, app, env, "get", "-t", "nomadlab.internal/lab/labtest@latest")
	out := goCommand(t, app, env, "test", "-count=1", "-v", "-trimpath", "./...")
	if !strings.Contains(out, "the leader is") || !strings.Contains(out, "--- PASS: TestServerKnowsItsLeader") {
		t.Errorf("the module's test did not pass:\n%s", out)
	}
	goMod, err := os.ReadFile(filepath.Join(app, "go.mod"))
	if text := string(goMod); err != nil || !strings.Contains(text, "nomadlab.internal "+version) || strings.Contains(text, "replace") {
		t.Errorf("its go.mod does not require nomadlab.internal %s alone, %v:\n%s", version, err, text)
	}
}

// TestWhatIsNoCheckout: a folder that git does not know is refused, and nothing is written.
func TestWhatIsNoCheckout(t *testing.T) {
	proxy := t.TempDir()
	_, err := write(t.Context(), t.TempDir(), proxy)
	if err == nil || !strings.Contains(err.Error(), "git log") {
		t.Errorf("error %v, want git's", err)
	}
	if left, err := os.ReadDir(proxy); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// goCommand runs go in the folder with more of an environment, and returns what it printed. It fails the test if
// go fails.
func goCommand(t *testing.T, folder string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
