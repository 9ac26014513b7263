package lab_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
)

// TestTheTokenIsNotInAContainersConfiguration, which the daemon shows to whoever asks: it is in a file that the agent's user alone
// may read. The control is the address, which is in the environment.
func TestTheTokenIsNotInAContainersConfiguration(t *testing.T) {
	e, _ := composedLab(t)
	l, err := lab.Open(t.Context(), contained{e}, "demo")
	if err != nil {
		t.Fatal(err)
	}
	task := lab.CLITask(l, "a-secret", lab.Call{Args: []string{"status"}})
	shown := strings.Join(slices.Concat(task.Environment, task.Command), " ")
	if strings.Contains(shown, "a-secret") || !strings.Contains(shown, "NOMAD_ADDR=") || task.Command[len(task.Command)-1] != "status" {
		t.Errorf("the daemon is told %s", shown)
	}
	if !slices.ContainsFunc(task.Files, func(f engine.File) bool { return string(f.Data) == "a-secret" && f.Mode == 0o600 }) {
		t.Error("no file has the token")
	}
}

// contained is an engine of containers.
type contained struct{ *composedEngine }

func (contained) Site() engine.Site { return engine.Site{} }
