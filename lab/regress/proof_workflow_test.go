package regress_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
)

// step is the shell of a step of the workflow for GitHub.
func step(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(fixtures.CI, "ci/github.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	for _, job := range workflow.Jobs {
		for _, s := range job.Steps {
			if s.Name == name && s.Run != "" {
				return s.Run
			}
		}
	}
	t.Fatalf("the workflow has no step %q", name)
	return ""
}

// TestProofOfWorkflow carries out the step of the workflow that checks a repository's configuration: it passes while that is what the
// lock says, and fails with the line that weakens it. The hardened configuration is sound, with its clients and without.
func TestProofOfWorkflow(t *testing.T) {
	t.Parallel()
	repository := t.TempDir()
	if err := os.Rename(copied(t, "hardened"), filepath.Join(repository, "nomad")); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "nomadlab"), "../../cmd/nomadlab")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(script string) (string, int) {
		cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail", "-c", script)
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=true", "PATH="+bin+":"+os.Getenv("PATH"), "XDG_STATE_HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	check := step(t, "Check the posture")
	if out, code := run(strings.Replace(check, "--out report", "--update", 1)); code != 0 {
		t.Fatalf("the first lock: exit code %d\n%s", code, out)
	}
	if out, code := run(check); code != 0 || strings.Contains(out, "::error") {
		t.Errorf("nothing was changed: exit code %d\n%s", code, out)
	}
	hardenedIsSound(t, filepath.Join(repository, "report", "report.json"), labtest.Tally{Passed: 508, Skipped: 59, Cells: 252}, skippedWhereSound()...)
	if out, code := run("nomadlab check --server-config nomad/server --out alone"); code != 0 {
		t.Errorf("the servers alone: exit code %d\n%s", code, out)
	}
	hardenedIsSound(t, filepath.Join(repository, "alone", "report.json"), labtest.Tally{
		Passed: 388, Skipped: 154, Cells: 252, Unused: []string{"none of your files that were read holds a secret"}, // which is of clients
	}, append(skippedWhereSound(), withoutClients()...)...)
	replace(t, filepath.Join(repository, "nomad", "server", "nomad.hcl"), "verify_https_client = true", "verify_https_client = false")
	out, code := run(check)
	if code != 1 || !strings.Contains(out, "::error file=nomad/server/nomad.hcl,line=") {
		t.Errorf("a protection was taken away: exit code %d\n%s", code, out)
	}
	for _, name := range []string{"report.md", "junit.xml"} {
		text, err := os.ReadFile(filepath.Join(repository, "report", name))
		if err != nil || !strings.Contains(string(text), "verify_https_client") {
			t.Errorf("%s does not name the setting: %v", name, err)
		}
	}
}

// hardenedIsSound demands of the report that as many checks hold and are skipped, for these reasons.
func hardenedIsSound(t *testing.T, file string, want labtest.Tally, reasons ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r finding.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, labtest.AllPass(t, r, reasons...)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(filepath.Dir(file)), diff)
	}
}
