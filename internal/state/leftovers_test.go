package state_test

import (
	"errors"
	"os"
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/spec"
)

// TestRemoveComposeLeftovers removes the keys of labs that Compose took down, and nothing else.
func TestRemoveComposeLeftovers(t *testing.T) {
	stateIn(t)
	for folder, stays := range map[state.Folder]bool{
		state.FolderOf("demo", "compose-demo"):   false,
		state.FolderOf("there", "compose-there"): true,
		state.FolderOf("own", "0a1b2c3d"):        true,
	} {
		if err := os.MkdirAll(folder.Path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := state.RemoveComposeLeftovers(map[string]bool{"there.compose-there": true}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(folder.Path); (err == nil) != stays {
			t.Errorf("%s is there: %v, want %v", folder.Path, err == nil, stays)
		}
	}
}

// TestRemoveLeftoversOfLabsThatCannotRunAgain: after a reboot the nodes of a lab without containers are gone.
func TestRemoveLeftoversOfLabsThatCannotRunAgain(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	site := t.TempDir()
	for run, there := range map[string]bool{"0000000a": true, "0000000b": false} {
		f := state.FolderOf("demo", run)
		owner, err := f.Make()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(owner.Path()), owner.Close()); err != nil {
			t.Fatal(err)
		}
		if err := f.Write(state.Record{Run: run, Plan: spectest.Plan(t, spec.Spec{Name: "demo"}), Engine: "process", Site: site}); err != nil {
			t.Fatal(err)
		}
		if there {
			if err := os.Mkdir(site+"/"+run, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := state.RemoveLeftovers(nil); err != nil {
		t.Fatal(err)
	}
	for run, there := range map[string]bool{"0000000a": true, "0000000b": false} {
		if _, err := os.Stat(state.FolderOf("demo", run).Path); (err == nil) != there {
			t.Errorf("the folder of run %s, whose nodes are there: %v: %v", run, there, err)
		}
	}
}
