package lab_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// empty is an engine that has no labs.
type empty struct {
	engine.Engine
	name, host, folder string
}

func (e empty) Name() string                                           { return e.name }
func (e empty) DockerHost() string                                     { return e.host }
func (e empty) Site() engine.Site                                      { return engine.Site{Folder: e.folder} }
func (empty) Footprint(string, string) engine.Footprint                { return engine.Footprint{} }
func (empty) Labs(context.Context) (map[string]engine.LabState, error) { return nil, nil }
func (empty) Remove(context.Context, string) error                     { return nil }

// Occupied ends every start.
func (empty) Occupied(context.Context) ([]netip.Prefix, error) { return nil, errors.New("enough") }

// TestRemoveLeavesTheKeysOfLabsElsewhere: an engine that has no such lab says nothing about one that another has.
func TestRemoveLeavesTheKeysOfLabsElsewhere(t *testing.T) {
	docker := empty{name: "docker", host: "unix:///here.sock"}
	for _, c := range []struct {
		name  string
		asked empty
		stays bool
	}{
		{"the same engine", docker, false},
		{"another engine", empty{name: "process", folder: "/tmp/nomadlab-0"}, true},
		{"another daemon", empty{name: "docker", host: "unix:///there.sock"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			f := state.FolderOf("demo", "0a1b2c3d")
			owner, err := f.Make()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(owner.Path()), owner.Close()); err != nil { // the lab is kept
				t.Fatal(err)
			}
			plan := mustPlan(t, spec.Spec{Name: "demo"})
			if err := f.Write(state.Record{Run: "0a1b2c3d", Plan: plan, Engine: docker.name, Site: docker.host}); err != nil {
				t.Fatal(err)
			}
			err = lab.Remove(t.Context(), c.asked, "demo")
			_, lost := os.Stat(f.RecordFile())
			if stays := lost == nil; stays != c.stays || errors.Is(err, lab.ErrElsewhere) != c.stays || c.stays && !strings.Contains(err.Error(), "--engine docker down demo") {
				t.Errorf("the folder stays: %v, want %v (%v)", stays, c.stays, err)
			}
			_, err = lab.Up(t.Context(), c.asked, spec.Spec{Name: "demo"}, lab.UpOptions{})
			if errors.Is(err, spec.ErrTaken) != c.stays {
				t.Errorf("the name is taken: want %v, got %v", c.stays, err)
			}
		})
	}
}
