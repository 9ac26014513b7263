package nomadlab_test

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
	proxy, app := t.TempDir(), t.TempDir()
	command(t, ".", []string{"MAKEFLAGS=", "MAKELEVEL="}, "make", "--no-print-directory", "module", "MODULE_PROXY="+proxy)
	usual := strings.Fields(command(t, ".", nil, "go", "env", "GOMODCACHE", "GOPROXY"))
	env := []string{
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(usual[0], "cache", "download") + "," + usual[1], "GOFLAGS=-modcacherw",
		"GOMODCACHE=" + t.TempDir(), "GONOSUMDB=*", "GOTOOLCHAIN=local", "NOMADLAB_ENGINE=process",
	}
	if err := os.WriteFile(filepath.Join(app, "app_test.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, app, env, "go", "mod", "init", "example.test/app")
	command(t, app, env, "go", "get", "-t", "nomadlab.internal/lab/labtest@latest")
	out := command(t, app, env, "go", "test", "-count=1", "-v", "-trimpath", "./...")
	if !strings.Contains(out, "the leader is") || !strings.Contains(out, "--- PASS: TestServerKnowsItsLeader") {
		t.Errorf("the module's test did not pass:\n%s", out)
	}
	goMod, err := os.ReadFile(filepath.Join(app, "go.mod"))
	if text := string(goMod); err != nil || !strings.Contains(text, "nomadlab.internal v0.0.0-") || strings.Contains(text, "replace") {
		t.Errorf("its go.mod does not require nomadlab.internal alone, %v:\n%s", err, text)
	}
}

// command runs a program in the folder with more of an environment, and returns what it printed. It fails the test if the
// program fails.
func command(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
